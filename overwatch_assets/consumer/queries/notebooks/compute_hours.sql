-- How many compute hours does each notebook use?
--
-- One row: a workspace and notebook. Core hours: the time that its Spark tasks ran, and their CPU-bound rest: without
-- waiting for garbage collection. Tasks that began in the time, failed ones among them.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  workspace_name, organization_id, notebook_id, max_by(notebook_path, path_seen) as notebook_path,
  count(distinct user_email) as users,
  count(*) as tasks,
  round(sum(run_ms) / 3600000, 6) as core_hours,
  round(sum(run_ms - gc_ms) / 3600000, 6) as core_hours_without_gc
from tasks
where notebook_id is not null
group by workspace_name, organization_id, notebook_id
order by core_hours desc, organization_id, notebook_id
limit :limit
