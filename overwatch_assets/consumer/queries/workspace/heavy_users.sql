-- Who costs the most, in notebooks, jobs and SQL together?
--
-- One row: a workspace and user. Dollars. `notebook_cost`: shares of clusters of the user's commands (verbose audit
-- logs are needed); `job_cost`: shares of clusters of runs that ran as the user (else whose job the user made, else
-- who asked for it); `sql_cost`: what each warehouse cost on each day, split by the time of the tasks of the day's
-- queries. Commands and runs are two views on one cluster's money and may overlap, so the sum of all three is at most
-- `at_most`. `unpriced`: commands, days of runs, and states of warehouses on the user's days, of which a price is
-- missing.
--
-- :workspaces
-- :from
-- :until
-- :limit
with queries as (
  select
    organization_id, warehouse_id, date, asked_by as user_name, max(workspace_name) as workspace_name,
    sum(task_total_time_ms) as task_ms
  from sql_queries
  where warehouse_id is not null
  group by organization_id, warehouse_id, date, asked_by
),
warehouses as (
  select organization_id, warehouse_id, date, sum(total_cost) as cost, sum(unpriced) as unpriced
  from warehouse_days
  group by organization_id, warehouse_id, date
),
each as (
  select workspace_name, organization_id, user_email as user_name, total_cost as notebook_cost,
    cast(null as double) as job_cost, cast(null as double) as sql_cost, unpriced
  from commands
  union all
  select workspace_name, organization_id, user_name, cast(null as double) as notebook_cost,
    total_cost as job_cost, cast(null as double) as sql_cost, unpriced
  from run_days
  union all
  select
    q.workspace_name, q.organization_id, q.user_name, cast(null as double) as notebook_cost,
    cast(null as double) as job_cost,
    w.cost * q.task_ms
      / nullif(sum(q.task_ms) over (partition by q.organization_id, q.warehouse_id, q.date), 0) as sql_cost,
    coalesce(w.unpriced, 0) as unpriced
  from queries q
  left join warehouses w
    on w.organization_id = q.organization_id and w.warehouse_id = q.warehouse_id and w.date = q.date
)
select
  workspace_name, organization_id, user_name,
  round(sum(notebook_cost), 6) as notebook_cost,
  round(sum(job_cost), 6) as job_cost,
  round(sum(sql_cost), 6) as sql_cost,
  round(coalesce(sum(notebook_cost), 0) + coalesce(sum(job_cost), 0) + coalesce(sum(sql_cost), 0), 6) as at_most,
  sum(unpriced) as unpriced
from each
group by workspace_name, organization_id, user_name
order by at_most desc, organization_id, user_name nulls last
limit :limit
