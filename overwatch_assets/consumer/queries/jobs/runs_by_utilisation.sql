-- How well do runs use the clusters that they run on?
--
-- One row: a workspace and tenth of utilisation: 0.3 is from 30 to 40 %; 1.0: all of it or more; none: no event log
-- names the run. Utilisation is the time of the run's Spark tasks over the core hours that its cluster had meanwhile.
-- Runs of tasks that started in the time. Dollars of their whole lives. `unpriced`: runs of which a price is missing, or
-- their cluster's state for a part of their time.
--
-- :workspaces
-- :from
-- :until
select
  r.workspace_name, r.organization_id,
  case
    when f.job_run_cluster_util is not null then least(floor(f.job_run_cluster_util * 10), 10) / 10
  end as utilisation,
  count(*) as runs,
  count(distinct r.job_id) as jobs,
  round(sum(f.worker_potential_core_H), 6) as potential_core_hours,
  round(sum(f.spark_task_runtime_H), 6) as task_hours,
  round(sum(f.total_cost), 6) as total_cost,
  sum(case
    when f.driver_compute_cost + f.driver_dbu_cost + f.worker_compute_cost + f.worker_dbu_cost is null then 1
    when f.cost_status like '%no state%' then 1
    else 0
  end) as unpriced
from runs r
join jobRunCostPotentialFact f
  on f.organization_id = r.organization_id and f.run_id = r.run_id and f.startEpochMS = r.start_ms
group by r.workspace_name, r.organization_id,
  case when f.job_run_cluster_util is not null then least(floor(f.job_run_cluster_util * 10), 10) / 10 end
order by r.workspace_name, r.organization_id, utilisation nulls last
