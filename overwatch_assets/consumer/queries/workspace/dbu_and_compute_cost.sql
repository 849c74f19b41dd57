-- How much goes to Databricks for DBUs, and how much to the cloud for compute?
--
-- One row: a workspace. Dollars; `dbu_share` is the part of DBUs in the sum of both. Idle time is included. Serverless
-- warehouses have no compute of their own. `unpriced`: cluster days and warehouse states of which a price is missing.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id,
  round(sum(total_dbus), 6) as dbus,
  round(sum(total_dbu_cost), 6) as dbu_cost,
  round(sum(total_compute_cost), 6) as compute_cost,
  round(sum(total_cost), 6) as total_cost,
  round(sum(total_dbu_cost) / nullif(sum(total_cost), 0), 4) as dbu_share,
  sum(unpriced) as unpriced
from spend
group by workspace_name, organization_id
order by total_cost desc nulls last, organization_id
