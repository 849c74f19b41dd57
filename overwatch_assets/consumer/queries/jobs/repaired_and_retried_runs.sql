-- Which runs were repaired or retried, and what did that cost?
--
-- One row: a workspace and job of which a task ran again. `repairs`: runs of tasks that a repair began; `retries`:
-- those that began again by themselves, after another of the same job run, task and repair; `repeated`: earlier tries
-- of the same tasks. Dollars: shares of clusters, exactly of the days in the time. `unpriced`: days of these runs of
-- which a price is missing.
--
-- :workspaces
-- :from
-- :until
with tries as (
  select
    organization_id, run_id, start_ms, repair_id,
    row_number() over (
      partition by organization_id, job_run_id, task_key, repair_id order by start_ms, run_id
    ) as try,
    row_number() over (
      partition by organization_id, job_run_id, task_key order by start_ms desc, run_id desc
    ) as from_last
  from all_runs
  where parent_run_id is null
),
kinds as (
  select *,
    case when try > 1 then 'retry' when repair_id is not null then 'repair' end as kind
  from tries
  where try > 1 or repair_id is not null or from_last > 1
)
select
  d.workspace_name, d.organization_id, d.job_id, max(d.job_name) as job_name,
  count(distinct case when k.kind = 'repair' then d.run_id end) as repairs,
  count(distinct case when k.kind = 'retry' then d.run_id end) as retries,
  count(distinct case when k.from_last > 1 then d.run_id end) as repeated,
  round(sum(case when k.kind = 'repair' then d.total_cost end), 6) as repair_cost,
  round(sum(case when k.kind = 'retry' then d.total_cost end), 6) as retry_cost,
  round(sum(case when k.from_last > 1 then d.total_cost end), 6) as repeated_cost,
  sum(d.unpriced) as unpriced
from run_days d
join kinds k on k.organization_id = d.organization_id and k.run_id = d.run_id and k.start_ms = d.start_ms
group by d.workspace_name, d.organization_id, d.job_id
order by repeated_cost desc nulls last, d.organization_id, d.job_id
