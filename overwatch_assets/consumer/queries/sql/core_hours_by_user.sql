-- Which twenty users use the most core hours of SQL?
--
-- One row: a workspace and user. Core hours: time of the queries' tasks.
--
-- :workspaces
-- :from
-- :until
-- :limit = 20
select
  workspace_name, organization_id, asked_by as user_name,
  count(*) as queries,
  round(sum(core_hours), 6) as core_hours
from sql_queries
group by workspace_name, organization_id, asked_by
order by core_hours desc nulls last, organization_id, user_name nulls last
limit :limit
