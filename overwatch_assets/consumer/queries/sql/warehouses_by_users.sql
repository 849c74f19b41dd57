-- Which warehouses do the most people use?
--
-- One row: a workspace and warehouse; none: other compute. Different users whose queries began in the time.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  workspace_name, organization_id, warehouse_id, max_by(warehouse_name, query_start_time_ms) as warehouse_name,
  count(distinct asked_by) as users,
  count(*) as queries
from sql_queries
group by workspace_name, organization_id, warehouse_id
order by users desc, queries desc, organization_id, warehouse_id nulls last
limit :limit
