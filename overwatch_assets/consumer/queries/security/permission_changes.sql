-- Who changed which permissions?
--
-- One row: a request in the time, newest first: members of groups, admins, and every request of audit logs that changes
-- permissions on something (its action says Acl or Permission), such as on jobs, clusters, tokens or warehouses; those
-- that only read or ask for them (get, list, show, request) are left out. `succeeded`: its answer was below 400.
--
-- :workspaces
-- :from
-- :until
-- :limit = 1000
select workspace_name, organization_id, timestamp_millis(ms) as at, service, action, changed_by, of_user, of_group,
  from_ip_address, succeeded
from (
  select
    workspace_name, organization_id, mod_unixTimeMS as ms, 'accounts' as service, action, modified_by as changed_by,
    user_name as of_user, group_name as of_group, from_ip_address, request_id, mod_date as date,
    case when response is null or response.statusCode is null then null else response.statusCode < 400 end as succeeded
  from accountMod
  where action in ('setAdmin', 'removeAdmin', 'addPrincipalToGroup', 'removePrincipalFromGroup')
  union all
  select
    workspace_name, organization_id, timestamp as ms, serviceName as service, actionName as action,
    case when userIdentity is not null then userIdentity.email end as changed_by,
    cast(null as string) as of_user, cast(null as string) as of_group, sourceIPAddress as from_ip_address,
    requestId as request_id, date,
    case when response is null or response.statusCode is null then null else response.statusCode < 400 end as succeeded
  from audit_log_bronze
  where (actionName like '%Acl%' or lower(actionName) like '%permission%')
    and not actionName rlike '^(get|list|show|request)'
)
where date >= :from and date < :until
  and (:workspaces is null or array_contains(:workspaces, organization_id)
    or array_contains(:workspaces, workspace_name))
order by ms desc, organization_id, service, action, of_user nulls last, of_group nulls last, request_id nulls last
limit :limit
