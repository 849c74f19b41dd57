-- Notebook commands that ended in the time; `unpriced` too if its cluster's state is not known for a part of it.
select
  organization_id, workspace_name, cluster_id, date, notebook_id, notebook_path, command_id, status,
  unixTimeMS as start_ms,
  case when notebook_path is not null then struct(unixTimeMS as ms, notebook_path as path) end as path_seen,
  lower(case when user_identity is not null then user_identity.email end) as user_email,
  execution_time_s, total_dbus, total_cost,
  cast(case
    when driver_compute_cost + driver_dbu_cost + worker_compute_cost + worker_dbu_cost is null then 1
    when cost_status like '%no state%' then 1
    else 0
  end as bigint) as unpriced
from notebookCommands
where date >= :from and date < :until
  and (:workspaces is null or array_contains(:workspaces, organization_id)
    or array_contains(:workspaces, workspace_name))
