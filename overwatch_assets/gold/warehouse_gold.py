"""Module 3018: definitions of SQL warehouses over time, for queries."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Fold, Interval, Linked, View, table
from overwatch_assets.rules.renamed import Renamed, renamed_columns, same, values_of
from overwatch_assets.rules.spark_time import timestamp_of
from overwatch_assets.silver.warehouse_spec_silver import warehouse_spec_silver as SILVER

_DOCUMENTED = (
    *same("warehouse_id", "warehouse_name"),
    Renamed("service_name", "serviceName", nullable=False),
    Renamed("action_name", "actionName", nullable=False),
    Renamed("user_email", "userEmail"),
    *same(
        "cluster_size",
        "min_num_clusters",
        "max_num_clusters",
        "auto_stop_mins",
        "spot_instance_policy",
        "enable_photon",
        "channel",
        "enable_serverless_compute",
        "warehouse_type",
        "warehouse_state",
        "size",
        "auto_resume",
        "creator_id",
        "tags",
        "num_clusters",
        "num_active_sessions",
        "jdbc_url",
    ),
    Renamed("unixTimeMS", "timestamp", nullable=False),
    *same("date"),
    Renamed("created_by", "createdBy"),
)
_FURTHER = (*same("sequence"), Renamed("request_id", "requestId"))


@table(
    module_id=3018,
    module_name="Gold_Warehouse",
    rebuild=Fold(),
    entity=("warehouse_id",),
    keys=("warehouse_id", "unixTimeMS", "sequence"),
    partition="date",
    by_month=True,
    interval=Interval("unixTimeMS"),
    inputs={"warehouse_spec_silver": Linked(("warehouse_id",))},
    view=View(
        "warehouse",
        ("organization_id", "workspace_name", *(r.name for r in (*_DOCUMENTED, *_FURTHER))),
    ),
    columns=(
        *renamed_columns(SILVER, _DOCUMENTED),
        Column("timestamp", "timestamp", "Time of the request, or of the first snapshot, UTC.", nullable=False),
        *renamed_columns(SILVER, _FURTHER),
    ),
)
def warehouse_gold(spans: DataFrame, warehouse_spec_silver: DataFrame) -> DataFrame:
    """Every request that creates, edits or deletes a SQL warehouse, with what the warehouse then was.

    One row: one successful request; or one imputed row of a warehouse that was there before any request for it was
    logged.
    """
    at = timestamp_of(F.col("timestamp")).alias("timestamp")
    return warehouse_spec_silver.select(*values_of((*_DOCUMENTED, *_FURTHER)), at)
