-- What did each job cost on each day?
--
-- One row: a UTC day, workspace and job. Dollars: each run's share of its clusters on that day, which runs at the same
-- time split; idle time is nobody's. Notebooks that a run started cost 0, the run pays for them. `unpriced`: runs of
-- which a price of the day is missing. Runs on SQL warehouses are not among them: see `heavy_users`.
--
-- :workspaces
-- :from
-- :until
select
  date, workspace_name, organization_id, job_id, max(job_name) as job_name,
  count(distinct job_run_id) as job_runs,
  count(distinct run_id) as runs,
  round(sum(hours), 6) as hours,
  round(sum(total_dbus), 6) as dbus,
  round(sum(total_dbu_cost), 6) as dbu_cost,
  round(sum(total_compute_cost), 6) as compute_cost,
  round(sum(total_cost), 6) as total_cost,
  sum(unpriced) as unpriced
from run_days
group by date, workspace_name, organization_id, job_id
order by date, workspace_name, organization_id, total_cost desc nulls last, job_id
