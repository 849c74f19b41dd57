"""Module 2021: definitions of SQL warehouses over time."""

from collections.abc import Iterator, Mapping
from typing import Any

from pyspark.sql import DataFrame, functions as F, types as T

from overwatch_assets.contract import Column, Events, Fold, Interval, table
from overwatch_assets.contract.types import spark_type
from overwatch_assets.rules.api_bodies import STRING_MAP
from overwatch_assets.rules.audit_records import RESPONSE
from overwatch_assets.rules.definitions import (
    IMPUTED,
    REQUEST,
    Event,
    Fields,
    History,
    Snapshot,
    fold_histories,
    numbered,
    request_columns,
    settled_until,
)
from overwatch_assets.rules.json_values import shaper
from overwatch_assets.rules.names import member
from overwatch_assets.rules.spark_time import date_of
from overwatch_assets.rules.warehouses import CREATES, DEFINES, DELETES, channel_of, tags_of

_SERVICE, _IMPUTED_SERVICE = "databrickssql", "warehouses"
_ACTIONS = (*DEFINES, *DELETES)
_FILL = "of the request, else as it was known before, else of the snapshot taken while it was so"
_DEFINITION = (
    Column("warehouse_name", "string", f"Name of the warehouse: {_FILL}."),
    Column("cluster_size", "string", "Size of its clusters, such as 2X-Small."),
    Column("min_num_clusters", "bigint", "Clusters that it has at least while it runs."),
    Column("max_num_clusters", "bigint", "Clusters that it has at most."),
    Column("auto_stop_mins", "bigint", "Minutes without a query after which it stops; 0: never."),
    Column("spot_instance_policy", "string", "COST_OPTIMIZED or RELIABILITY_OPTIMIZED."),
    Column("enable_photon", "boolean", "It runs Photon."),
    Column("channel", "string", "Name of its release channel."),
    Column("tags", STRING_MAP, "Tags that its maker gave, by key; keys as they were given."),
    Column("enable_serverless_compute", "boolean", "Its clusters are Databricks' own."),
    Column("warehouse_type", "string", "CLASSIC or PRO; a serverless one is PRO."),
)
_ODBC = "struct<hostname:string,path:string,protocol:string,port:bigint>"
_SEEN = (
    Column("warehouse_state", "string", "State at the snapshot; null: the row is of a request."),
    Column("size", "string", "Size as the API's own name, such as XXSMALL; null as above, and so are the next."),
    Column("auto_resume", "boolean", "A query starts it."),
    Column("creator_id", "bigint", "Id of who created it."),
    Column("num_clusters", "bigint", "Clusters that it had at the snapshot."),
    Column("num_active_sessions", "bigint", "Sessions that it had then."),
    Column("jdbc_url", "string", "Address for JDBC."),
    Column("odbc_params", _ODBC, "How to connect by ODBC."),
)
_TOLD = {"warehouse_name": "name", "warehouse_state": "state"}
"""Columns that requests and snapshots call otherwise."""


def _shaper(*columns: Column) -> Any:
    return shaper(T.StructType([T.StructField(c.name, spark_type(c.type)) for c in columns]))


_shape_definition = _shaper(*(c for c in _DEFINITION if c.name not in ("channel", "tags")))
_shape_seen = _shaper(*_SEEN)


@table(
    module_id=2021,
    module_name="Silver_WarehouseSpec",
    rebuild=Fold(),
    entity=("warehouse_id",),
    keys=("warehouse_id", "timestamp", "sequence"),
    partition="date",
    by_month=True,
    interval=Interval("timestamp"),
    inputs={
        "audit_log_bronze": Events(
            key=("event_warehouse_id",), only={"serviceName": (_SERVICE,), "actionName": _ACTIONS}
        ),
        "warehouses_snapshot_bronze": Events(key=("warehouse_id",), taken="fetched_ts"),
    },
    columns=(
        *request_columns(f"{_SERVICE}, or {_IMPUTED_SERVICE} if it is imputed", ", ".join(_ACTIONS), "warehouse's"),
        Column("warehouse_id", "string", "Warehouse.", source=("audit_log_bronze.event_warehouse_id",), nullable=False),
        Column("userEmail", "string", "Who asked for it; null: imputed.", source=("audit_log_bronze.userIdentity",)),
        Column("requestId", "string", "Id of the request; null: imputed.", source=("audit_log_bronze.requestId",)),
        Column("response", RESPONSE, "Its answer; null: imputed.", source=("audit_log_bronze.response",)),
        *_DEFINITION,
        Column("createdBy", "string", "Who created it: by the request that did, else by a snapshot."),
        *_SEEN,
    ),
)
def warehouse_spec_silver(
    spans: DataFrame, audit_log_bronze: DataFrame, warehouses_snapshot_bronze: DataFrame
) -> DataFrame:
    """Every request that creates, edits or deletes a SQL warehouse, with what the warehouse then was.

    One row: one successful request; or one imputed row of a warehouse that was there before any request for it was
    logged. Nothing is told by what came later: a value that was first seen after the definition changed is not in it.
    """
    done = F.col("actionName").isin(*_ACTIONS) & (member(F.col("response"), "statusCode") == 200)
    rows = fold_histories(
        audit_log_bronze.where(done),
        warehouses_snapshot_bronze,
        keys=("event_warehouse_id", "warehouse_id"),
        actions=_ACTIONS,
        make=_rows,
        columns={
            "actionName": "string",
            "timestamp": "bigint",
            "sequence": "int",
            "userEmail": "string",
            **{c.name: c.type for c in (*_DEFINITION, *_SEEN)},
            "createdBy": "string",
            "request": REQUEST,
        },
    )
    service = F.when(F.col("actionName") == IMPUTED, F.lit(_IMPUTED_SERVICE)).otherwise(F.lit(_SERVICE))
    return rows.select(
        service.alias("serviceName"),
        "actionName",
        "timestamp",
        "sequence",
        date_of(F.col("timestamp")).alias("date"),
        "warehouse_id",
        "userEmail",
        member(F.col("request"), "requestId").alias("requestId"),
        member(F.col("request"), "response").alias("response"),
        *(c.name for c in _DEFINITION),
        "createdBy",
        *(c.name for c in _SEEN),
    )


def _renamed(told: Mapping[str, Any]) -> dict[str, Any]:
    return {**told, **{ours: told.get(theirs) for ours, theirs in _TOLD.items()}}


def _said(told: Mapping[str, Any]) -> Fields:
    """The definition that a request or a snapshot states; what it leaves out is not among the fields."""
    found = {
        **(_shape_definition(_renamed(told)) or {}),
        "channel": channel_of(told.get("channel")),
        "tags": _pairs(tags_of(told.get("tags"))),
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def _pairs(tags: Mapping[str, str] | None) -> list[tuple[str, str]] | None:
    """Tags as Arrow takes a map."""
    return None if tags is None else list(tags.items())


def _settles(event: Event) -> bool:
    return event.action not in DELETES


def _rows(history: History) -> list[Fields]:
    return numbered(_told(history))


def _described(history: History, at: int, until: int | None, known: Fields) -> tuple[Snapshot | None, Fields]:
    """The snapshot that tells of a definition, and what is known with it: none of a later definition does."""
    snapshot, held = history.snapshot_for(at, until)
    if snapshot is None or not (held or snapshot.at <= at):
        return None, known
    said = _said(snapshot.body)
    return snapshot, {**known, **said} if held else {**said, **known}


def _told(history: History) -> Iterator[Fields]:
    events = history.with_imputed(history.events, CREATES)
    definition: Fields = {}
    # Who created it never changes: every row may tell it, whoever told it first.
    created_by = next((s.body.get("creator_name") for s in history.snapshots), None)
    created_by = next((e.email for e in events if e.action in CREATES), created_by)
    for event, until in zip(events, settled_until(events, _settles), strict=True):
        snapshot: Snapshot | None = None
        if _settles(event) or not definition:
            snapshot, known = _described(history, event.at, until, definition)
            definition = {**known, **(_said(event.parameters) if event.action != IMPUTED else {})}
        seen = (_shape_seen(_renamed(snapshot.body)) or {}) if snapshot and event.action == IMPUTED else {}
        yield {
            "actionName": event.action,
            "timestamp": event.at,
            "userEmail": event.email,
            **definition,
            "createdBy": created_by,
            **seen,
            "request": event.request,
        }
