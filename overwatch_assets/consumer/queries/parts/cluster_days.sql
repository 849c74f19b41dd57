-- Clusters by UTC day: what each was, and what it cost, with what no run used of it. A cluster whose definition leaves
-- auto-termination out never ends by itself, as one with 0 minutes; null: its definition is not known.
select
  d.organization_id, d.workspace_name, d.cluster_id, d.date,
  s.was.cluster_name as cluster_name,
  s.was.custom_tags as custom_tags,
  s.was.driver_node_type_id as driver_node_type_id,
  s.was.node_type_id as node_type_id,
  s.was.runtime_engine as runtime_engine,
  case
    when s.was.sku = 'sqlCompute' then 'sql'
    when s.was.isAutomated then 'automated'
    when not s.was.isAutomated then 'interactive'
    else 'unknown'
  end as category,
  case
    when c.defined.cluster_type = 'Single Node' then 'single node'
    when get_json_object(s.was.custom_tags, '$.ResourceClass') = 'SingleNode' then 'single node'
    when c.defined.cluster_type = 'High-Concurrency' then 'high concurrency'
    when c.defined.cluster_type is not null then 'standard'
    else 'unknown'
  end as nodes,
  c.defined.autoscale is not null as autoscales,
  coalesce(
    c.defined.auto_termination_minutes, case when c.defined.cluster_type is not null then 0 end
  ) as auto_termination_minutes,
  d.core_hours, d.total_dbus, d.total_dbu_cost, d.total_compute_cost, d.total_cost, d.idle_cost,
  d.driver_compute_cost, d.driver_dbu_cost, d.worker_compute_cost, d.worker_dbu_cost,
  d.total_driver_cost, d.total_worker_cost,
  cast(d.driver_compute_cost + d.driver_dbu_cost + d.worker_compute_cost + d.worker_dbu_cost is null as bigint) as unpriced
from clusterCostDaily d
left join states_by_day s
  on s.organization_id = d.organization_id and s.cluster_id = d.cluster_id and s.date = d.date
left join definitions_by_day c
  on c.organization_id = d.organization_id and c.cluster_id = d.cluster_id and c.date = d.date
where d.date >= :from and d.date < :until
  and (:workspaces is null or array_contains(:workspaces, d.organization_id)
    or array_contains(:workspaces, d.workspace_name))
