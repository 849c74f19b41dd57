-- Each job as it last was before the end of the time.
select
  organization_id, job_id,
  max_by(struct(workspace_name, job_name, action, schedule), struct(timestamp, action, request_id)) as was,
  min(date) as first_seen,
  max(case when action = 'delete' then date end) as deleted
from job
where date < :until
  and (:workspaces is null or array_contains(:workspaces, organization_id)
    or array_contains(:workspaces, workspace_name))
group by organization_id, job_id
