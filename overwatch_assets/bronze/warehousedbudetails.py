"""Module 1204: what a cluster of a SQL warehouse consists of, by size, and how many DBUs it uses, through time."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Mirror, Source, table
from overwatch_assets.rules.price_columns import ACTIVE, ORIGIN, dated, dated_values, view_of

_VALUES = (
    Column("driver_size", "string", "Node type of a cluster's driver; null: unknown."),
    Column("worker_count", "int", "Workers of a cluster; null: unknown."),
    Column("total_dbus", "int", "DBUs that a cluster uses in an hour; null: unknown."),
    Column("worker_size", "string", "Node type of a cluster's workers; null: unknown."),
    Column("driver_vCPUs", "int", "Virtual CPUs of the driver, as in `instanceDetails`; null: unknown."),
    Column("driver_compute_price", "double", "What the driver costs, USD per hour, as there; null: unknown."),
    Column("worker_vCPUs", "int", "Virtual CPUs of a worker; null: unknown."),
    Column("worker_compute_price", "double", "What a worker costs, USD per hour; null: unknown."),
)
_COLUMNS = (
    Column("cluster_size", "string", "Size of a warehouse's clusters, as the workspace's API says it.", nullable=False),
    *_VALUES,
    *ACTIVE,
    *ORIGIN,
    Column("activeFromEpochMillis", "bigint", "As `valid_from_ms`, epoch ms.", nullable=False),
    Column(
        "activeUntilEpochMillis", "bigint", "As `valid_until_ms`, epoch ms: null, and not the day of a load: no end."
    ),
    Column(
        "size_key",
        "string",
        "`cluster_size` as sizes are compared: `2x-small`, also of `2X_SMALL` and `XXSMALL`.",
        nullable=False,
    ),
)
_DOCUMENTED = (
    "cloud",
    "cluster_size",
    "driver_size",
    "worker_count",
    "total_dbus",
    "activeFrom",
    "activeUntil",
    "activeFromEpochMillis",
    "activeUntilEpochMillis",
    "isActive",
)


@table(
    module_id=1204,
    module_name="Bronze_WarehouseDbuDetails",
    rebuild=Mirror(),
    keys=("cloud", "cluster_size", "activeFrom"),
    entity=("size_key",),
    invariants=(dated("size_key"),),
    inputs={"warehouse_sizes": Source()},
    view=view_of("warehouseDbuDetails", _COLUMNS, *_DOCUMENTED),
    columns=_COLUMNS,
)
def warehousedbudetails(warehouse_sizes: DataFrame) -> DataFrame:
    """Sizes of SQL warehouses through time: the shipped list with your own price file upon it.

    One row: one size from one day to another, at which its DBUs, its nodes or their prices change. The rows of a size
    have neither gaps nor overlaps from the workspace's primordial date on, and the last one is active. Types of
    warehouses differ in what a DBU costs, not in how many they use: their rates are in `dbuCostDetails`.
    """
    rows = warehouse_sizes.select(
        F.col("key").alias("cluster_size"), *(c.name for c in _VALUES), *dated_values(), "size_key"
    )
    since, until = F.col("valid_from_ms"), F.col("valid_until_ms")
    return rows.select("*", since.alias("activeFromEpochMillis"), until.alias("activeUntilEpochMillis"))
