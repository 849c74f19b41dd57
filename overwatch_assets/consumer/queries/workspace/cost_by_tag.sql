-- Which tags are in use, and what do they cost?
--
-- One row: a workspace, key and value of a tag. Dollars of clusters (idle time included) and SQL warehouses with the
-- tag; a cluster has on each day the tags of its last state of that day. Who has two tags is in two rows, so rows of
-- different keys overlap: never add them. Rows of one key, with the row of that key without value, add up to all that
-- is spent: in the workspaces that use the key, and if `tag` is given in all of them. `unpriced`: cluster days and
-- warehouse states of which a price is missing.
--
-- :workspaces
-- :from
-- :until
-- :tag
with tagged as (
  select
    s.workspace_name, s.organization_id, s.id, s.tags, s.total_cost, s.unpriced,
    e.entry.key as tag, e.entry.value as value
  from spend s
  lateral view explode(map_entries(s.tags)) e as entry
),
keys as (
  select distinct organization_id, tag
  from (
    select organization_id, tag from tagged
    union all
    select organization_id, :tag as tag from spend
  )
  where tag is not null and (:tag is null or tag = :tag)
)
select workspace_name, organization_id, tag, value, clusters, total_cost, unpriced
from (
  select
    workspace_name, organization_id, tag, value,
    count(distinct id) as clusters,
    round(sum(total_cost), 6) as total_cost,
    sum(unpriced) as unpriced
  from tagged
  where :tag is null or tag = :tag
  group by workspace_name, organization_id, tag, value
  union all
  select
    s.workspace_name, s.organization_id, k.tag, cast(null as string) as value,
    count(distinct s.id) as clusters,
    round(sum(s.total_cost), 6) as total_cost,
    sum(s.unpriced) as unpriced
  from spend s
  join keys k on k.organization_id = s.organization_id
  where s.tags is null or not array_contains(map_keys(s.tags), k.tag)
  group by s.workspace_name, s.organization_id, k.tag
)
order by workspace_name, organization_id, tag, total_cost desc nulls last, value nulls last
