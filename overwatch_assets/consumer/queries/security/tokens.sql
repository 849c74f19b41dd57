-- Which tokens are there, and which came or went?
--
-- One row: a personal access token that a daily snapshot in the time shows. `expires`: none: never. `created` in the
-- time; `gone`: it is not in the workspace's last snapshot of the time, so it was revoked or has expired.
--
-- :workspaces
-- :from
-- :until
-- :limit = 1000
with seen as (
  select *, max(snapshot_date) over (partition by organization_id) as last_snapshot
  from tokens_snapshot_bronze
  where snapshot_date >= :from and snapshot_date < :until
    and (:workspaces is null or array_contains(:workspaces, organization_id)
      or array_contains(:workspaces, workspace_name))
)
select
  max(workspace_name) as workspace_name, organization_id, token_id,
  max_by(created_by_username, snapshot_date) as created_by,
  max_by(comment, snapshot_date) as comment,
  timestamp_millis(max(creation_time)) as created_at,
  timestamp_millis(max(case when expiry_time >= 0 then expiry_time end)) as expires,
  max(last_used_day) as last_used,
  min(snapshot_date) as first_seen,
  max(snapshot_date) as last_seen,
  coalesce(max(creation_time) >= cast(unix_date(:from) as bigint) * 86400000, false) as created,
  max(snapshot_date) < max(last_snapshot) as gone
from seen
group by organization_id, token_id
order by organization_id, created_at nulls last, token_id
limit :limit
