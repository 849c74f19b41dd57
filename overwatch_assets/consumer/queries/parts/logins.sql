-- Logins in the time; one whose answer is below 400 succeeded.
select
  organization_id, workspace_name, login_date, login_unixTimeMS, login_type, request_id, from_ip_address, user_agent,
  lower(coalesce(user_email, login_user)) as user_name,
  case when response is not null then response.statusCode end as status_code,
  case when response is not null then response.errorMessage end as error,
  case when response is null or response.statusCode is null then null else response.statusCode < 400 end as succeeded
from accountLogin
where login_date >= :from and login_date < :until
  and (:workspaces is null or array_contains(:workspaces, organization_id)
    or array_contains(:workspaces, workspace_name))
