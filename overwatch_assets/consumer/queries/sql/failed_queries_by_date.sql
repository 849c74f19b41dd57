-- How many SQL queries fail on each day?
--
-- One row: a UTC day and workspace, by when queries began. `failed_share`: failed ones of all that ended, cancelled
-- ones among them; hours: time that failed ones took for their clients.
--
-- :workspaces
-- :from
-- :until
select
  date, workspace_name, organization_id,
  count(*) as queries,
  sum(case when status = 'FAILED' then 1 else 0 end) as failed,
  sum(case when status = 'CANCELED' then 1 else 0 end) as cancelled,
  round(
    sum(case when status = 'FAILED' then 1 else 0 end)
    / nullif(sum(case when status in ('FAILED', 'CANCELED', 'FINISHED') then 1 else 0 end), 0), 4
  ) as failed_share,
  round(sum(case when status = 'FAILED' then duration else 0 end) / 3600000, 6) as failed_hours
from sql_queries
group by date, workspace_name, organization_id
order by date, workspace_name, organization_id
