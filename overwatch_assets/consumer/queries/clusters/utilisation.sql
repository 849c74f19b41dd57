-- How much of each cluster do Spark tasks use?
--
-- One row: a cluster that was on. `task_hours`: time of its Spark tasks that began in the time; `potential_core_hours`:
-- cores that could run tasks times the hours in which they cost DBUs; `utilisation` is one over the other, null where
-- event logs or cores are not known. `busy_share`: the part of its dollars that job runs used.
--
-- :workspaces
-- :from
-- :until
-- :limit
with potential as (
  select
    organization_id, cluster_id,
    case when count(worker_potential_core_H) = count(*) then sum(worker_potential_core_H * part) end as core_hours
  from state_days
  group by organization_id, cluster_id
),
used as (
  select organization_id, cluster_id, sum(elapsed_ms) / 3600000 as task_hours
  from tasks
  group by organization_id, cluster_id
),
cost as (
  select
    organization_id, cluster_id, max(workspace_name) as workspace_name, max_by(cluster_name, date) as cluster_name,
    sum(total_cost) as total_cost, sum(idle_cost) as idle_cost, sum(unpriced) as unpriced
  from cluster_days
  where total_cost > 0 or unpriced > 0
  group by organization_id, cluster_id
)
select
  c.workspace_name, c.organization_id, c.cluster_id, c.cluster_name,
  round(u.task_hours, 6) as task_hours,
  round(p.core_hours, 6) as potential_core_hours,
  round(u.task_hours / nullif(p.core_hours, 0), 4) as utilisation,
  round(c.total_cost, 6) as total_cost,
  round(1 - c.idle_cost / nullif(c.total_cost, 0), 4) as busy_share,
  c.unpriced
from cost c
left join potential p on p.organization_id = c.organization_id and p.cluster_id = c.cluster_id
left join used u on u.organization_id = c.organization_id and u.cluster_id = c.cluster_id
order by total_cost desc nulls last, c.organization_id, c.cluster_id
limit :limit
