-- Which failures do clusters have, how often, and at what cost?
--
-- One row: a workspace and state that says that something failed. `times`: states of the kind that began in the time;
-- `share` of all failures of the workspace; `hours` and `cost`: what the cluster spent in them, whole, in dollars,
-- until its next event. `unpriced`: states of which a price is missing.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id, state, times, clusters, hours, cost,
  round(times / sum(times) over (partition by organization_id), 4) as share,
  unpriced
from (
  select
    workspace_name, organization_id, state,
    count(*) as times,
    count(distinct cluster_id) as clusters,
    round(sum(uptime_in_state_H), 6) as hours,
    round(sum(total_cost), 6) as cost,
    sum(cast(driver_compute_cost + driver_dbu_cost + worker_compute_cost + worker_dbu_cost is null as bigint)) as unpriced
  from cluster_states
  where state in (
    'ADD_NODES_FAILED', 'AUTOSCALING_FAILED', 'DBFS_DOWN', 'DID_NOT_EXPAND_DISK', 'DRIVER_NOT_RESPONDING',
    'DRIVER_UNAVAILABLE', 'FAILED_TO_EXPAND_DISK', 'METASTORE_DOWN', 'NODES_LOST', 'NODE_BLACKLISTED',
    'NODE_EXCLUDED_DECOMMISSIONED', 'SPARK_EXCEPTION'
  )
  group by workspace_name, organization_id, state
)
order by workspace_name, organization_id, times desc, state
