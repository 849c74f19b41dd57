-- Which notebooks cost the most, have the most users and fail the most?
--
-- One row: a workspace and notebook. Dollars of its commands (verbose audit logs are needed): their shares of clusters,
-- a second view on money that clusters and runs have too, never to be added to theirs. `run_cost`: dollars of runs of
-- jobs that are this notebook, by the path that it was last seen with; of several that had the path (one was deleted
-- and another one made) the last has them. Failures: commands and Spark jobs. `unpriced`: commands, and days of runs,
-- without a full price.
--
-- :workspaces
-- :from
-- :until
-- :limit
with used as (
  select
    workspace_name, organization_id, notebook_id, notebook_path, path_seen, start_ms, user_email,
    total_cost, unpriced, 1 as command, cast(case when status = 'failed' then 1 else 0 end as bigint) as failed_command,
    0 as spark_job, 0 as failed_spark_job
  from commands
  union all
  select
    workspace_name, organization_id, notebook_id, notebook_path, path_seen, start_ms, user_email,
    cast(null as double) as total_cost, cast(0 as bigint) as unpriced, 0 as command,
    cast(0 as bigint) as failed_command,
    1 as spark_job, case when result = 'failed' then 1 else 0 end as failed_spark_job
  from spark_jobs
),
notebooks as (
  select
    workspace_name, organization_id, notebook_id, max_by(notebook_path, path_seen) as notebook_path,
    max(start_ms) as last_ms,
    round(sum(total_cost), 6) as command_cost,
    count(distinct user_email) as users,
    sum(command) as commands,
    sum(failed_command) as failed_commands,
    sum(spark_job) as spark_jobs,
    sum(failed_spark_job) as failed_spark_jobs,
    sum(unpriced) as unpriced
  from used
  where notebook_id is not null
  group by workspace_name, organization_id, notebook_id
),
placed as (
  select *,
    case
      when row_number() over (
        partition by organization_id, notebook_path order by last_ms desc nulls last, notebook_id desc
      ) = 1 then notebook_path
    end as path_of_runs
  from notebooks
),
of_runs as (
  select
    r.organization_id, r.task_detail.notebook_task.notebook_path as notebook_path,
    max(d.workspace_name) as workspace_name, sum(d.total_cost) as run_cost, sum(d.unpriced) as unpriced
  from run_days d
  join all_runs r on r.organization_id = d.organization_id and r.run_id = d.run_id and r.start_ms = d.start_ms
  where r.task_type = 'notebook' and r.task_detail is not null and r.task_detail.notebook_task is not null
  group by r.organization_id, r.task_detail.notebook_task.notebook_path
)
select
  coalesce(n.workspace_name, r.workspace_name) as workspace_name,
  coalesce(n.organization_id, r.organization_id) as organization_id,
  n.notebook_id,
  coalesce(n.notebook_path, r.notebook_path) as notebook_path,
  n.command_cost,
  round(r.run_cost, 6) as run_cost,
  n.users, n.commands, n.failed_commands, n.spark_jobs, n.failed_spark_jobs,
  coalesce(n.unpriced, 0) + coalesce(r.unpriced, 0) as unpriced
from placed n
full outer join of_runs r on r.organization_id = n.organization_id and r.notebook_path = n.path_of_runs
order by coalesce(n.command_cost, 0) + coalesce(r.run_cost, 0) desc, failed_spark_jobs desc nulls last,
  organization_id, n.notebook_id nulls last, notebook_path
limit :limit
