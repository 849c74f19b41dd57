-- Which cluster was the most expensive of each day and workspace?
--
-- One row: a workspace and UTC day. Dollars of the day alone, idle time included; SQL warehouses are left out. Of equal
-- ones the first by id. `unpriced`: 1 if a price is missing, and it may have cost more.
--
-- :workspaces
-- :from
-- :until
select
  date, workspace_name, organization_id, cluster_id, cluster_name, category,
  round(total_dbu_cost, 6) as dbu_cost,
  round(total_compute_cost, 6) as compute_cost,
  round(total_cost, 6) as total_cost,
  round(total_cost / nullif(of_all, 0), 4) as share_of_workspace,
  unpriced
from (
  select *,
    row_number() over (
      partition by organization_id, date order by round(total_cost, 6) desc nulls last, cluster_id
    ) as place,
    sum(total_cost) over (partition by organization_id, date) as of_all
  from cluster_days
)
where place = 1 and total_cost > 0
order by date, workspace_name, organization_id
