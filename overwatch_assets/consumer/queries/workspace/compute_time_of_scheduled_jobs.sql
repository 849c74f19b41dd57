-- How much compute time do jobs take that run by a schedule?
--
-- One row: a workspace. Runs that the scheduler began (trigger cron or periodic). `hours`: of tasks on clusters, those
-- of tasks side by side added up; `cost`: dollars, their shares of their clusters; both of the days in the time,
-- exactly. `share_of_hours`: against all runs. `unpriced`: runs' days of which a price is missing.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id,
  count(distinct case when scheduled then job_run_id end) as scheduled_job_runs,
  round(sum(case when scheduled then hours end), 6) as hours,
  round(sum(case when scheduled then hours end) / nullif(sum(hours), 0), 4) as share_of_hours,
  round(sum(case when scheduled then total_dbus end), 6) as dbus,
  round(sum(case when scheduled then total_cost end), 6) as cost,
  sum(case when scheduled then unpriced else 0 end) as unpriced
from (select *, coalesce(lower(job_trigger_type) in ('cron', 'periodic'), false) as scheduled from run_days)
group by workspace_name, organization_id
order by hours desc nulls last, organization_id
