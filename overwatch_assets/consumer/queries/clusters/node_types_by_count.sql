-- Which node types do the most clusters use?
--
-- One row: a node type. `drivers` and `workers`: different clusters that were on with it in that place in the time.
--
-- :workspaces
-- :from
-- :until
with used as (
  select cluster_id, driver_node_type_id as node_type, 1 as driver, 0 as worker
  from cluster_days where total_cost > 0 or unpriced > 0
  union all
  select cluster_id, node_type_id as node_type, 0 as driver, 1 as worker
  from cluster_days where node_type_id is not null and (total_cost > 0 or unpriced > 0)
)
select
  node_type,
  count(distinct cluster_id) as clusters,
  count(distinct case when driver = 1 then cluster_id end) as drivers,
  count(distinct case when worker = 1 then cluster_id end) as workers
from used
group by node_type
order by clusters desc, node_type nulls last
