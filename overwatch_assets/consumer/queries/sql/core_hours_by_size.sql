-- How many core hours do SQL queries use on warehouses of each size?
--
-- One row: a workspace and size of the warehouse's clusters when the query began; none: it is not known. Core hours:
-- time of the queries' tasks.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id, cluster_size,
  count(*) as queries,
  count(distinct warehouse_id) as warehouses,
  round(sum(core_hours), 6) as core_hours
from sql_queries
group by workspace_name, organization_id, cluster_size
order by core_hours desc nulls last, organization_id, cluster_size nulls last
