-- How many SQL queries run on each day?
--
-- One row: a UTC day and workspace, by when queries began. Hours: time that they took for their clients, added up;
-- core hours: time of their tasks.
--
-- :workspaces
-- :from
-- :until
select
  date, workspace_name, organization_id,
  count(*) as queries,
  count(distinct asked_by) as users,
  count(distinct warehouse_id) as warehouses,
  round(sum(duration) / 3600000, 6) as hours,
  round(sum(core_hours), 6) as core_hours
from sql_queries
group by date, workspace_name, organization_id
order by date, workspace_name, organization_id
