-- What did each workspace cost over a period?
--
-- One row: a workspace. Dollars. Clusters whole, of which `idle_cost` is what no job run used, and SQL warehouses.
-- `unpriced`: cluster days and warehouse states of which a price is missing; what is known of them is in the sums.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id,
  count(distinct date) as days,
  round(sum(case when category <> 'sql' or nodes <> 'warehouse' then total_cost end), 6) as cluster_cost,
  round(sum(idle_cost), 6) as idle_cost,
  round(sum(case when nodes = 'warehouse' then total_cost end), 6) as warehouse_cost,
  round(sum(total_cost), 6) as total_cost,
  sum(unpriced) as unpriced
from spend
group by workspace_name, organization_id
order by total_cost desc nulls last, organization_id
