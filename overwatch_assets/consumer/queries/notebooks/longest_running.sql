-- Which notebooks run longest?
--
-- One row: a workspace and notebook. Hours of its commands (verbose audit logs are needed) and of its Spark jobs, those
-- side by side added up, and the longest of each. A notebook that a job runs has Spark jobs and no commands.
--
-- :workspaces
-- :from
-- :until
-- :limit
with each as (
  select
    workspace_name, organization_id, notebook_id, notebook_path, path_seen, execution_time_s / 3600 as command_h,
    cast(null as double) as spark_h
  from commands
  union all
  select
    workspace_name, organization_id, notebook_id, notebook_path, path_seen, cast(null as double) as command_h,
    run_ms / 3600000 as spark_h
  from spark_jobs
)
select
  workspace_name, organization_id, notebook_id, max_by(notebook_path, path_seen) as notebook_path,
  count(command_h) as commands,
  round(sum(command_h), 6) as command_hours,
  round(max(command_h), 6) as longest_command_h,
  round(sum(spark_h), 6) as spark_job_hours,
  round(max(spark_h), 6) as longest_spark_job_h
from each
where notebook_id is not null
group by workspace_name, organization_id, notebook_id
order by greatest(coalesce(round(sum(command_h), 6), 0), coalesce(round(sum(spark_h), 6), 0)) desc,
  organization_id, notebook_id
limit :limit
