-- Which jobs run on interactive clusters, and what would they cost on job clusters?
--
-- One row: a workspace and job with runs on clusters that already existed. Dollars. `total_cost`: the runs' shares of
-- their clusters, exactly of the days in the time. `on_job_clusters`: the same compute, and their DBUs at the rate of
-- the sku automated on each day, times the Photon factor of automated over that of interactive where the cluster runs
-- Photon; what a job cluster needs to start and what an own cluster saves by its size are not in it. `unpriced`: days
-- of runs of which a price is missing, which are in both sums as far as they are known.
--
-- :workspaces
-- :from
-- :until
with shared as (
  select
    d.*,
    rate.contract_price as automated_rate,
    coalesce(automated.factor, 1) / coalesce(interactive.factor, 1) as factor
  from run_days d
  left join states_by_day s
    on s.organization_id = d.organization_id and s.cluster_id = d.cluster_id and s.date = d.date
  left join dbuCostDetails rate
    on rate.organization_id = d.organization_id and rate.sku = 'automated'
      and rate.activeFrom <= d.date and (rate.activeUntil is null or rate.activeUntil > d.date)
  left join photonfactors automated
    on automated.organization_id = d.organization_id and automated.sku = 'automated'
      and automated.engine = upper(s.was.runtime_engine)
      and automated.activeFrom <= d.date and (automated.activeUntil is null or automated.activeUntil > d.date)
  left join photonfactors interactive
    on interactive.organization_id = d.organization_id and interactive.sku = s.was.sku
      and interactive.engine = upper(s.was.runtime_engine)
      and interactive.activeFrom <= d.date and (interactive.activeUntil is null or interactive.activeUntil > d.date)
  where d.compute = 'existing'
)
select
  workspace_name, organization_id, job_id, max(job_name) as job_name,
  count(distinct run_id) as runs,
  round(sum(hours), 6) as hours,
  round(sum(total_cost), 6) as total_cost,
  round(sum(coalesce(total_compute_cost, 0) + coalesce(total_dbus * factor * automated_rate, 0)), 6) as on_job_clusters,
  round(
    sum(total_cost) - sum(coalesce(total_compute_cost, 0) + coalesce(total_dbus * factor * automated_rate, 0)), 6
  ) as saving,
  sum(unpriced) as unpriced
from shared
group by workspace_name, organization_id, job_id
order by saving desc nulls last, organization_id, job_id
