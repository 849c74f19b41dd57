"""Module 1002: what the workspace's clusters look like, once a day."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Column, Consulted, Insert, Source, table
from overwatch_assets.rules.api_bodies import MAP_NOTE, STRING_MAP, TAGS_AND_ATTRIBUTES, snapshot_columns, snapshots

_DESTINATION = "struct<destination:string>"
_S3 = "struct<canned_acl:string,destination:string,enable_encryption:boolean,region:string>"
_NODE = (
    "struct<private_ip:string,public_dns:string,node_id:string,instance_id:string,start_timestamp:bigint,"
    "host_private_ip:string,node_aws_attributes:struct<is_spot:boolean>>"
)

_ID = Column("cluster_id", "string", "Id of the cluster.", nullable=False)
_PAYLOAD = (
    Column("cluster_name", "string", "Name of the cluster."),
    Column("cluster_source", "string", "What made it: UI, API, JOB, SQL, PIPELINE, ..."),
    Column("creator_user_name", "string", "Who made it."),
    Column("single_user_name", "string", "The one user that it is for, if it is."),
    Column("state", "string", "State when it was asked for: PENDING, RUNNING, RESIZING, TERMINATED, ..."),
    Column("state_message", "string", "What the state is about."),
    Column("start_time", "bigint", "When its creation was asked for, epoch ms."),
    Column("terminated_time", "bigint", "When it last ended, epoch ms; null while it runs."),
    Column("last_state_loss_time", "bigint", "When its driver was last lost or restarted, epoch ms."),
    Column("last_activity_time", "bigint", "When it was last used, epoch ms."),
    Column(
        "termination_reason",
        "struct<code:string,type:string,parameters:map<string,string>>",
        "Why it ended.",
    ),
    Column("spark_version", "string", "Runtime that was asked for."),
    Column("effective_spark_version", "string", "Runtime that it has."),
    Column("runtime_engine", "string", "STANDARD or PHOTON."),
    Column("data_security_mode", "string", "Access mode."),
    Column("policy_id", "string", "Policy that it was made under."),
    Column("node_type_id", "string", "Node type of the workers."),
    Column("driver_node_type_id", "string", "Node type of the driver."),
    Column("instance_pool_id", "string", "Pool of the workers."),
    Column("driver_instance_pool_id", "string", "Pool of the driver."),
    Column("num_workers", "bigint", "Workers of a cluster of fixed size; of one that scales, those at the moment."),
    Column("autoscale", "struct<max_workers:bigint,min_workers:bigint>", "Limits of a cluster that scales."),
    Column("autotermination_minutes", "bigint", "Minutes without use after which it ends; 0: never."),
    Column("enable_elastic_disk", "boolean", "Disks grow with use."),
    Column("enable_local_disk_encryption", "boolean", "Local disks are encrypted."),
    Column(
        "cluster_log_conf",
        f"struct<dbfs:{_DESTINATION},s3:{_S3},volumes:{_DESTINATION},abfss:{_DESTINATION}>",
        "Where its logs are delivered.",
    ),
    Column(
        "init_scripts",
        f"array<struct<dbfs:{_DESTINATION},s3:{_S3},volumes:{_DESTINATION},abfss:{_DESTINATION},"
        f"workspace:{_DESTINATION},gcs:{_DESTINATION},file:{_DESTINATION}>>",
        "Scripts that its nodes start with.",
    ),
    Column("spark_conf", STRING_MAP, f"Spark settings without secrets; {MAP_NOTE}."),
    Column("spark_env_vars", STRING_MAP, f"Environment variables without secrets; {MAP_NOTE}."),
    *TAGS_AND_ATTRIBUTES,
    Column("spark_context_id", "bigint", "Id of its Spark context."),
    Column("jdbc_port", "bigint", "Port of its JDBC server on the driver."),
    Column("cluster_memory_mb", "bigint", "Memory of all its nodes, MB."),
    Column("cluster_cores", "double", "Cores of all its nodes."),
    Column("driver", _NODE, "Driver node."),
    Column("executors", f"array<{_NODE}>", "Worker nodes."),
)


@table(
    module_id=1002,
    module_name="Bronze_Clusters_Snapshot",
    rebuild=Insert(replaces=True),
    keys=("cluster_id", "snapshot_date"),
    partition="snapshot_date",
    inputs={"workspace_clusters": Source(), "audit_log_bronze": Consulted()},
    side_tables=("clusters_snapshot_error_bronze",),
    columns=snapshot_columns(_ID, _PAYLOAD, "The answer of `clusters/get`"),
)
def clusters_snapshot_bronze(workspace_clusters: DataFrame) -> DataFrame:
    """Snapshots of the workspace's clusters, one a day.

    One row: one cluster as `clusters/get` described it at the day's last snapshot.
    """
    return snapshots(workspace_clusters, _ID, _PAYLOAD)
