-- Which logins failed?
--
-- One row: a login with an answer of 400 or more, newest first. `failed_from_address`: failed logins from its address
-- in the workspace in the time.
--
-- :workspaces
-- :from
-- :until
-- :limit = 1000
select
  workspace_name, organization_id, timestamp_millis(login_unixTimeMS) as at, user_name, login_type, from_ip_address,
  status_code, error, user_agent,
  count(*) over (partition by organization_id, from_ip_address) as failed_from_address
from logins
where not succeeded
order by login_unixTimeMS desc, organization_id, user_name nulls last, login_type, request_id nulls last
limit :limit
