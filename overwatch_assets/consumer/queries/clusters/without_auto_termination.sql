-- Which interactive clusters never end by themselves, and what do they cost?
--
-- One row: an interactive cluster that costs something on days on which it is defined without auto-termination (0
-- minutes, or nothing said of it), or, if `minutes` is given, ends only after more than so many minutes without use.
-- Dollars of those days, of which `idle_cost` is what no job run used. `unpriced`: its days of which a price is missing.
--
-- :workspaces
-- :from
-- :until
-- :minutes int = none: Also clusters that end only after more than so many minutes without use.
select
  workspace_name, organization_id, cluster_id, max(cluster_name) as cluster_name,
  min(auto_termination_minutes) as auto_termination_minutes,
  count(*) as days,
  round(sum(total_cost), 6) as total_cost,
  round(sum(idle_cost), 6) as idle_cost,
  sum(unpriced) as unpriced
from cluster_days
where category = 'interactive' and (total_cost > 0 or unpriced > 0)
  and (auto_termination_minutes = 0 or auto_termination_minutes > :minutes)
group by workspace_name, organization_id, cluster_id
order by total_cost desc nulls last, organization_id, cluster_id
