-- What each cluster was on each UTC day: as its last state of the day had it.
select
  organization_id, cluster_id, date,
  max_by(
    struct(cluster_name, custom_tags, driver_node_type_id, node_type_id, runtime_engine, sku, isAutomated),
    struct(unixTimeMS_state_start, state)
  ) as was
from (select *, explode(state_dates) as date from clusterStateFact where state_start_date < :until)
where date >= :from and date < :until
group by organization_id, cluster_id, date
