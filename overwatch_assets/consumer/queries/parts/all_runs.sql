-- Runs of tasks that have started.
select
  organization_id, workspace_name, run_id, job_run_id, job_id, job_name, task_key, task_type, tags, cluster_id,
  cluster_name, cluster_type as compute, terminal_state, job_trigger_type, repair_id, parent_run_id, task_detail,
  lower(coalesce(
    run_as_user_name,
    created_by,
    case
      when request_detail is null or request_detail.submissionRequest is null then null
      when request_detail.submissionRequest.submittedBy is null then null
      else request_detail.submissionRequest.submittedBy.email
    end
  )) as user_name,
  task_runtime.startEpochMS as start_ms,
  task_runtime.endEpochMS as end_ms,
  date_from_unix_date(cast(floor(task_runtime.startEpochMS / 86400000) as int)) as date,
  task_runtime.runTimeH as hours,
  case
    when terminal_state = 'Succeeded' then 'succeeded'
    when terminal_state = 'Cancelled' then 'cancelled'
    when terminal_state is not null then 'failed'
    else 'open'
  end as result
from jobRun
where task_runtime is not null and task_runtime.startEpochMS is not null
