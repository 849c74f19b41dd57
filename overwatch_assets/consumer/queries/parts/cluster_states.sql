-- States of clusters that began in the time.
select * from clusterStateFact
where state_start_date >= :from and state_start_date < :until
  and (:workspaces is null or array_contains(:workspaces, organization_id)
    or array_contains(:workspaces, workspace_name))
