-- How many jobs run by a schedule?
--
-- One row: a workspace. `jobs`: those that are there at the end of the time; `with_schedule`: those that have one then,
-- `paused` ones among them; `ran_by_schedule`: jobs that the scheduler began in the time, also since deleted ones.
--
-- :workspaces
-- :from
-- :until
with defined as (
  select
    organization_id, max(was.workspace_name) as workspace_name,
    count(*) as jobs,
    sum(case when was.schedule is not null then 1 else 0 end) as with_schedule,
    sum(case when was.schedule is not null and was.schedule.pause_status = 'PAUSED' then 1 else 0 end) as paused
  from jobs_known
  where deleted is null
  group by organization_id
),
ran as (
  select organization_id, max(workspace_name) as workspace_name, count(distinct job_id) as ran_by_schedule
  from runs
  where lower(job_trigger_type) in ('cron', 'periodic')
  group by organization_id
)
select
  coalesce(d.workspace_name, r.workspace_name) as workspace_name,
  coalesce(d.organization_id, r.organization_id) as organization_id,
  coalesce(d.jobs, 0) as jobs,
  coalesce(d.with_schedule, 0) as with_schedule,
  coalesce(d.paused, 0) as paused,
  coalesce(r.ran_by_schedule, 0) as ran_by_schedule
from defined d
full outer join ran r on r.organization_id = d.organization_id
order by workspace_name, organization_id
