-- Which stages are skewed?
--
-- One row: a stage attempt of which at least two tasks that began in the time succeeded. Milliseconds; `skew`: its
-- longest task over the median one (at least 1 ms), of those that succeeded. `lost_ms`: how much longer the longest
-- took.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  t.workspace_name, t.organization_id, t.cluster_id, t.spark_context_id, t.stage_id, t.stage_attempt_id,
  max(n.stage_name) as stage_name, max(t.notebook_path) as notebook_path, max(t.db_job_id) as db_job_id,
  count(*) as tasks,
  round(percentile(t.elapsed_ms, 0.5), 3) as median_ms,
  max(t.elapsed_ms) as longest_ms,
  round(max(t.elapsed_ms) / greatest(percentile(t.elapsed_ms, 0.5), 1), 3) as skew,
  round(max(t.elapsed_ms) - percentile(t.elapsed_ms, 0.5), 3) as lost_ms
from tasks t
left join stage_names n
  on n.organization_id = t.organization_id and n.cluster_id = t.cluster_id
    and n.spark_context_id = t.spark_context_id and n.stage_id = t.stage_id
    and n.stage_attempt_id = t.stage_attempt_id
where t.outcome = 'complete'
group by t.workspace_name, t.organization_id, t.cluster_id, t.spark_context_id, t.stage_id, t.stage_attempt_id
having count(*) > 1
order by skew desc, t.organization_id, t.cluster_id, t.spark_context_id, t.stage_id, t.stage_attempt_id
limit :limit
