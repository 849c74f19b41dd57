-- How much is spent on DBUs by category of cluster?
--
-- One row: a workspace and category: interactive, automated, sql (warehouses). DBUs and what they cost, dollars, idle
-- time included; `share` of the workspace's DBU cost. `unpriced`: cluster days and warehouse states without a full
-- price.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id, category, dbus, dbu_cost,
  round(dbu_cost / nullif(sum(dbu_cost) over (partition by organization_id), 0), 4) as share,
  unpriced
from (
  select
    workspace_name, organization_id, category,
    round(sum(total_dbus), 6) as dbus,
    round(sum(total_dbu_cost), 6) as dbu_cost,
    sum(unpriced) as unpriced
  from spend
  group by workspace_name, organization_id, category
)
order by workspace_name, organization_id, dbu_cost desc nulls last, category
