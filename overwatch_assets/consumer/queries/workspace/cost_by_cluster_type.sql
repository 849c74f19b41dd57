-- What is spent on interactive and automated clusters, single nodes and SQL warehouses?
--
-- One row: a workspace, category (interactive, automated, sql) and kind of nodes (standard, single node, high
-- concurrency, warehouse). Dollars, idle time included. A cluster is on each day what its last state of that day was.
-- `clusters`: different ones that were there. `unpriced`: cluster days and warehouse states of which a price is
-- missing.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id, category, nodes,
  count(distinct id) as clusters,
  round(sum(total_dbus), 6) as dbus,
  round(sum(total_dbu_cost), 6) as dbu_cost,
  round(sum(total_compute_cost), 6) as compute_cost,
  round(sum(total_cost), 6) as total_cost,
  sum(unpriced) as unpriced
from spend
group by workspace_name, organization_id, category, nodes
order by workspace_name, organization_id, total_cost desc nulls last, category, nodes
