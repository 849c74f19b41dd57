-- Which tasks handle more than 400 MB?
--
-- One row: a task attempt that read (storage and shuffle) or wrote (storage and shuffle) more than `size_mb`. MB are
-- 1,048,576 bytes.
--
-- :workspaces
-- :from
-- :until
-- :size_mb int = 400: Tasks that read or wrote more than so many MB.
-- :limit
select
  t.workspace_name, t.organization_id, t.cluster_id, t.spark_context_id, t.stage_id, t.stage_attempt_id, t.task_id,
  t.task_attempt_id, n.stage_name, t.notebook_path, t.db_job_id, t.outcome,
  round((t.input_bytes + t.shuffle_read_bytes) / 1048576, 3) as read_mb,
  round((t.output_bytes + t.shuffle_written_bytes) / 1048576, 3) as written_mb,
  t.elapsed_ms,
  round(t.disk_spilled_bytes / 1048576, 3) as disk_spilled_mb
from tasks t
left join stage_names n
  on n.organization_id = t.organization_id and n.cluster_id = t.cluster_id
    and n.spark_context_id = t.spark_context_id and n.stage_id = t.stage_id
    and n.stage_attempt_id = t.stage_attempt_id
where greatest(t.input_bytes + t.shuffle_read_bytes, t.output_bytes + t.shuffle_written_bytes)
  > cast(:size_mb as bigint) * 1048576
order by greatest(read_mb, written_mb) desc, t.organization_id, t.cluster_id, t.spark_context_id, t.task_id,
  t.task_attempt_id
limit :limit
