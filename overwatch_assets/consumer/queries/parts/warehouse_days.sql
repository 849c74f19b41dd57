-- States of SQL warehouses, cut at midnight: a state has one price, so its money goes with its time.
select
  organization_id, workspace_name, warehouse_id, warehouse_name, date, state, sku, cluster_size, tags,
  coalesce(enable_serverless_compute, false) as serverless,
  uptime_in_state_H * part as hours,
  worker_potential_core_H * part as core_hours,
  total_dbus * part as total_dbus,
  total_DBU_cost * part as total_dbu_cost,
  total_compute_cost * part as total_compute_cost,
  total_cost * part as total_cost,
  cast(driver_compute_cost + worker_compute_cost + total_DBU_cost is null as bigint) as unpriced
from (
  select *,
    case
      when unixTimeMS_state_end < unixTimeMS_state_start then 1.0
      else (
        least(unixTimeMS_state_end + 1, (cast(unix_date(date) as bigint) + 1) * 86400000)
        - greatest(unixTimeMS_state_start, cast(unix_date(date) as bigint) * 86400000)
      ) / cast(unixTimeMS_state_end + 1 - unixTimeMS_state_start as double)
    end as part
  from (select *, explode(state_dates) as date from warehouseStateFact where state_start_date < :until)
)
where date >= :from and date < :until
  and (:workspaces is null or array_contains(:workspaces, organization_id)
    or array_contains(:workspaces, workspace_name))
