-- Which jobs run longest, and which vary the most?
--
-- One row: a workspace and job. Hours from the first task's start to the last task's end of each run of the job that
-- started in the time and is not open; waits between tasks and repairs count. `variation`: standard deviation over the
-- mean, null of one run. Order by `longest_h`; another order asks for a larger limit.
--
-- :workspaces
-- :from
-- :until
-- :limit
with job_runs as (
  select
    workspace_name, organization_id, job_id, job_run_id, max_by(job_name, start_ms) as job_name,
    (max(end_ms) - min(start_ms)) / 3600000 as hours
  from runs
  group by workspace_name, organization_id, job_id, job_run_id
  having count(end_ms) = count(*)
)
select
  workspace_name, organization_id, job_id, max(job_name) as job_name,
  count(*) as job_runs,
  round(max(hours), 6) as longest_h,
  round(avg(hours), 6) as mean_h,
  round(percentile(hours, 0.5), 6) as median_h,
  round(min(hours), 6) as shortest_h,
  round(case when count(*) > 1 then stddev_samp(hours) end / nullif(avg(hours), 0), 4) as variation
from job_runs
group by workspace_name, organization_id, job_id
order by longest_h desc, organization_id, job_id
limit :limit
