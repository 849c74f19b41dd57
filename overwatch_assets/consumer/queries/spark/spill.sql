-- Which stages spill the most?
--
-- One row: a stage attempt with tasks that began in the time and spilled. MB (1,048,576 bytes) that did not fit: their
-- size in memory, and on disk, over all attempts of its tasks.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  t.workspace_name, t.organization_id, t.cluster_id, t.spark_context_id, t.stage_id, t.stage_attempt_id,
  max(n.stage_name) as stage_name, max(t.notebook_path) as notebook_path, max(t.db_job_id) as db_job_id,
  count(*) as tasks,
  sum(case when t.memory_spilled_bytes > 0 or t.disk_spilled_bytes > 0 then 1 else 0 end) as spilling_tasks,
  round(sum(t.memory_spilled_bytes) / 1048576, 3) as memory_spilled_mb,
  round(sum(t.disk_spilled_bytes) / 1048576, 3) as disk_spilled_mb
from tasks t
left join stage_names n
  on n.organization_id = t.organization_id and n.cluster_id = t.cluster_id
    and n.spark_context_id = t.spark_context_id and n.stage_id = t.stage_id
    and n.stage_attempt_id = t.stage_attempt_id
group by t.workspace_name, t.organization_id, t.cluster_id, t.spark_context_id, t.stage_id, t.stage_attempt_id
having sum(t.memory_spilled_bytes) > 0 or sum(t.disk_spilled_bytes) > 0
order by disk_spilled_mb desc, memory_spilled_mb desc, t.organization_id, t.cluster_id, t.spark_context_id, t.stage_id,
  t.stage_attempt_id
limit :limit
