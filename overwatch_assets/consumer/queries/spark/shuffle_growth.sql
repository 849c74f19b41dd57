-- Which stages write much more to shuffles than they read?
--
-- One row: a stage attempt that read something and wrote to a shuffle. MB (1,048,576 bytes) of its tasks that began in
-- the time: read from storage and shuffles, written to shuffles; `growth` is one over the other.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  t.workspace_name, t.organization_id, t.cluster_id, t.spark_context_id, t.stage_id, t.stage_attempt_id,
  max(n.stage_name) as stage_name, max(t.notebook_path) as notebook_path, max(t.db_job_id) as db_job_id,
  round(sum(t.input_bytes + t.shuffle_read_bytes) / 1048576, 6) as read_mb,
  round(sum(t.shuffle_written_bytes) / 1048576, 6) as shuffle_written_mb,
  round(sum(t.shuffle_written_bytes) / nullif(sum(t.input_bytes + t.shuffle_read_bytes), 0), 4) as growth
from tasks t
left join stage_names n
  on n.organization_id = t.organization_id and n.cluster_id = t.cluster_id
    and n.spark_context_id = t.spark_context_id and n.stage_id = t.stage_id
    and n.stage_attempt_id = t.stage_attempt_id
group by t.workspace_name, t.organization_id, t.cluster_id, t.spark_context_id, t.stage_id, t.stage_attempt_id
having sum(t.input_bytes + t.shuffle_read_bytes) > 0 and sum(t.shuffle_written_bytes) > 0
order by growth desc, t.organization_id, t.cluster_id, t.spark_context_id, t.stage_id, t.stage_attempt_id
limit :limit
