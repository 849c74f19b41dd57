-- Attempts of tasks that began in the time, with what ran them. Outcomes are those of Spark's own status store.
select
  t.organization_id, t.workspace_name, t.cluster_id, t.spark_context_id, t.stage_id, t.stage_attempt_id, t.task_id,
  t.task_attempt_id, t.date, t.task_type, t.executor, t.host,
  o.owner.job_id as spark_job_id,
  o.owner.notebook_id as notebook_id,
  o.owner.notebook_path as notebook_path,
  case
    when o.owner.notebook_path is not null then struct(t.unixTimeMS as ms, o.owner.notebook_path as path)
  end as path_seen,
  o.owner.user_email as user_email,
  o.owner.db_job_id as db_job_id,
  t.outcome,
  cast(case when t.outcome = 'failed' then 1 else 0 end as bigint) + t.resubmissions as failures,
  coalesce(t.task_info.Speculative, false) as speculative,
  coalesce(t.task_runtime.runTimeMS, 0) as elapsed_ms,
  coalesce(t.task_metrics.ExecutorRunTime, 0) as run_ms,
  coalesce(t.task_metrics.ExecutorDeserializeTime, 0) as deserialize_ms,
  coalesce(t.task_metrics.ResultSerializationTime, 0) as serialize_ms,
  coalesce(t.task_metrics.JVMGCTime, 0) as gc_ms,
  coalesce(t.task_metrics.ResultSize, 0) as result_bytes,
  coalesce(t.task_metrics.MemoryBytesSpilled, 0) as memory_spilled_bytes,
  coalesce(t.task_metrics.DiskBytesSpilled, 0) as disk_spilled_bytes,
  coalesce(t.task_metrics.InputMetrics.BytesRead, 0) as input_bytes,
  coalesce(t.task_metrics.InputMetrics.RecordsRead, 0) as input_records,
  coalesce(t.task_metrics.OutputMetrics.BytesWritten, 0) as output_bytes,
  coalesce(t.task_metrics.OutputMetrics.RecordsWritten, 0) as output_records,
  coalesce(t.task_metrics.ShuffleReadMetrics.RemoteBytesRead, 0)
    + coalesce(t.task_metrics.ShuffleReadMetrics.LocalBytesRead, 0) as shuffle_read_bytes,
  coalesce(t.task_metrics.ShuffleWriteMetrics.ShuffleBytesWritten, 0) as shuffle_written_bytes
from (
  select *,
    case
      when task_end_reason is null then 'open'
      when task_end_reason.Reason = 'Success' then 'complete'
      when task_end_reason.Reason in ('TaskKilled', 'TaskCommitDenied') then 'killed'
      else 'failed'
    end as outcome
  from sparkTask
) t
left join stage_owners o
  on o.organization_id = t.organization_id and o.cluster_id = t.cluster_id
    and o.spark_context_id = t.spark_context_id and o.stage_id = t.stage_id
    and o.stage_attempt_id = t.stage_attempt_id
where t.date >= :from and t.date < :until
  and (:workspaces is null or array_contains(:workspaces, t.organization_id)
    or array_contains(:workspaces, t.workspace_name))
