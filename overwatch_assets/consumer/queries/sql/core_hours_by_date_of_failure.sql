-- How many core hours do SQL queries lose that fail, on each day?
--
-- One row: a UTC day and workspace on which a query failed: of its end, else of its start. Core hours: time of the
-- tasks of failed queries.
--
-- :workspaces
-- :from
-- :until
select
  coalesce(date_from_unix_date(cast(floor(query_end_time_ms / 86400000) as int)), date) as date, workspace_name, organization_id,
  count(*) as failed,
  count(distinct user_name) as users,
  round(sum(core_hours), 6) as core_hours
from sql_queries
where status = 'FAILED'
group by coalesce(date_from_unix_date(cast(floor(query_end_time_ms / 86400000) as int)), date), workspace_name, organization_id
order by date, workspace_name, organization_id
