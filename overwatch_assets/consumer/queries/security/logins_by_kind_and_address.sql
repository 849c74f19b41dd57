-- Who logs in, how and from where?
--
-- One row: a workspace, user, kind of login and address. Logins in the time, those that failed among them; one without
-- an answer counts as neither.
--
-- :workspaces
-- :from
-- :until
-- :limit = 1000
select
  workspace_name, organization_id, user_name, login_type, from_ip_address,
  count(*) as logins,
  sum(case when succeeded then 1 else 0 end) as succeeded,
  sum(case when not succeeded then 1 else 0 end) as failed,
  timestamp_millis(min(login_unixTimeMS)) as first_login,
  timestamp_millis(max(login_unixTimeMS)) as last_login
from logins
group by workspace_name, organization_id, user_name, login_type, from_ip_address
order by logins desc, organization_id, user_name nulls last, login_type, from_ip_address nulls last
limit :limit
