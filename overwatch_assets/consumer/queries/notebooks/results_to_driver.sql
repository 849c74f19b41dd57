-- Which notebooks send the most data to the driver, and so to the screen?
--
-- One row: a workspace and notebook. MB (1,048,576 bytes) of results of Spark tasks, which the driver collects.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  workspace_name, organization_id, notebook_id, max_by(notebook_path, path_seen) as notebook_path,
  count(distinct user_email) as users,
  count(*) as tasks,
  round(sum(result_bytes) / 1048576, 6) as result_mb,
  round(max(result_bytes) / 1048576, 6) as largest_task_mb
from tasks
where notebook_id is not null
group by workspace_name, organization_id, notebook_id
order by result_mb desc, organization_id, notebook_id
limit :limit
