-- Who changed which accounts?
--
-- One row: a change of an account in the time, newest first; `succeeded`: its answer was below 400. Changes of groups
-- and admins are in `permission_changes` too.
--
-- :workspaces
-- :from
-- :until
-- :limit = 1000
select
  workspace_name, organization_id, timestamp_millis(mod_unixTimeMS) as at, action, modified_by, user_name, user_id,
  group_name, endpoint, from_ip_address,
  case when response is null or response.statusCode is null then null else response.statusCode < 400 end as succeeded
from accountMod
where mod_date >= :from and mod_date < :until
  and (:workspaces is null or array_contains(:workspaces, organization_id)
    or array_contains(:workspaces, workspace_name))
order by mod_unixTimeMS desc, organization_id, action, user_name nulls last, group_name nulls last,
  request_id nulls last
limit :limit
