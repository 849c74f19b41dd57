-- SQL queries that began in the time, each with its warehouse as it was then, or first after.
select
  q.*,
  lower(q.user_name) as asked_by,
  q.task_total_time_ms / 3600000 as core_hours,
  w.was.warehouse_name as warehouse_name,
  w.was.cluster_size as cluster_size,
  w.was.enable_serverless_compute as serverless
from sqlQueryHistory q
left join (
  select
    q.organization_id, q.query_id, q.query_start_time_ms,
    max_by(
      struct(w.warehouse_name, w.cluster_size, w.enable_serverless_compute),
      struct(
        case when w.unixTimeMS <= q.query_start_time_ms then w.unixTimeMS else -w.unixTimeMS end as nearest, w.sequence
      )
    ) as was
  from sqlQueryHistory q
  join warehouse w on w.organization_id = q.organization_id and w.warehouse_id = q.warehouse_id
  where q.date >= :from and q.date < :until
  group by q.organization_id, q.query_id, q.query_start_time_ms
) w
  on w.organization_id = q.organization_id and w.query_id = q.query_id
    and w.query_start_time_ms = q.query_start_time_ms
where q.date >= :from and q.date < :until
  and (:workspaces is null or array_contains(:workspaces, q.organization_id)
    or array_contains(:workspaces, q.workspace_name))
