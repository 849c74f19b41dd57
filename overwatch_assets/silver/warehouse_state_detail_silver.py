"""Module 2022: the states of SQL warehouses."""

from collections.abc import Iterator
from typing import Any

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Events, Linked, Machine, table
from overwatch_assets.rules.days import DAY_MS
from overwatch_assets.rules.names import member
from overwatch_assets.rules.per_entity import answered, gathered
from overwatch_assets.rules.state_rows import BOUNDS, FIELDS, INTERVAL, LENGTHS, STAMPS, fields_of, standing, values
from overwatch_assets.rules.warehouse_states import (
    STANDS_OFF,
    STANDS_ON,
    Before,
    Event,
    Spec,
    Warehouse,
    says_stopped,
    states,
)
from overwatch_assets.rules.warehouses import DELETES, STOPS

_STATES = f"warehouse_id:string,flag:int,{FIELDS}"
_CARRIED = (
    "unixTimeMS_state_start",
    "state",
    "isRunning",
    "current_num_clusters",
    "state_transition_flag",
    "state_transition_flag_sum",
)


@table(
    module_id=2022,
    module_name="Silver_WarehouseStateDetail",
    rebuild=Machine(open="is_open", stands=standing(on=STANDS_ON, off=STANDS_OFF), carried=_CARRIED),
    interval=INTERVAL,
    links=("state_start_date",),
    entity=("warehouse_id",),
    keys=("warehouse_id", "state", "unixTimeMS_state_start", "state_start_date"),
    partition="state_start_date",
    z_order=("warehouse_id", "unixTimeMS_state_start"),
    inputs={
        "warehouse_events_bronze": Events(("warehouse_id",), time="timestamp"),
        "audit_log_bronze": Events(
            ("event_warehouse_id",),
            only={"serviceName": ("databrickssql",), "actionName": (*STOPS, *DELETES)},
            time="timestamp",
        ),
        "warehouses_snapshot_bronze": Events(("warehouse_id",), time="snapshot_ms"),
        "warehouse_spec_silver": Linked(("warehouse_id",), earlier="warehouse_id"),
    },
    columns=(
        Column(
            "warehouse_id", "string", "Warehouse.", source=("warehouse_events_bronze.warehouse_id",), nullable=False
        ),
        Column("isRunning", "boolean", "The warehouse is on.", nullable=False),
        Column("timestamp", "bigint", "Start of the state, epoch ms."),
        Column(
            "state",
            "string",
            "Type of the event that began the state, `PERMENANT_DELETE`, or `STOPPING_IMPUTED`: no event says so.",
            nullable=False,
        ),
        Column(
            "current_num_clusters",
            "bigint",
            "Clusters that run in the state; 0 while it is off; null: nothing says how many.",
        ),
        Column("target_num_clusters", "bigint", "Clusters that it may have: the least while it starts, then the most."),
        *BOUNDS,
        Column("state_transition_flag", "int", "1: the first state after a stop; else 0.", nullable=False),
        Column(
            "state_transition_flag_sum",
            "bigint",
            "Time of the start that the state belongs to, epoch ms.",
            nullable=False,
        ),
        *STAMPS,
        Column(
            "uptime_since_restart_S",
            "double",
            "How long it was on since it was started, at the end of the state, seconds; 0 for the first after a stop.",
            nullable=False,
        ),
        Column(
            "cloud_billable",
            "boolean",
            "It is on: the cloud charges for its nodes, unless it is serverless.",
            nullable=False,
        ),
        Column("databricks_billable", "boolean", "It costs DBUs: it is on, and not starting.", nullable=False),
        *LENGTHS,
    ),
)
def warehouse_state_detail_silver(
    spans: DataFrame,
    warehouse_events_bronze: DataFrame,
    audit_log_bronze: DataFrame,
    warehouses_snapshot_bronze: DataFrame,
    warehouse_spec_silver: DataFrame,
) -> DataFrame:
    """Every state that a SQL warehouse was in, from an event to the next, without gap or overlap.

    One row: one state of one warehouse. Audit records, snapshots and definitions add to what events tell, and none of
    them has to be there.
    """
    events = warehouse_events_bronze.select(
        "warehouse_id",
        F.col("timestamp").alias("ms"),
        F.col("event_type").alias("type"),
        F.col("cluster_count").alias("clusters"),
    )
    ended = audit_log_bronze.where(member(F.col("response"), "statusCode") == 200).select(
        F.col("event_warehouse_id").alias("warehouse_id"),
        F.col("timestamp").alias("ms"),
        F.col("actionName").alias("action"),
    )
    seen = warehouses_snapshot_bronze.select("warehouse_id", F.col("snapshot_ms").alias("ms"), "state")
    specs = warehouse_spec_silver.select(
        "warehouse_id",
        F.col("timestamp").alias("ms"),
        "sequence",
        F.col("min_num_clusters").alias("least"),
        F.col("max_num_clusters").alias("most"),
        F.col("auto_stop_mins").alias("auto_stop_minutes"),
    )
    known = {"events": events, "ended": ended, "seen": seen, "specs": specs}
    found = answered(gathered(spans, ("warehouse_id",), known), _states, _STATES)
    of_warehouses = {
        "current_num_clusters": F.col("current"),
        "target_num_clusters": F.col("target"),
        "state_transition_flag": F.col("flag"),
        "state_transition_flag_sum": F.col("restart"),
    }
    made = {**values(), **of_warehouses}
    return found.select("warehouse_id", *(value.alias(name) for name, value in made.items()))


def _states(entity: dict[str, Any]) -> Iterator[dict[str, Any]]:
    ended = entity["ended"] or []
    warehouse = Warehouse(
        events=[Event(e["ms"], e["type"], e["clusters"]) for e in entity["events"] or []],
        loaded_until=entity["loaded_until"]["warehouse_events_bronze"],
        longest_ms=entity["max_state_days"] * DAY_MS,
        specs=[Spec(**spec) for spec in entity["specs"] or []],
        stopped=[
            *(e["ms"] for e in ended if e["action"] in STOPS),
            *(s["ms"] for s in entity["seen"] or [] if says_stopped(s["state"])),
        ],
        deleted=[e["ms"] for e in ended if e["action"] in DELETES],
        before=_before(entity),
    )
    if not warehouse.events and warehouse.before is None:
        return  # an end alone says nothing of what it was before
    for state in states(warehouse):
        yield {"warehouse_id": entity["warehouse_id"], "flag": int(state.first_after_stop), **fields_of(state)}


def _before(entity: dict[str, Any]) -> Before | None:
    if entity["before_unixTimeMS_state_start"] is None:
        return None
    start, state, running, current, flag, restart = (entity[f"before_{name}"] for name in _CARRIED)
    return Before(state, start, running, current, restart, first_after_stop=bool(flag))
