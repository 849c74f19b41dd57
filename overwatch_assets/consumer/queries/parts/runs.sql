-- Runs of tasks that started in the time.
select * from all_runs
where date >= :from and date < :until
  and (:workspaces is null or array_contains(:workspaces, organization_id)
    or array_contains(:workspaces, workspace_name))
