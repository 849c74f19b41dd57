"""Module 1013: what the workspace's SQL warehouses look like, once a day."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.api_bodies import MAP_NOTE, STRING_MAP, snapshot_columns, snapshots

_TAGS = "struct<custom_tags:array<struct<key:string,value:string>>>"

_ID = Column("warehouse_id", "string", "Id of the warehouse.", nullable=False)
_PAYLOAD = (
    Column("name", "string", "Name of the warehouse."),
    Column("size", "string", "Size of its clusters as the API's own name, such as XXSMALL."),
    Column("cluster_size", "string", "Size of its clusters, such as 2X-Small."),
    Column("creator_name", "string", "Who created it."),
    Column("spot_instance_policy", "string", "COST_OPTIMIZED or RELIABILITY_OPTIMIZED."),
    Column("warehouse_type", "string", "CLASSIC or PRO; a serverless one is PRO."),
    Column("state", "string", "STARTING, RUNNING, STOPPING, STOPPED, DELETING or DELETED."),
    Column("min_num_clusters", "bigint", "Clusters that it has at least while it runs."),
    Column("max_num_clusters", "bigint", "Clusters that it has at most."),
    Column("auto_stop_mins", "bigint", "Minutes without a query after which it stops; 0: never."),
    Column("creator_id", "bigint", "Id of who created it."),
    Column("num_clusters", "bigint", "Clusters that it had when it was asked for."),
    Column("num_active_sessions", "bigint", "Sessions that it had then."),
    Column("auto_resume", "boolean", "A query starts it."),
    Column("enable_photon", "boolean", "It runs Photon."),
    Column("enable_serverless_compute", "boolean", "Its clusters are Databricks' own."),
    Column("channel", "struct<name:string,dbsql_version:string>", "Release channel."),
    Column("jdbc_url", "string", "Address for JDBC."),
    Column("odbc_params", STRING_MAP, f"How to connect by ODBC; {MAP_NOTE}."),
    Column("health", "struct<status:string,message:string,summary:string,details:string>", "Whether it works."),
)
_FURTHER = (
    Column("tags", STRING_MAP, "Tags that its maker gave, by key; keys as they were given."),
    Column(
        "snapshot_ms",
        "bigint",
        "When it was asked for, epoch ms: the `now` of the load.",
        bookkeeping=True,
        nullable=False,
    ),
)


@table(
    module_id=1013,
    module_name="Bronze_Warehouses_Snapshot",
    rebuild=Insert(replaces=True),
    keys=("warehouse_id", "snapshot_date"),
    partition="snapshot_date",
    inputs={"workspace_warehouses": Source()},
    columns=snapshot_columns(_ID, (*_PAYLOAD, *_FURTHER), "The warehouse of the answer of `sql/warehouses`"),
)
def warehouses_snapshot_bronze(workspace_warehouses: DataFrame) -> DataFrame:
    """Snapshots of the workspace's SQL warehouses, one a day.

    One row: one warehouse as `sql/warehouses` described it at the day's last snapshot.
    """
    answers = workspace_warehouses.withColumnRenamed("id", "warehouse_id")
    found = snapshots(answers, _ID, (*_PAYLOAD, Column("tags", _TAGS, "")))
    pairs = F.filter(F.col("tags.custom_tags"), lambda p: p["key"].isNotNull() & (p["key"] != ""))
    return found.withColumns(
        {
            "tags": F.map_from_entries(pairs),
            "snapshot_ms": F.unix_millis("fetched_ts"),
        }
    )
