-- Whose SQL queries fail?
--
-- One row: a workspace and user with a failed query. `failed_share`: of all of the user's queries that ended.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id, asked_by as user_name,
  count(*) as queries,
  sum(case when status = 'FAILED' then 1 else 0 end) as failed,
  round(
    sum(case when status = 'FAILED' then 1 else 0 end)
    / nullif(sum(case when status in ('FAILED', 'CANCELED', 'FINISHED') then 1 else 0 end), 0), 4
  ) as failed_share,
  round(sum(case when status = 'FAILED' then duration else 0 end) / 3600000, 6) as failed_hours
from sql_queries
group by workspace_name, organization_id, asked_by
having sum(case when status = 'FAILED' then 1 else 0 end) > 0
order by failed desc, organization_id, user_name nulls last
