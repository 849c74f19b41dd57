-- How many tasks of each type does Spark run?
--
-- One row: a workspace and type: ShuffleMapTask, ResultTask; none: it had not ended. Attempts that began in the time,
-- by how they ended; hours: the time that they ran, added up.
--
-- :workspaces
-- :from
-- :until
select
  workspace_name, organization_id, task_type,
  count(*) as tasks,
  sum(case when outcome = 'complete' then 1 else 0 end) as complete,
  sum(case when outcome = 'failed' then 1 else 0 end) as failed,
  sum(case when outcome = 'killed' then 1 else 0 end) as killed,
  sum(case when outcome = 'open' then 1 else 0 end) as open,
  round(sum(run_ms) / 3600000, 6) as task_hours,
  round(percentile(case when outcome = 'complete' then elapsed_ms end, 0.5), 3) as median_ms
from tasks
group by workspace_name, organization_id, task_type
order by workspace_name, organization_id, task_type nulls last
