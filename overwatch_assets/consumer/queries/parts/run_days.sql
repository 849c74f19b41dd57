-- Runs by UTC day, with what each cost on the day: its share of its cluster. A run that another one pays for costs 0.
select
  d.organization_id, d.workspace_name, d.run_id, d.job_run_id, d.job_id, d.job_name, d.task_key, d.cluster_id, d.date,
  d.startEpochMS as start_ms,
  r.result, r.compute, r.job_trigger_type, r.repair_id, r.user_name,
  d.hours, d.total_dbus, d.total_dbu_cost, d.total_compute_cost, d.total_cost,
  cast(d.driver_compute_cost + d.driver_dbu_cost + d.worker_compute_cost + d.worker_dbu_cost is null as bigint) as unpriced
from jobRunCostDaily d
left join all_runs r
  on r.organization_id = d.organization_id and r.run_id = d.run_id and r.start_ms = d.startEpochMS
where d.date >= :from and d.date < :until
  and (:workspaces is null or array_contains(:workspaces, d.organization_id)
    or array_contains(:workspaces, d.workspace_name))
