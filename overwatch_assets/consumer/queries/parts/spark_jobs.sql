-- Spark jobs that began in the time.
select
  organization_id, workspace_name, cluster_id, spark_context_id, job_id, date, notebook_id, notebook_path,
  lower(user_email) as user_email, db_job_id, db_id_in_job,
  timestamp as started,
  unixTimeMS as start_ms,
  case when notebook_path is not null then struct(unixTimeMS as ms, notebook_path as path) end as path_seen,
  job_runtime.runTimeMS as run_ms,
  case
    when job_result is null then 'running'
    when job_result.Result = 'JobSucceeded' then 'succeeded'
    else 'failed'
  end as result,
  case when job_result is not null then job_result.Exception.Message end as error
from sparkJob
where date >= :from and date < :until
  and (:workspaces is null or array_contains(:workspaces, organization_id)
    or array_contains(:workspaces, workspace_name))
