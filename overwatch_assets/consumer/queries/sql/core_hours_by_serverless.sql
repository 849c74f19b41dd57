-- How many core hours do SQL queries use on serverless warehouses, and on others?
--
-- One row: a workspace and whether the warehouse was serverless when the query began; none: it is not known. Core
-- hours: time of the queries' tasks.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id, serverless,
  count(*) as queries,
  count(distinct warehouse_id) as warehouses,
  round(sum(core_hours), 6) as core_hours
from sql_queries
group by workspace_name, organization_id, serverless
order by workspace_name, organization_id, serverless nulls last
