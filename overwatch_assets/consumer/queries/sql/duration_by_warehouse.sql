-- How long do queries take on each warehouse?
--
-- One row: a workspace and warehouse; none: other compute. Seconds that queries took for their clients: mean, median,
-- 95th percentile (between two, in proportion) and longest; queries that still run are left out.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id, warehouse_id, max_by(warehouse_name, query_start_time_ms) as warehouse_name,
  count(*) as queries,
  round(avg(duration) / 1000, 3) as mean_s,
  round(percentile(duration, 0.5) / 1000, 3) as median_s,
  round(percentile(duration, 0.95) / 1000, 3) as p95_s,
  round(max(duration) / 1000, 3) as longest_s
from sql_queries
where duration is not null
group by workspace_name, organization_id, warehouse_id
order by mean_s desc, organization_id, warehouse_id nulls last
