-- Which node types have the most potential core hours?
--
-- One row: a node type that runs tasks: of the workers, of a single node the driver's. `potential_core_hours`: cores
-- that could run Spark tasks times the hours in which they cost DBUs; exactly those of the time. `unknown_states`:
-- states whose cores are not known and not in the sum.
--
-- :workspaces
-- :from
-- :until
select
  coalesce(node_type_id, driver_node_type_id) as node_type,
  count(distinct cluster_id) as clusters,
  round(sum(worker_potential_core_H * part), 6) as potential_core_hours,
  sum(cast(case when worker_potential_core_H is null then 1 else 0 end as bigint)) as unknown_states
from state_days
group by coalesce(node_type_id, driver_node_type_id)
order by potential_core_hours desc nulls last, node_type nulls last
