-- All money: a row for each cluster and day, and for each state of a SQL warehouse and day.
select
  organization_id, workspace_name, date, category, nodes, cluster_id as id, cluster_name as name,
  from_json(custom_tags, 'map<string,string>') as tags,
  total_dbus, total_dbu_cost, total_compute_cost, total_cost, idle_cost, unpriced
from cluster_days
union all
select
  organization_id, workspace_name, date, 'sql' as category, 'warehouse' as nodes, warehouse_id as id,
  warehouse_name as name, tags,
  total_dbus, total_dbu_cost, total_compute_cost, total_cost, cast(null as double) as idle_cost, unpriced
from warehouse_days
