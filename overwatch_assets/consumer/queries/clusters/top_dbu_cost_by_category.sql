-- Which clusters of each category spend the most on DBUs?
--
-- One row: a place in a category (interactive, automated, sql: warehouses), over all workspaces. DBUs and their
-- dollars, idle time included. `unpriced`: cluster days, or states of a warehouse, of which a price is missing.
--
-- :workspaces
-- :from
-- :until
-- :places int = 10: How many of each category.
select category, place, workspace_name, organization_id, id, name, dbus, dbu_cost, total_cost, unpriced
from (
  select *,
    row_number() over (partition by category order by dbu_cost desc nulls last, organization_id, id) as place
  from (
    select
      category, workspace_name, organization_id, id, max(name) as name,
      round(sum(total_dbus), 6) as dbus,
      round(sum(total_dbu_cost), 6) as dbu_cost,
      round(sum(total_cost), 6) as total_cost,
      sum(unpriced) as unpriced
    from spend
    group by category, workspace_name, organization_id, id
  )
)
where place <= :places
order by category, place
