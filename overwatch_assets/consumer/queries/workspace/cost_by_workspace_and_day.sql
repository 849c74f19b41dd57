-- What did each workspace cost on each day?
--
-- One row: a workspace and UTC day. Dollars. Clusters whole, idle time included, and SQL warehouses. `unpriced`:
-- cluster days and warehouse states of which a price is missing; what is known of them is in the sums.
--
-- :workspaces
-- :from
-- :until
select
  date, workspace_name, organization_id,
  round(sum(total_dbus), 6) as dbus,
  round(sum(total_dbu_cost), 6) as dbu_cost,
  round(sum(total_compute_cost), 6) as compute_cost,
  round(sum(total_cost), 6) as total_cost,
  sum(unpriced) as unpriced
from spend
group by date, workspace_name, organization_id
order by date, workspace_name, organization_id
