-- How many Spark jobs does each notebook run, by path and by user?
--
-- One row: a workspace, folder (the first `depth` parts of the path; many: the notebook itself) and user. Spark jobs
-- that began in the time; hours: of all of them, side by side or not.
--
-- :workspaces
-- :from
-- :until
-- :depth = 20
-- :limit
select
  workspace_name, organization_id,
  concat('/', concat_ws('/', slice(filter(split(notebook_path, '/'), x -> x <> ''), 1, :depth))) as path,
  user_email,
  count(distinct notebook_id) as notebooks,
  count(*) as spark_jobs,
  sum(case when result = 'failed' then 1 else 0 end) as failed,
  round(sum(run_ms) / 3600000, 6) as hours
from spark_jobs
where notebook_path is not null
group by workspace_name, organization_id,
  concat('/', concat_ws('/', slice(filter(split(notebook_path, '/'), x -> x <> ''), 1, :depth))), user_email
order by spark_jobs desc, organization_id, path, user_email nulls last
limit :limit
