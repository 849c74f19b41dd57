-- How many clusters scale by themselves?
--
-- One row: a workspace and category. Different clusters that were on in the time, each as of its last such day;
-- `share` of them autoscales, and `share_of_cost` of their dollars (idle time included) is spent on days on which
-- they do. `unpriced`: cluster days of which a price is missing.
--
-- :workspaces
-- :from
-- :until
with each as (
  select
    workspace_name, organization_id, category, cluster_id,
    max_by(autoscales, date) as autoscales,
    sum(total_cost) as cost,
    sum(case when autoscales then total_cost else 0 end) as autoscaling_cost,
    sum(unpriced) as unpriced
  from cluster_days
  where total_cost > 0 or unpriced > 0
  group by workspace_name, organization_id, category, cluster_id
)
select
  workspace_name, organization_id, category,
  count(*) as clusters,
  sum(case when autoscales then 1 else 0 end) as autoscaling,
  round(sum(case when autoscales then 1 else 0 end) / count(*), 4) as share,
  round(sum(cost), 6) as total_cost,
  round(sum(autoscaling_cost) / nullif(sum(cost), 0), 4) as share_of_cost,
  sum(unpriced) as unpriced
from each
group by workspace_name, organization_id, category
order by workspace_name, organization_id, category
