-- What do failed runs cost in each workspace, in dollars and core hours?
--
-- One row: a workspace. Runs of tasks that failed (every end but succeeded and cancelled) and, apart, cancelled ones.
-- Dollars: their shares of their clusters, exactly of the days in the time. `failed_core_hours`: cores that could run
-- tasks while failed runs that started in the time ran, of the whole cluster, also where it was shared.
-- `unpriced`: days of failed or cancelled runs of which a price is missing.
--
-- :workspaces
-- :from
-- :until
with cost as (
  select
    organization_id, max(workspace_name) as workspace_name,
    count(distinct case when result = 'failed' then run_id end) as failed_runs,
    sum(case when result = 'failed' then hours end) as failed_hours,
    sum(case when result = 'failed' then total_cost end) as failed_cost,
    count(distinct case when result = 'cancelled' then run_id end) as cancelled_runs,
    sum(case when result = 'cancelled' then total_cost end) as cancelled_cost,
    sum(total_cost) as all_cost,
    sum(case when result in ('failed', 'cancelled') then unpriced else 0 end) as unpriced
  from run_days
  group by organization_id
),
cores as (
  select r.organization_id, sum(f.worker_potential_core_H) as failed_core_hours
  from runs r
  join jobRunCostPotentialFact f
    on f.organization_id = r.organization_id and f.run_id = r.run_id and f.startEpochMS = r.start_ms
  where r.result = 'failed'
  group by r.organization_id
)
select
  c.workspace_name, c.organization_id, c.failed_runs,
  round(c.failed_hours, 6) as failed_hours,
  round(k.failed_core_hours, 6) as failed_core_hours,
  round(c.failed_cost, 6) as failed_cost,
  round(c.failed_cost / nullif(c.all_cost, 0), 4) as failed_share_of_cost,
  c.cancelled_runs,
  round(c.cancelled_cost, 6) as cancelled_cost,
  c.unpriced
from cost c
left join cores k on k.organization_id = c.organization_id
order by failed_cost desc nulls last, c.organization_id
