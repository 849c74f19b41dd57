"""Module 3001: definitions of clusters over time, for queries."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Fold, Interval, Linked, View, table
from overwatch_assets.rules.renamed import Renamed, renamed_columns, same, values_of
from overwatch_assets.rules.spark_time import timestamp_of
from overwatch_assets.silver.cluster_spec_silver import cluster_spec_silver as SILVER

_DOCUMENTED = (
    *same("cluster_id"),
    Renamed("action", "actionName", nullable=False),
    Renamed("unixTimeMS", "timestamp", nullable=False),
    *same("date", "cluster_name"),
    Renamed("driver_node_type", "driver_node_type_id"),
    Renamed("node_type", "node_type_id"),
    *same("num_workers", "autoscale"),
    Renamed("auto_termination_minutes", "autotermination_minutes"),
    *same(
        "enable_elastic_disk",
        "is_automated",
        "cluster_type",
        "security_profile",
        "cluster_log_conf",
        "init_scripts",
        "custom_tags",
        "cluster_source",
        "spark_env_vars",
        "spark_conf",
        "acl_path_prefix",
        "aws_attributes",
        "azure_attributes",
        "gcp_attributes",
        "driver_instance_pool_id",
        "instance_pool_id",
        "driver_instance_pool_name",
        "instance_pool_name",
        "spark_version",
        "runtime_engine",
        "idempotency_token",
        "deleted_by",
    ),
    Renamed("created_by", "createdBy"),
    Renamed("last_edited_by", "lastEditedBy"),
)
_FURTHER = same(
    "sequence",
    "start_cluster",
    "deleted_ts",
    "policy_id",
    "data_security_mode",
    "single_user_name",
    "is_single_node",
    "sku",
)


@table(
    module_id=3001,
    module_name="Gold_Cluster",
    rebuild=Fold(),
    entity=("cluster_id",),
    keys=("cluster_id", "unixTimeMS", "sequence"),
    partition="date",
    by_month=True,
    interval=Interval("unixTimeMS"),
    inputs={"cluster_spec_silver": Linked(("cluster_id",))},
    view=View(
        "cluster",
        (
            "organization_id",
            "workspace_name",
            "cluster_id",
            "action",
            "unixTimeMS",
            "timestamp",
            *(r.name for r in _DOCUMENTED[3:]),
        ),
    ),
    columns=(
        *renamed_columns(SILVER, _DOCUMENTED),
        Column("timestamp", "timestamp", "Time of the request, or of the first snapshot, UTC.", nullable=False),
        *renamed_columns(SILVER, _FURTHER),
    ),
)
def cluster_gold(spans: DataFrame, cluster_spec_silver: DataFrame) -> DataFrame:
    """Every request that defines, resizes or deletes a cluster, with what the cluster then was.

    One row: one successful request; or one imputed row of a cluster that was there before any request for it was
    logged.
    """
    return cluster_spec_silver.select(
        *values_of((*_DOCUMENTED, *_FURTHER)), timestamp_of(F.col("timestamp")).alias("timestamp")
    )
