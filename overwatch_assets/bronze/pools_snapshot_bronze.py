"""Module 1003: what the workspace's instance pools look like, once a day."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.api_bodies import TAGS_AND_ATTRIBUTES, snapshot_columns, snapshots

_DISK_TYPE = "struct<ebs_volume_type:string,azure_disk_volume_type:string>"

_ID = Column("instance_pool_id", "string", "Id of the pool.", nullable=False)
_PAYLOAD = (
    Column("instance_pool_name", "string", "Name of the pool."),
    Column("node_type_id", "string", "Node type of its instances."),
    Column("idle_instance_autotermination_minutes", "bigint", "Minutes after which an idle instance is given back."),
    Column("min_idle_instances", "bigint", "Instances that are kept ready."),
    Column("max_capacity", "bigint", "Instances that it has at most, idle and used ones; null: no limit."),
    Column("preloaded_spark_versions", "array<string>", "Runtimes that its idle instances have ready."),
    Column("enable_elastic_disk", "boolean", "Disks grow with use."),
    Column("disk_spec", f"struct<disk_count:bigint,disk_size:bigint,disk_type:{_DISK_TYPE}>", "Its disks; size in GB."),
    Column("state", "string", "ACTIVE, STOPPED or DELETED."),
    Column(
        "stats",
        "struct<used_count:bigint,idle_count:bigint,pending_used_count:bigint,pending_idle_count:bigint>",
        "Instances by what they did when it was asked for.",
    ),
    Column(
        "status",
        "struct<pending_instance_errors:array<struct<instance_id:string,message:string>>>",
        "Why instances that it waits for do not come.",
    ),
    *TAGS_AND_ATTRIBUTES,
)


@table(
    module_id=1003,
    module_name="Bronze_Pools_Snapshot",
    rebuild=Insert(replaces=True),
    keys=("instance_pool_id", "snapshot_date"),
    partition="snapshot_date",
    inputs={"workspace_pools": Source()},
    columns=snapshot_columns(_ID, _PAYLOAD, "The pool of the answer of `instance-pools/list`"),
)
def pools_snapshot_bronze(workspace_pools: DataFrame) -> DataFrame:
    """Snapshots of the workspace's instance pools, one a day.

    One row: one pool as `instance-pools/list` described it at the day's last snapshot.
    """
    return snapshots(workspace_pools, _ID, _PAYLOAD)
