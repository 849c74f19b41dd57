-- How many core hours do SQL queries use?
--
-- One row: a workspace. Core hours: time of the queries' tasks. `unknown`: queries that do not tell it, as those from
-- the result cache.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id,
  count(*) as queries,
  round(sum(core_hours), 6) as core_hours,
  sum(case when core_hours is null then 1 else 0 end) as unknown
from sql_queries
group by workspace_name, organization_id
order by core_hours desc nulls last, organization_id
