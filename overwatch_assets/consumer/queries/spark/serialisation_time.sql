-- How much time do tasks lose to serialisation?
--
-- One row: a workspace, cluster, Databricks job and notebook. Hours of tasks that began in the time: to deserialise
-- them, to serialise their results, and to run them; `share`: the first two over all three.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  workspace_name, organization_id, cluster_id, db_job_id, notebook_path,
  count(*) as tasks,
  round(sum(deserialize_ms) / 3600000, 6) as deserialise_hours,
  round(sum(serialize_ms) / 3600000, 6) as serialise_hours,
  round(sum(run_ms) / 3600000, 6) as run_hours,
  round(
    sum(deserialize_ms + serialize_ms) / nullif(sum(deserialize_ms + serialize_ms + run_ms), 0), 4
  ) as share
from tasks
group by workspace_name, organization_id, cluster_id, db_job_id, notebook_path
order by deserialise_hours + serialise_hours desc, organization_id, cluster_id, db_job_id nulls last,
  notebook_path nulls last
limit :limit
