-- How many interactive, automated, single-node and standard clusters are there?
--
-- One row: a workspace. Different clusters that were on (that cost something, or would if a price were known) in the
-- time; each as of its last such day. Interactive and automated ones add up to `clusters`, and so do single nodes,
-- standard and high-concurrency ones (and those of which it is not known).
--
-- :workspaces
-- :from
-- :until
with last_days as (
  select
    organization_id, cluster_id,
    max_by(struct(workspace_name, category, nodes), date) as was
  from cluster_days
  where total_cost > 0 or unpriced > 0
  group by organization_id, cluster_id
)
select
  was.workspace_name as workspace_name, organization_id,
  count(*) as clusters,
  sum(case when was.category = 'interactive' then 1 else 0 end) as interactive,
  sum(case when was.category = 'automated' then 1 else 0 end) as automated,
  sum(case when was.nodes = 'single node' then 1 else 0 end) as single_node,
  sum(case when was.nodes = 'standard' then 1 else 0 end) as standard,
  sum(case when was.nodes = 'high concurrency' then 1 else 0 end) as high_concurrency
from last_days
group by was.workspace_name, organization_id
order by workspace_name, organization_id
