-- Which notebooks read the largest records?
--
-- One row: a workspace and notebook. Mean bytes of a record that its Spark tasks read from storage, the largest mean of
-- one task, and how much it read: MB are 1,048,576 bytes. Notebooks that read no record are left out.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  workspace_name, organization_id, notebook_id, max_by(notebook_path, path_seen) as notebook_path,
  sum(input_records) as records,
  round(sum(input_bytes) / 1048576, 6) as read_mb,
  round(sum(input_bytes) / nullif(sum(input_records), 0), 3) as mean_record_bytes,
  round(max(input_bytes / nullif(input_records, 0)), 3) as largest_mean_of_a_task
from tasks
where notebook_id is not null and input_records > 0
group by workspace_name, organization_id, notebook_id
order by mean_record_bytes desc, organization_id, notebook_id
limit :limit
