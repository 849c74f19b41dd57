-- Which node types does each category of cluster use?
--
-- One row: a category (interactive, automated), node type and place (driver, worker). `clusters`: different ones that
-- were on with it; `cost`: dollars of those nodes, idle time included; `unpriced`: cluster days without their price.
--
-- :workspaces
-- :from
-- :until
with used as (
  select category, cluster_id, 'driver' as place, driver_node_type_id as node_type, total_driver_cost as cost,
    driver_compute_cost is null or driver_dbu_cost is null as unknown
  from cluster_days where total_cost > 0 or unpriced > 0
  union all
  select category, cluster_id, 'worker' as place, node_type_id as node_type, total_worker_cost as cost,
    worker_compute_cost is null or worker_dbu_cost is null as unknown
  from cluster_days where node_type_id is not null and (total_cost > 0 or unpriced > 0)
)
select
  category, node_type, place,
  count(distinct cluster_id) as clusters,
  round(sum(cost), 6) as cost,
  sum(cast(case when unknown then 1 else 0 end as bigint)) as unpriced
from used
group by category, node_type, place
order by category, clusters desc, node_type nulls last, place
