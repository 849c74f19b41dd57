-- How did runs end on each day?
--
-- One row: a UTC day, workspace and terminal state; no state: it was open when data were loaded. Runs of tasks by the
-- day of their start; `job_runs`: runs of jobs that they belong to.
--
-- :workspaces
-- :from
-- :until
select
  date, workspace_name, organization_id, terminal_state,
  count(*) as runs,
  count(distinct job_run_id) as job_runs,
  count(distinct job_id) as jobs
from runs
group by date, workspace_name, organization_id, terminal_state
order by date, workspace_name, organization_id, terminal_state nulls last
