-- What made up the cost of a workspace on each day?
--
-- One row: a workspace, UTC day and cluster or SQL warehouse that cost something or has a price missing. Dollars.
-- `idle_cost`: the part of a cluster that no job run used; it is in `total_cost`, and null of warehouses. `unpriced`:
-- states of a warehouse, or 1 of a cluster, of which a price is missing. Name one workspace to see that alone.
--
-- :workspaces
-- :from
-- :until
-- :limit = 1000
select
  workspace_name, organization_id, date, category, nodes, id, max(name) as name,
  round(sum(total_dbus), 6) as dbus,
  round(sum(total_dbu_cost), 6) as dbu_cost,
  round(sum(total_compute_cost), 6) as compute_cost,
  round(sum(total_cost), 6) as total_cost,
  round(sum(idle_cost), 6) as idle_cost,
  sum(unpriced) as unpriced
from spend
group by workspace_name, organization_id, date, category, nodes, id
having sum(spend.total_cost) > 0 or sum(spend.unpriced) > 0
order by workspace_name, organization_id, date, total_cost desc nulls last, id
limit :limit
