-- How much time do tasks lose to garbage collection?
--
-- One row: a workspace, cluster, Databricks job and notebook. Hours of tasks that began in the time: in which their JVM
-- collected garbage, and in which they ran, the former included; `share` is one over the other.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  workspace_name, organization_id, cluster_id, db_job_id, notebook_path,
  count(*) as tasks,
  round(sum(gc_ms) / 3600000, 6) as gc_hours,
  round(sum(run_ms) / 3600000, 6) as run_hours,
  round(sum(gc_ms) / nullif(sum(run_ms), 0), 4) as share
from tasks
group by workspace_name, organization_id, cluster_id, db_job_id, notebook_path
order by gc_hours desc, organization_id, cluster_id, db_job_id nulls last, notebook_path nulls last
limit :limit
