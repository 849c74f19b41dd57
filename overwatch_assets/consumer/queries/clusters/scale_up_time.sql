-- How long do clusters take to start and to grow, with and without a pool?
--
-- One row: a workspace, what (start: from CREATING, STARTING or RESTARTING to RUNNING; grow: from a RESIZING to more
-- workers until UPSIZE_COMPLETED) and whether its nodes come from a pool. Seconds. `unfinished`: those that ended or
-- began anew before they were done, which are in no other number.
--
-- :workspaces
-- :from
-- :until
with ahead as (
  select
    s.*,
    min(case when state = 'RUNNING' then unixTimeMS_state_start end) over following as next_running,
    min(case when state = 'UPSIZE_COMPLETED' then unixTimeMS_state_start end) over following as next_grown,
    min(case
      when state in ('CREATING', 'STARTING', 'RESTARTING', 'TERMINATING', 'TERMINATING_IMPUTED', 'PERMENANT_DELETE')
      then unixTimeMS_state_start
    end) over following as next_switch
  from clusterStateFact s
  window following as (
    partition by organization_id, cluster_id order by unixTimeMS_state_start, state
    rows between 1 following and unbounded following
  )
),
steps as (
  select
    organization_id, workspace_name, cluster_id, state_start_date as date, unixTimeMS_state_start as began, next_switch,
    case when state = 'RESIZING' then 'grow' else 'start' end as what,
    case when state = 'RESIZING' then next_grown else next_running end as done
  from ahead
  where state in ('CREATING', 'STARTING', 'RESTARTING')
    or (state = 'RESIZING' and target_num_workers > current_num_workers)
),
measured as (
  select
    s.workspace_name, s.organization_id, s.what,
    d.defined.instance_pool_id is not null as pool,
    case when s.done < coalesce(s.next_switch, s.done + 1) then (s.done - s.began) / 1000 end as seconds
  from steps s
  left join definitions_by_day d
    on d.organization_id = s.organization_id and d.cluster_id = s.cluster_id and d.date = s.date
  where s.date >= :from and s.date < :until
    and (:workspaces is null or array_contains(:workspaces, s.organization_id)
      or array_contains(:workspaces, s.workspace_name))
)
select
  workspace_name, organization_id, what, pool,
  count(seconds) as times,
  round(avg(seconds), 3) as mean_s,
  round(percentile(seconds, 0.5), 3) as median_s,
  round(max(seconds), 3) as longest_s,
  count(*) - count(seconds) as unfinished
from measured
group by workspace_name, organization_id, what, pool
order by workspace_name, organization_id, what, pool
