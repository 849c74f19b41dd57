-- Which node types are in use, and what do they cost, in each cloud?
--
-- One row: a cloud and node type. Dollars of clusters, idle time included, drivers by the driver's node type and
-- workers by theirs, as of each cluster's last state of a day; SQL warehouses are left out. `unpriced`: cluster days on
-- which a price of the nodes is missing; what is known of them is in the sums.
--
-- :workspaces
-- :from
-- :until
with nodes as (
  select
    organization_id, cluster_id, driver_node_type_id as node_type,
    total_driver_cost as cost, driver_dbu_cost as dbu_cost, driver_compute_cost as compute_cost
  from cluster_days
  union all
  select
    organization_id, cluster_id, node_type_id as node_type,
    total_worker_cost as cost, worker_dbu_cost as dbu_cost, worker_compute_cost as compute_cost
  from cluster_days
  where node_type_id is not null or total_worker_cost > 0
),
clouds as (
  select organization_id, max(cloud) as cloud from dbuCostDetails group by organization_id
)
select
  c.cloud, n.node_type,
  count(distinct n.organization_id) as workspaces,
  count(distinct n.cluster_id) as clusters,
  round(sum(n.dbu_cost), 6) as dbu_cost,
  round(sum(n.compute_cost), 6) as compute_cost,
  round(sum(n.cost), 6) as total_cost,
  sum(cast(case when n.dbu_cost is null or n.compute_cost is null then 1 else 0 end as bigint)) as unpriced
from nodes n
left join clouds c on c.organization_id = n.organization_id
group by c.cloud, n.node_type
order by c.cloud nulls last, total_cost desc nulls last, n.node_type nulls last
