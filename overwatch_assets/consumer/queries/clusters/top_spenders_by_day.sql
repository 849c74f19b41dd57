-- Which clusters and warehouses were the top spenders of each day?
--
-- One row: a place of a UTC day, over all workspaces. Dollars of the day alone, idle time included, SQL warehouses
-- among them. `unpriced`: states of a warehouse, or 1 of a cluster, of which a price is missing.
--
-- :workspaces
-- :from
-- :until
-- :places int = 10: How many of each day.
select date, place, workspace_name, organization_id, category, id, name, total_cost, unpriced
from (
  select *,
    row_number() over (partition by date order by total_cost desc nulls last, organization_id, id) as place
  from (
    select
      date, workspace_name, organization_id, category, id, max(name) as name,
      round(sum(total_cost), 6) as total_cost,
      sum(unpriced) as unpriced
    from spend
    group by date, workspace_name, organization_id, category, id
    having sum(spend.total_cost) > 0
  )
)
where place <= :places
order by date, place
