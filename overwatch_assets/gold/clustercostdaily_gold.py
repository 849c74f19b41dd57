"""Module 3101: what each cluster cost on each day."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Fold, Invariant, Linked, View, table
from overwatch_assets.rules.cost_segments import HOUR_MS
from overwatch_assets.rules.money import (
    COST_STATUS,
    EVERYTHING_PRICED,
    PARTS,
    TOTAL_COST,
    core_hours,
    dollars,
    money,
    statuses,
    sums,
)

_COLUMNS = (
    Column("cluster_id", "string", "Cluster.", source=("cluster_cost_segments_silver.cluster_id",), nullable=False),
    Column("date", "date", "UTC day.", source=("cluster_cost_segments_silver.segment_date",), nullable=False),
    Column("state_hours", "map<string,double>", "Hours in each state."),
    Column("core_hours", "double", "Core hours of all its nodes, the driver among them."),
    Column("total_dbus", "double", "DBUs of all nodes."),
    *PARTS,
    Column("total_dbu_cost", "double", "DBUs of all nodes, dollars."),
    TOTAL_COST,
    Column("idle_cost", "double", "The part of `total_cost` that no run used, dollars."),
    COST_STATUS,
    Column("is_open", "boolean", "The cluster's last state is among it, and has not ended.", nullable=False),
)


def _too_long(days: DataFrame) -> DataFrame:
    each = days.select("cluster_id", "date", F.explode("state_hours").alias("state", "hours"))
    summed = each.groupBy("cluster_id", "date").agg(F.sum("hours").alias("hours")).where(F.col("hours") > 24.000001)
    return summed.select(F.concat_ws(" ", "cluster_id", F.col("date").cast("string")).alias("found"))


@table(
    module_id=3101,
    module_name="Gold_ClusterCostDaily",
    rebuild=Fold(),
    entity=("cluster_id", "date"),
    keys=("cluster_id", "date"),
    partition="date",
    invariants=(
        EVERYTHING_PRICED,
        Invariant("a_day_has_24_hours", "The states of a cluster and day are no longer than the day.", _too_long),
    ),
    inputs={"cluster_cost_segments_silver": Linked(("cluster_id", "segment_date"))},
    view=View("clusterCostDaily", ("organization_id", "workspace_name", *(c.name for c in _COLUMNS))),
    columns=_COLUMNS,
)
def clustercostdaily_gold(spans: DataFrame, cluster_cost_segments_silver: DataFrame) -> DataFrame:
    """What each cluster cost on each UTC day, exactly, and how much of it no run used.

    One row: one cluster on one day on which it was in any state.
    """
    day = ("cluster_id", F.col("segment_date").alias("date"))
    segments = cluster_cost_segments_silver
    lasted = (F.sum(F.col("segment_end") - F.col("segment_start")) / F.lit(float(HOUR_MS))).alias("hours")
    hours = (
        segments.groupBy(*day, "state")
        .agg(lasted)
        .groupBy(F.col("cluster_id").alias("_cluster"), F.col("date").alias("_date"))
        .agg(F.map_from_entries(F.sort_array(F.collect_list(F.struct("state", "hours")))).alias("state_hours"))
    )
    cost = segments.groupBy(*day).agg(
        *sums(F.col("amounts")),
        dollars(F.col("idle")).alias("idle_cost"),
        statuses(F.col("cost_status")).alias("cost_status"),
        F.max("is_open").alias("is_open"),
    )
    return cost.join(hours, [F.col("cluster_id") == F.col("_cluster"), F.col("date") == F.col("_date")], "left").select(
        "cluster_id",
        "date",
        "state_hours",
        core_hours("core_ms").alias("core_hours"),
        *(value.alias(name) for name, value in money().items()),
        "idle_cost",
        "cost_status",
        "is_open",
    )
