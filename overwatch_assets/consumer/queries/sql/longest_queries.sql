-- Which hundred SQL queries took longest?
--
-- One row: a query that began in the time. Seconds for its client, of execution, and core hours of its tasks.
--
-- :workspaces
-- :from
-- :until
-- :limit = 100
select
  workspace_name, organization_id, query_id, warehouse_id, warehouse_name, user_name, statement_type, status,
  timestamp_millis(query_start_time_ms) as started,
  round(duration / 1000, 3) as seconds,
  round(execution_time_ms / 1000, 3) as execution_s,
  round(core_hours, 6) as core_hours,
  rows_produced, query_text
from sql_queries
order by duration desc nulls last, organization_id, query_id
limit :limit
