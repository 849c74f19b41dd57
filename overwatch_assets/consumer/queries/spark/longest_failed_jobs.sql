-- Which failed Spark jobs ran longest?
--
-- One row: a Spark job that began in the time and failed. Milliseconds from submission to end; `error`: the first line
-- of its exception.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  workspace_name, organization_id, cluster_id, spark_context_id, job_id, started, run_ms, notebook_path, db_job_id,
  db_id_in_job, user_email,
  substring_index(error, '\n', 1) as error
from spark_jobs
where result = 'failed'
order by run_ms desc nulls last, organization_id, cluster_id, spark_context_id, job_id
limit :limit
