-- How much do SQL queries read, spill and get from caches?
--
-- One row: a workspace and warehouse; none: other compute. GB (1,073,741,824 bytes) of queries that began in the time;
-- `cache_share`: of what was read. `from_result_cache`: queries that read nothing, since their result was kept.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id, warehouse_id, max_by(warehouse_name, query_start_time_ms) as warehouse_name,
  count(*) as queries,
  round(sum(read_bytes) / 1073741824, 6) as read_gb,
  round(sum(read_cache_bytes) / 1073741824, 6) as read_from_cache_gb,
  round(sum(read_cache_bytes) / nullif(sum(read_bytes), 0), 4) as cache_share,
  round(sum(read_remote_bytes) / 1073741824, 6) as read_remote_gb,
  round(sum(spill_to_disk_bytes) / 1073741824, 6) as spilled_gb,
  sum(case when spill_to_disk_bytes > 0 then 1 else 0 end) as spilling_queries,
  sum(case when result_from_cache then 1 else 0 end) as from_result_cache
from sql_queries
group by workspace_name, organization_id, warehouse_id
order by read_gb desc nulls last, organization_id, warehouse_id nulls last
