-- How many core hours do SQL queries lose that fail, on each day?
--
-- One row: a UTC day and workspace on which a query failed: of its end, else of its start. Core hours: time of the
-- tasks of failed queries.
--
-- :workspaces
-- :from
-- :until
select
  failed_on as date, workspace_name, organization_id,
  count(*) as failed,
  count(distinct lower(user_name)) as users,
  round(sum(task_total_time_ms / 3600000), 6) as core_hours
from (
  select *,
    coalesce(date_from_unix_date(cast(floor(query_end_time_ms / 86400000) as int)), date) as failed_on
  from sqlQueryHistory
  where status = 'FAILED' and date < :until
)
where failed_on >= :from and failed_on < :until
  and (:workspaces is null or array_contains(:workspaces, organization_id)
    or array_contains(:workspaces, workspace_name))
group by failed_on, workspace_name, organization_id
order by date, workspace_name, organization_id
