-- Which notebooks do the most people use?
--
-- One row: a workspace and notebook. `users`: different ones who attached it, ran a command of it (verbose audit logs)
-- or ran Spark jobs with it; `spark_users`: the last alone. Runs of jobs count as of whom they ran as.
--
-- :workspaces
-- :from
-- :until
-- :limit
with used as (
  select workspace_name, organization_id, notebook_id, notebook_path, path_seen, user_email, true as by_spark
  from spark_jobs
  union all
  select workspace_name, organization_id, notebook_id, notebook_path,
    case when notebook_path is not null then struct(unixTimeMS as ms, notebook_path as path) end as path_seen,
    lower(user_email) as user_email, false as by_spark
  from notebook
  where action in ('attachNotebook', 'runCommand') and date >= :from and date < :until
    and (:workspaces is null or array_contains(:workspaces, organization_id)
      or array_contains(:workspaces, workspace_name))
)
select
  workspace_name, organization_id, notebook_id, max_by(notebook_path, path_seen) as notebook_path,
  count(distinct user_email) as users,
  count(distinct case when by_spark then user_email end) as spark_users,
  sum(cast(case when by_spark then 1 else 0 end as bigint)) as spark_jobs
from used
where notebook_id is not null
group by workspace_name, organization_id, notebook_id
order by users desc, spark_jobs desc, organization_id, notebook_id
limit :limit
