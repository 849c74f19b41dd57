-- How often is each interactive cluster started again on each day?
--
-- One row: a UTC day and interactive cluster that was started again: STARTING and RESTARTING, but not CREATING, which
-- is its first start.
--
-- :workspaces
-- :from
-- :until
select
  state_start_date as date, workspace_name, organization_id, cluster_id,
  max_by(cluster_name, unixTimeMS_state_start) as cluster_name,
  count(*) as restarts
from cluster_states
where state in ('STARTING', 'RESTARTING') and not isAutomated
group by state_start_date, workspace_name, organization_id, cluster_id
order by date, restarts desc, organization_id, cluster_id
