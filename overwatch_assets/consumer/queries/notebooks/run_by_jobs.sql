-- Which notebooks do jobs run, how often and for how long?
--
-- One row: a workspace and path of a notebook. Runs of notebook tasks that started in the time; hours from start to
-- end, open runs left out of them. Dollars: the runs' shares of their clusters over their whole lives. `unpriced`: runs
-- without a cost, or of which a price is missing, or their cluster's state for a part of their time.
--
-- :workspaces
-- :from
-- :until
-- :limit
select
  r.workspace_name, r.organization_id, r.task_detail.notebook_task.notebook_path as notebook_path,
  count(*) as runs,
  count(distinct r.job_id) as jobs,
  round(sum(r.hours), 6) as hours,
  round(max(r.hours), 6) as longest_h,
  sum(case when r.result = 'failed' then 1 else 0 end) as failed,
  round(sum(f.total_cost), 6) as total_cost,
  sum(case
    when f.driver_compute_cost + f.driver_dbu_cost + f.worker_compute_cost + f.worker_dbu_cost is null then 1
    when f.cost_status like '%no state%' then 1
    else 0
  end) as unpriced
from runs r
left join jobRunCostPotentialFact f
  on f.organization_id = r.organization_id and f.run_id = r.run_id and f.startEpochMS = r.start_ms
where r.task_type = 'notebook' and r.task_detail is not null and r.task_detail.notebook_task is not null
group by r.workspace_name, r.organization_id, r.task_detail.notebook_task.notebook_path
order by runs desc, hours desc nulls last, r.organization_id, notebook_path nulls last
limit :limit
