"""Module 3005: states of clusters and what they cost, for queries."""

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.contract import Column, Fold, Interval, Linked, View, table
from overwatch_assets.rules.cost_segments import AMOUNTS
from overwatch_assets.rules.lookups import lookup_when
from overwatch_assets.rules.money import (
    COST_STATUS,
    EVERYTHING_PRICED,
    PARTS,
    TOTAL_COST,
    core_hours,
    money,
    part,
    statuses,
    sums,
    whole,
)
from overwatch_assets.rules.renamed import Renamed, renamed_columns, same
from overwatch_assets.rules.windows import rows_in_order
from overwatch_assets.silver.cluster_cost_segments_silver import (
    AMOUNTS_TYPE,
    cluster_cost_segments_silver as SEGMENTS,
)
from overwatch_assets.silver.cluster_spec_silver import cluster_spec_silver as SPECS
from overwatch_assets.silver.cluster_state_detail_silver import cluster_state_detail_silver as STATES

_START = "unixTimeMS_state_start"
_OF_STATE = same(
    "cluster_id",
    "state_start_date",
    _START,
    "unixTimeMS_state_end",
    "timestamp_state_start",
    "timestamp_state_end",
    "state",
    "current_num_workers",
    "target_num_workers",
    "uptime_since_restart_S",
    "uptime_in_state_S",
    "uptime_in_state_H",
    "cloud_billable",
    "databricks_billable",
    "state_dates",
    "days_in_state",
    "unixTimeMS_state_end_exclusive",
    "is_open",
    "is_imputed",
)
_OF_SPEC = (
    *(Renamed(n, n) for n in ("cluster_name", "custom_tags", "driver_node_type_id", "node_type_id", "runtime_engine")),
    Renamed("sku", "sku"),
    Renamed("isAutomated", "is_automated"),
)
_OF_SEGMENT = tuple(Renamed(n, n) for n in ("dbu_rate", "photon_factor", "driverSpecs", "workerSpecs"))
_FIRST = "_first"
_OF_DAY = ("segment_start", "segment_end", "cost_status", "amounts")
_DAYS = f"array<struct<segment_start:bigint,segment_end:bigint,cost_status:string,amounts:{AMOUNTS_TYPE}>>"


@table(
    module_id=3005,
    module_name="Gold_ClusterStateFact",
    rebuild=Fold(),
    entity=("cluster_id", "state_start_date"),
    keys=("cluster_id", "state", _START, "state_start_date"),
    links=("run_ids",),
    partition="state_start_date",
    interval=Interval(_START, "unixTimeMS_state_end_exclusive"),
    z_order=("cluster_id", _START),
    invariants=(EVERYTHING_PRICED,),
    inputs={
        "cluster_state_detail_silver": Linked(("cluster_id", "state_start_date")),
        "cluster_spec_silver": Linked(("cluster_id",), earlier="cluster_id"),
        "cluster_cost_segments_silver": Linked(("cluster_id", "state_start_date")),
    },
    view=View(
        "clusterStateFact",
        (
            "organization_id",
            "workspace_name",
            "cluster_id",
            "cluster_name",
            "custom_tags",
            "state_start_date",
            _START,
            "unixTimeMS_state_end",
            "timestamp_state_start",
            "timestamp_state_end",
            "state",
            "driver_node_type_id",
            "node_type_id",
            "current_num_workers",
            "target_num_workers",
            "uptime_since_restart_S",
            "uptime_in_state_S",
            "uptime_in_state_H",
            "cloud_billable",
            "databricks_billable",
            "isAutomated",
            "sku",
            "runtime_engine",
            "dbu_rate",
            "state_dates",
            "days_in_state",
            "worker_potential_core_H",
            "core_hours",
            "driver_dbus",
            "worker_dbus",
            "total_dbus",
            "driver_compute_cost",
            "worker_compute_cost",
            "driver_dbu_cost",
            "worker_dbu_cost",
            "total_compute_cost",
            "total_DBU_cost",
            "total_driver_cost",
            "total_worker_cost",
            "total_cost",
            "driverSpecs",
            "workerSpecs",
            "cost_status",
            "is_open",
            "is_imputed",
        ),
    ),
    columns=(
        *renamed_columns(STATES, _OF_STATE),
        *renamed_columns(SPECS, _OF_SPEC),
        *renamed_columns(SEGMENTS, _OF_SEGMENT),
        Column("worker_potential_core_H", "double", "Core hours that could run Spark tasks while it cost DBUs."),
        Column("core_hours", "double", "Core hours of all its nodes, the driver among them."),
        Column("driver_dbus", "double", "DBUs of the driver."),
        Column("worker_dbus", "double", "DBUs of the workers."),
        Column("total_dbus", "double", "DBUs of all nodes."),
        *PARTS,
        Column("total_DBU_cost", "double", "DBUs of all nodes, dollars."),
        TOTAL_COST,
        COST_STATUS,
        Column("run_ids", "array<bigint>", "Runs that were on the cluster while it was in the state.", nullable=False),
        Column(
            "cost_by_day",
            _DAYS,
            "What it comes to on each UTC day, in which no price changes: times in epoch ms, costs and DBUs in "
            "trillionths, cores in core milliseconds; null: not known.",
            nullable=False,
        ),
    ),
)
def clusterstatefact_gold(
    spans: DataFrame,
    cluster_state_detail_silver: DataFrame,
    cluster_spec_silver: DataFrame,
    cluster_cost_segments_silver: DataFrame,
) -> DataFrame:
    """Every state that a cluster was in, with the cluster's definition at its start and what it cost.

    One row: one state of one cluster. Prices are those of each moment of it; rate and node prices are shown as they
    were when it began.
    """
    cost = (
        _by_day(cluster_cost_segments_silver)
        .groupBy(F.col("cluster_id").alias("_cluster"), F.col(_START).alias("_start"), F.col("state").alias("_state"))
        .agg(
            *sums(F.col("amounts")),
            statuses(F.col("cost_status")).alias("cost_status"),
            _runs().alias("run_ids"),
            rows_in_order(*_OF_DAY, _FIRST).alias("_days"),
        )
        .withColumn("cost_by_day", F.transform("_days", lambda day: F.struct(*(day[n].alias(n) for n in _OF_DAY))))
        .withColumns({r.name: F.col("_days")[0][_FIRST][r.silver] for r in _OF_SEGMENT})
    )
    specs = cluster_spec_silver.select(
        "cluster_id", F.col("timestamp").alias("_at"), "sequence", *(F.col(r.silver).alias(r.name) for r in _OF_SPEC)
    )
    states = lookup_when(
        cluster_state_detail_silver,
        specs,
        ["cluster_id"],
        _START,
        "_at",
        columns=[r.name for r in _OF_SPEC],
        look_ahead=True,
        order=["sequence"],
        by_row=True,
    )
    match = [
        F.col("cluster_id") == F.col("_cluster"),
        F.col(_START) == F.col("_start"),
        F.col("state") == F.col("_state"),
    ]
    rows = states.join(cost, match, "left")
    lasts = F.col("unixTimeMS_state_end_exclusive") > F.col(_START)
    values = {
        "worker_potential_core_H": core_hours("worker_potential_core_ms"),
        "core_hours": F.round(core_hours("core_ms"), 2),
        "driver_dbus": part("driver_dbus"),
        "worker_dbus": part("worker_dbus"),
        **money(),
    }
    values["total_DBU_cost"] = values.pop("total_dbu_cost")
    nothing = F.lit(0.0)  # a state of no length has no segment
    return rows.select(
        *(r.name for r in (*_OF_STATE, *_OF_SPEC, *_OF_SEGMENT)),
        *(F.when(lasts, value).otherwise(nothing).alias(name) for name, value in values.items()),
        F.coalesce("cost_status", F.lit("priced")).alias("cost_status"),
        F.coalesce("run_ids", F.array().cast("array<bigint>")).alias("run_ids"),
        F.coalesce("cost_by_day", F.array().cast(_DAYS)).alias("cost_by_day"),
    )


def _by_day(segments: DataFrame) -> DataFrame:
    """Segments of one state and day as one, with what the first of them has as `_FIRST`."""
    return segments.groupBy("cluster_id", _START, "state", "segment_date").agg(
        F.min("segment_start").alias("segment_start"),
        F.max("segment_end").alias("segment_end"),
        F.struct(*(whole(F.col("amounts")[n]).cast("bigint").alias(n) for n in AMOUNTS)).alias("amounts"),
        statuses(F.col("cost_status")).alias("cost_status"),
        _runs().alias("run_ids"),
        rows_in_order("segment_start", *(r.silver for r in _OF_SEGMENT))[0].alias(_FIRST),
    )


def _runs() -> SparkColumn:
    return F.array_sort(F.array_distinct(F.flatten(F.collect_list("run_ids"))))
