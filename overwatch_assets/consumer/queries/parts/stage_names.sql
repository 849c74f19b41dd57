-- Names of stage attempts.
select
  organization_id, cluster_id, spark_context_id, stage_id, stage_attempt_id,
  max(stage_info.StageName) as stage_name
from sparkStage
group by organization_id, cluster_id, spark_context_id, stage_id, stage_attempt_id
