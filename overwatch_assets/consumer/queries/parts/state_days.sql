-- States of clusters, cut at midnight; `part`: how much of the state lies in the day. In a state workers stay the same.
select
  organization_id, workspace_name, cluster_id, cluster_name, date, state, isAutomated,
  driver_node_type_id, node_type_id, worker_potential_core_H, is_open,
  case
    when unixTimeMS_state_end < unixTimeMS_state_start then 1.0
    else (
      least(unixTimeMS_state_end + 1, (cast(unix_date(date) as bigint) + 1) * 86400000)
      - greatest(unixTimeMS_state_start, cast(unix_date(date) as bigint) * 86400000)
    ) / cast(unixTimeMS_state_end + 1 - unixTimeMS_state_start as double)
  end as part
from (select *, explode(state_dates) as date from clusterStateFact where state_start_date < :until)
where date >= :from and date < :until
  and (:workspaces is null or array_contains(:workspaces, organization_id)
    or array_contains(:workspaces, workspace_name))
