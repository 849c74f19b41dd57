-- How many clusters of each type does each workspace use?
--
-- One row: a workspace, category and kind of nodes, as of `cost_by_cluster_type`, warehouses left out. `clusters`:
-- different ones that were in any state in the time; `active`: those that cost something; `cluster_days`: one for each
-- day on which a cluster cost something.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id, category, nodes,
  count(distinct cluster_id) as clusters,
  count(distinct case when total_cost > 0 then cluster_id end) as active,
  sum(cast(case when total_cost > 0 then 1 else 0 end as bigint)) as cluster_days
from cluster_days
group by workspace_name, organization_id, category, nodes
order by workspace_name, organization_id, category, nodes
