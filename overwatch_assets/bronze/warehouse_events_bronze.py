"""Module 1102: every event of the workspace's SQL warehouses."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.api_bodies import body_columns, shaped
from overwatch_assets.rules.spark_time import date_of

_PAYLOAD = (
    Column("event_type", "string", "STARTING, RUNNING, SCALED_UP, SCALED_DOWN, STOPPING or STOPPED.", nullable=False),
    Column("cluster_count", "bigint", "Clusters that run since then; null: not said."),
    Column("event_time", "string", "When it happened, ISO 8601 in UTC, as exactly as it is known."),
    Column("account_id", "string", "Account of the workspace."),
)


@table(
    module_id=1102,
    module_name="Bronze_WarehouseEvents",
    rebuild=Insert(),
    keys=("warehouse_id", "event_type", "timestamp", "eventHash"),
    partition="date",
    entity=("warehouse_id",),
    inputs={"warehouse_events": Source()},
    columns=(
        Column("warehouse_id", "string", "Warehouse that it happened to.", nullable=False),
        Column("timestamp", "bigint", "When it happened, epoch ms.", nullable=False),
        *_PAYLOAD,
        Column("date", "date", "UTC day of `timestamp`.", nullable=False),
        Column(
            "eventHash",
            "bigint",
            "xxhash64 of time and count: two events of one type and millisecond that differ are two rows.",
            nullable=False,
        ),
        *body_columns("The row of `system.compute.warehouse_events`"),
    ),
)
def warehouse_events_bronze(warehouse_events: DataFrame) -> DataFrame:
    """Every event of the workspace's SQL warehouses, once, on the day that it happened.

    One row: one distinct event. One without a warehouse, a type or a time is no row: the reader puts it into
    `quarantine_bronze`.
    """
    events = shaped(warehouse_events, {"warehouse_id": "string", "timestamp": "bigint"}, _PAYLOAD)
    return events.select(
        "warehouse_id",
        "timestamp",
        *(c.name for c in _PAYLOAD),
        date_of(F.col("timestamp")).alias("date"),
        # Not of all that the row says: the system table gains columns, and its events would all be new ones.
        F.xxhash64("event_time", "cluster_count").alias("eventHash"),
        "droppedProperties",
        "value",
    )
