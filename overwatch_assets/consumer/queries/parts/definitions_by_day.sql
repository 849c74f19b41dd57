-- How each cluster was defined at the end of each UTC day, or first after it: of clusters that were there before.
select
  d.organization_id, d.cluster_id, d.date,
  max_by(
    struct(c.cluster_type, c.autoscale, c.auto_termination_minutes, c.instance_pool_id, c.custom_tags, c.created_by),
    struct(case when c.date <= d.date then c.unixTimeMS else -c.unixTimeMS end as nearest, c.action)
  ) as defined
from clusterCostDaily d
join cluster c on c.organization_id = d.organization_id and c.cluster_id = d.cluster_id
where d.date >= :from and d.date < :until
group by d.organization_id, d.cluster_id, d.date
