-- How many core hours do SQL queries use on each warehouse, and what does it cost?
--
-- One row: a workspace and warehouse with queries or cost. Core hours: time of the queries' tasks that began in the
-- time. Dollars of the warehouse itself, exactly of the time, whether queries ran or not. `unpriced`: its states of
-- which a price is missing.
--
-- :workspaces
-- :from
-- :until
with asked as (
  select
    organization_id, warehouse_id, max(workspace_name) as workspace_name,
    max_by(warehouse_name, query_start_time_ms) as warehouse_name,
    count(*) as queries, sum(core_hours) as core_hours
  from sql_queries
  group by organization_id, warehouse_id
),
paid as (
  select
    organization_id, warehouse_id, max(workspace_name) as workspace_name,
    max_by(warehouse_name, date) as warehouse_name,
    sum(total_cost) as total_cost, sum(unpriced) as unpriced
  from warehouse_days
  group by organization_id, warehouse_id
  having sum(warehouse_days.total_cost) > 0 or sum(warehouse_days.unpriced) > 0
)
select
  coalesce(a.workspace_name, p.workspace_name) as workspace_name,
  coalesce(a.organization_id, p.organization_id) as organization_id,
  coalesce(a.warehouse_id, p.warehouse_id) as warehouse_id,
  coalesce(a.warehouse_name, p.warehouse_name) as warehouse_name,
  coalesce(a.queries, 0) as queries,
  round(a.core_hours, 6) as core_hours,
  round(p.total_cost, 6) as total_cost,
  p.unpriced
from asked a
full outer join paid p on p.organization_id = a.organization_id and p.warehouse_id = a.warehouse_id
order by core_hours desc nulls last, total_cost desc nulls last, organization_id, warehouse_id nulls last
