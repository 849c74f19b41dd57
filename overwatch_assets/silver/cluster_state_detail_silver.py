"""Module 2019: the states of clusters."""

from collections.abc import Iterator
from typing import Any

from pyspark.sql import DataFrame, functions as F, types as T

from overwatch_assets.contract import Column, Events, Linked, Machine, table
from overwatch_assets.rules.cluster_states import STANDS_OFF, STANDS_ON, Before, Cluster, Event, Run, Spec, states
from overwatch_assets.rules.days import DAY_MS
from overwatch_assets.rules.json_values import object_of, shaper
from overwatch_assets.rules.per_entity import answered, gathered
from overwatch_assets.rules.run_costs import on_clusters
from overwatch_assets.rules.state_rows import BOUNDS, FIELDS, INTERVAL, LENGTHS, STAMPS, fields_of, standing, values

_SIZES = ("current_num_workers", "target_num_workers", "cluster_size")
_STATES = f"cluster_id:string,reset:int,used:boolean,{FIELDS}"
_number = shaper(T.LongType())


_CARRIED = (
    "unixTimeMS_state_start",
    "state",
    "isRunning",
    "current_num_workers",
    "target_num_workers",
    "counter_reset",
    "reset_partition",
    "was_used",
)


@table(
    module_id=2019,
    module_name="Silver_ClusterStateDetail",
    rebuild=Machine(open="is_open", stands=standing(on=STANDS_ON, off=STANDS_OFF), carried=_CARRIED),
    interval=INTERVAL,
    links=("state_start_date",),
    entity=("cluster_id",),
    keys=("cluster_id", "state", "unixTimeMS_state_start", "state_start_date"),
    partition="state_start_date",
    z_order=("cluster_id", "unixTimeMS_state_start"),
    inputs={
        "cluster_events_bronze": Events(("cluster_id",), time="timestamp"),
        "audit_log_bronze": Events(
            ("event_cluster_id",),
            only={"serviceName": ("clusters",), "actionName": ("delete", "deleteResult", "permanentDelete")},
            time="timestamp",
        ),
        "jobrun_silver": Linked(("clusterId",), lasting=True),
        "cluster_spec_silver": Linked(("cluster_id",), earlier="cluster_id"),
    },
    columns=(
        Column("cluster_id", "string", "Cluster.", source=("cluster_events_bronze.cluster_id",), nullable=False),
        Column("isRunning", "boolean", "The cluster is on.", nullable=False),
        Column("timestamp", "bigint", "Start of the state, epoch ms."),
        Column("state", "string", "Type of the event that began the state.", nullable=False),
        Column(
            "current_num_workers",
            "bigint",
            "Workers at the start of the state; 0 while it is off; null: nothing says how many.",
        ),
        Column("target_num_workers", "bigint", "Workers that it is to have at the end of the state."),
        *BOUNDS,
        Column(
            "counter_reset", "int", "1: the first state after an end, an edit or a restart; else 0.", nullable=False
        ),
        Column("reset_partition", "bigint", "Time of the start that the state belongs to, epoch ms.", nullable=False),
        *STAMPS,
        Column(
            "uptime_since_restart_S",
            "double",
            "How long it was on since it was started, at the end of the state, seconds; 0 for the first after a reset.",
            nullable=False,
        ),
        Column("cloud_billable", "boolean", "The cloud charges for its nodes.", nullable=False),
        Column(
            "databricks_billable",
            "boolean",
            "It costs DBUs: it is on, and neither starting nor running init scripts.",
            nullable=False,
        ),
        *LENGTHS,
        Column("was_used", "boolean", "A run was on the cluster until the state began.", nullable=False),
    ),
)
def cluster_state_detail_silver(
    spans: DataFrame,
    cluster_events_bronze: DataFrame,
    audit_log_bronze: DataFrame,
    jobrun_silver: DataFrame,
    cluster_spec_silver: DataFrame,
) -> DataFrame:
    """Every state that a cluster was in, from an event to the next, without gap or overlap.

    One row: one state of one cluster.
    """
    events = cluster_events_bronze.select(
        "cluster_id",
        F.col("timestamp").alias("ms"),
        "type",
        F.struct(*(F.col("details")[n].alias(n) for n in _SIZES)).alias(
            "details"
        ),  # taken apart in Python: Sail may read a member of a null struct as 0
        F.col("eventHash").alias("content"),
    )
    ends = audit_log_bronze.where(F.col("response.statusCode") == 200).select(
        F.col("event_cluster_id").alias("cluster_id"),
        F.col("timestamp").alias("ms"),
        F.col("actionName").alias("action"),
    )
    specs = cluster_spec_silver.select(
        "cluster_id",
        F.col("timestamp").alias("ms"),
        "sequence",
        F.col("num_workers").cast("bigint").alias("workers"),
        "autoscale",
        F.col("autotermination_minutes").cast("bigint").alias("minutes"),
        F.col("is_automated").alias("automated"),
    )
    known = {
        "events": events,
        "ends": ends,
        "runs": _not_over(spans, on_clusters(jobrun_silver)),
        "specs": specs,
    }
    found = answered(gathered(spans, ("cluster_id",), known), _states, _STATES)
    of_clusters = {
        "current_num_workers": F.col("current"),
        "target_num_workers": F.col("target"),
        "counter_reset": F.col("reset"),
        "reset_partition": F.col("restart"),
        "was_used": F.col("used"),
    }
    made = {**values(), **of_clusters}
    return found.select("cluster_id", *(value.alias(name) for name, value in made.items()))


def _states(entity: dict[str, Any]) -> Iterator[dict[str, Any]]:
    ends = [(e["ms"], e["action"]) for e in entity["ends"] or []]
    cluster = Cluster(
        events=[_event(event) for event in entity["events"] or []],
        loaded_until=entity["loaded_until"]["cluster_events_bronze"],
        longest_ms=entity["max_state_days"] * DAY_MS,
        runs=[Run(run["start"], run["end"]) for run in entity["runs"] or []],
        specs=[
            Spec(spec["ms"], spec["sequence"], _workers(spec), spec["minutes"], spec["automated"])
            for spec in entity["specs"] or []
        ],
        ended=[ms for ms, action in ends if action != "permanentDelete"],
        deleted=[ms for ms, action in ends if action == "permanentDelete"],
        was_used=bool(entity["before_was_used"]),
        before=_before(entity),
    )
    if not cluster.events and cluster.before is None:
        return  # an end alone says nothing of what it was before
    for state in states(cluster):
        yield {
            "cluster_id": entity["cluster_id"],
            "reset": int(state.reset),
            "used": state.was_used,
            **fields_of(state),
        }


def _not_over(spans: DataFrame, runs: DataFrame) -> DataFrame:
    """Runs that had not ended when the state began from which a cluster's are told."""
    since = spans.select(F.col("cluster_id").alias("_cluster"), F.col("before_unixTimeMS_state_start").alias("_since"))
    goes_on = F.col("_since").isNull() | F.col("end").isNull() | (F.col("end") > F.col("_since"))
    match = [F.col("cluster_id") == F.col("_cluster"), goes_on]
    return runs.join(since, match, "leftsemi")


def _before(entity: dict[str, Any]) -> Before | None:
    if entity["before_unixTimeMS_state_start"] is None:
        return None
    start, state, running, current, target, reset, restart, _ = (entity[f"before_{name}"] for name in _CARRIED)
    return Before(state, start, running, current, target, reset=bool(reset), restart=restart)


def _event(row: dict[str, Any]) -> Event:
    details = row["details"] or {}
    size = details.get("cluster_size") or {}
    least = (size.get("autoscale") or {}).get("min_workers")
    return Event(
        ms=row["ms"],
        type=row["type"],
        current=details.get("current_num_workers"),
        target=details.get("target_num_workers"),
        size=least if size.get("num_workers") is None else size["num_workers"],
        content=row["content"],
    )


def _workers(spec: dict[str, Any]) -> int | None:
    """Workers of a definition: as many as it says, else the least of one that scales."""
    if spec["workers"] is not None:
        return int(spec["workers"])
    least: int | None = _number((object_of(spec["autoscale"]) or {}).get("min_workers"))
    return least
