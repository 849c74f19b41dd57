-- Which SQL queries failed, and why?
--
-- One row: a failed query that began in the time, newest first.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  workspace_name, organization_id, timestamp_millis(query_start_time_ms) as started, query_id, warehouse_id,
  warehouse_name, user_name, statement_type,
  round(duration / 1000, 3) as seconds,
  error_message, query_text, client_application
from sql_queries
where status = 'FAILED'
order by query_start_time_ms desc, organization_id, query_id
limit :limit
