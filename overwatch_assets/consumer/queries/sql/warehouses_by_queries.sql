-- Which warehouses run the most queries?
--
-- One row: a workspace and warehouse; none: other compute. Queries that began in the time, by how they ended.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  workspace_name, organization_id, warehouse_id, max_by(warehouse_name, query_start_time_ms) as warehouse_name,
  count(*) as queries,
  sum(case when status = 'FINISHED' then 1 else 0 end) as finished,
  sum(case when status = 'FAILED' then 1 else 0 end) as failed,
  sum(case when status = 'CANCELED' then 1 else 0 end) as cancelled
from sql_queries
group by workspace_name, organization_id, warehouse_id
order by queries desc, organization_id, warehouse_id nulls last
limit :limit
