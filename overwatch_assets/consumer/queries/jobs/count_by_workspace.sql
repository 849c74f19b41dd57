-- How many jobs does each workspace have, and how many of them run?
--
-- One row: a workspace. `jobs`: those that are there at the end of the time; `created` and `deleted` in the time, first
-- seen counting as created only of jobs whose creation was logged; `ran`: jobs with a run that started in the time,
-- one-time runs (which have a job of their own) among them.
--
-- :workspaces
-- :from
-- :until
with defined as (
  select
    organization_id, max(was.workspace_name) as workspace_name,
    sum(case when deleted is null then 1 else 0 end) as jobs,
    sum(case when deleted >= :from then 1 else 0 end) as deleted
  from jobs_known
  group by organization_id
),
made as (
  select organization_id, count(distinct job_id) as created
  from job
  where action = 'create' and date >= :from and date < :until
  group by organization_id
),
ran as (
  select
    organization_id, max(workspace_name) as workspace_name,
    count(distinct job_id) as ran, count(distinct job_run_id) as job_runs
  from runs
  group by organization_id
)
select
  coalesce(d.workspace_name, r.workspace_name) as workspace_name,
  coalesce(d.organization_id, r.organization_id) as organization_id,
  coalesce(d.jobs, 0) as jobs,
  coalesce(m.created, 0) as created,
  coalesce(d.deleted, 0) as deleted,
  coalesce(r.ran, 0) as ran,
  coalesce(r.job_runs, 0) as job_runs
from defined d
full outer join ran r on r.organization_id = d.organization_id
left join made m on m.organization_id = coalesce(d.organization_id, r.organization_id)
order by workspace_name, organization_id
