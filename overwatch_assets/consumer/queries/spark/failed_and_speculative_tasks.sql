-- How many tasks fail, are killed, or run only in case another is slow?
--
-- One row: a workspace, cluster, Databricks job and notebook with such tasks. Attempts that began in the time, as Spark
-- counts them: killed ones are not failed, and output that was lost later is one more failure. Hours: time that they
-- took.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  workspace_name, organization_id, cluster_id, db_job_id, notebook_path,
  count(*) as tasks,
  sum(failures) as failed,
  sum(case when outcome = 'killed' then 1 else 0 end) as killed,
  sum(case when speculative then 1 else 0 end) as speculative,
  round(sum(case when outcome = 'failed' then elapsed_ms else 0 end) / 3600000, 6) as failed_hours,
  round(sum(case when outcome = 'killed' then elapsed_ms else 0 end) / 3600000, 6) as killed_hours,
  round(sum(case when speculative then elapsed_ms else 0 end) / 3600000, 6) as speculative_hours
from tasks
group by workspace_name, organization_id, cluster_id, db_job_id, notebook_path
having sum(tasks.failures) > 0
  or sum(case when tasks.outcome = 'killed' or tasks.speculative then 1 else 0 end) > 0
order by failed desc, killed desc, organization_id, cluster_id, db_job_id nulls last, notebook_path nulls last
limit :limit
