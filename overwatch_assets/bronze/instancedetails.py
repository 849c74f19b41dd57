"""Module 1201: what a node of each type has, and what it costs, through time."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Mirror, Source, table
from overwatch_assets.rules.price_columns import ACTIVE, ORIGIN, dated, dated_values, view_of

_VALUES = (
    Column("vCPUs", "int", "Virtual CPUs of a node; null: unknown."),
    Column("Memory_GB", "double", "Memory of a node, GiB; null: unknown."),
    Column(
        "Compute_Contract_Price",
        "double",
        "What you pay the cloud for a node, USD per hour; `On_Demand_Cost_Hourly` unless you say otherwise; null: "
        "unknown.",
    ),
    Column("On_Demand_Cost_Hourly", "double", "List price of a node on demand, USD per hour; null: unknown."),
    Column("Linux_Reserved_Cost_Hourly", "double", "List price of a reserved node, USD per hour; null: unknown."),
    Column("Hourly_DBUs", "double", "DBUs that a node uses in an hour without Photon; null: unknown."),
)
_COLUMNS = (
    Column(
        "instance",
        "string",
        "Common name of the node type: `API_Name`, as the lists have no other.",
        nullable=False,
    ),
    Column("API_Name", "string", "Node type as the cloud calls it: `node_type_id` elsewhere.", nullable=False),
    *_VALUES,
    *ACTIVE,
    *ORIGIN,
    Column(
        "node_type_key", "string", "`API_Name` trimmed and in lower case: compare node types by it.", nullable=False
    ),
)


@table(
    module_id=1201,
    module_name="Bronze_InstanceDetails",
    rebuild=Mirror(),
    keys=("API_Name", "activeFrom"),
    entity=("node_type_key",),
    invariants=(dated("node_type_key"),),
    inputs={"price_list": Source()},
    view=view_of("instanceDetails", _COLUMNS, *(c.name for c in _COLUMNS)),
    columns=_COLUMNS,
)
def instancedetails(price_list: DataFrame) -> DataFrame:
    """Node types and their prices through time: the shipped list with your own price file upon it.

    One row: one node type from one day to another. The rows of a node type have neither gaps nor overlaps from the
    workspace's primordial date on, and the last one is active.
    """
    return price_list.select(
        F.col("key").alias("instance"),
        F.col("key").alias("API_Name"),
        *(c.name for c in _VALUES),
        *dated_values(),
        F.lower(F.trim("key")).alias("node_type_key"),
    )
