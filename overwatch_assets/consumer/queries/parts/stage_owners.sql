-- The Spark job of each stage attempt. A stage may be in several: it is of the last that was there when it was
-- submitted.
select
  s.organization_id, s.cluster_id, s.spark_context_id, s.stage_id, s.stage_attempt_id,
  max_by(
    struct(
      j.job_id, j.notebook_id, j.notebook_path, lower(j.user_email) as user_email, j.db_job_id, j.db_id_in_job
    ),
    case when j.unixTimeMS <= s.unixTimeMS then j.job_id else -1 - j.job_id end
  ) as owner
from sparkStage s
join (select *, explode(stage_ids) as stage_id from sparkJob) j
  on j.organization_id = s.organization_id and j.cluster_id = s.cluster_id
    and j.spark_context_id = s.spark_context_id and j.stage_id = s.stage_id
group by s.organization_id, s.cluster_id, s.spark_context_id, s.stage_id, s.stage_attempt_id
