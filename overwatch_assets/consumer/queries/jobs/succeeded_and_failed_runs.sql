-- How many runs succeed, and how many fail?
--
-- One row: a workspace and job. Runs of tasks that started in the time: succeeded, cancelled, open, and failed, which
-- is every other end, time-outs among them. `failed_share`: failed ones of those that succeeded or failed.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id, job_id, max_by(job_name, start_ms) as job_name,
  count(*) as runs,
  sum(case when result = 'succeeded' then 1 else 0 end) as succeeded,
  sum(case when result = 'failed' then 1 else 0 end) as failed,
  sum(case when result = 'cancelled' then 1 else 0 end) as cancelled,
  sum(case when result = 'open' then 1 else 0 end) as open,
  round(
    sum(case when result = 'failed' then 1 else 0 end)
    / nullif(sum(case when result in ('failed', 'succeeded') then 1 else 0 end), 0), 4
  ) as failed_share
from runs
group by workspace_name, organization_id, job_id
order by failed desc, runs desc, organization_id, job_id
