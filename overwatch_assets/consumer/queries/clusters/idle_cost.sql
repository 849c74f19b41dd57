-- How much of each cluster's cost did no job run use?
--
-- One row: a cluster that cost something. Dollars; `idle_cost` is the part of `total_cost` in which no run was on the
-- cluster, interactive work included: commands of notebooks are no runs. `command_cost` is the part of the cluster that
-- commands pay for by their own count, which may be idle time or shared with runs: never add it. `unpriced`: days of
-- which a price is missing.
--
-- :workspaces
-- :from
-- :until
-- :limit
with worked as (
  select organization_id, cluster_id, sum(total_cost) as command_cost
  from commands
  group by organization_id, cluster_id
),
cost as (
  select
    organization_id, cluster_id, max(workspace_name) as workspace_name, max_by(cluster_name, date) as cluster_name,
    max_by(category, date) as category, count(*) as days,
    sum(total_cost) as total_cost, sum(idle_cost) as idle_cost, sum(unpriced) as unpriced
  from cluster_days
  where total_cost > 0 or unpriced > 0
  group by organization_id, cluster_id
)
select
  c.workspace_name, c.organization_id, c.cluster_id, c.cluster_name, c.category, c.days,
  round(c.total_cost, 6) as total_cost,
  round(c.idle_cost, 6) as idle_cost,
  round(c.idle_cost / nullif(c.total_cost, 0), 4) as idle_share,
  round(w.command_cost, 6) as command_cost,
  c.unpriced
from cost c
left join worked w on w.organization_id = c.organization_id and w.cluster_id = c.cluster_id
order by idle_cost desc nulls last, c.organization_id, c.cluster_id
limit :limit
