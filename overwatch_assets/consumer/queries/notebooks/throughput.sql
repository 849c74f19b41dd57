-- How many MB a second do notebooks read and write?
--
-- One row: a workspace and folder, the first `depth` parts of notebooks' paths. MB (1,048,576 bytes) that Spark tasks
-- read from and wrote to storage, over the time that tasks ran, added up: throughput of a core. Failed tries count.
--
-- :workspaces
-- :from
-- :until
-- :depth
-- :limit
select
  workspace_name, organization_id,
  concat('/', concat_ws('/', slice(filter(split(notebook_path, '/'), x -> x <> ''), 1, :depth))) as path,
  count(distinct notebook_id) as notebooks,
  round(sum(input_bytes) / 1048576, 6) as read_mb,
  round(sum(output_bytes) / 1048576, 6) as written_mb,
  round(sum(run_ms) / 3600000, 6) as task_hours,
  round(sum(input_bytes + output_bytes) / 1048576 / nullif(sum(run_ms) / 1000, 0), 6) as mb_per_s
from tasks
where notebook_path is not null
group by workspace_name, organization_id,
  concat('/', concat_ws('/', slice(filter(split(notebook_path, '/'), x -> x <> ''), 1, :depth)))
order by mb_per_s desc nulls last, organization_id, path
limit :limit
