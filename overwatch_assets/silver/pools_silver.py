"""Module 2009: definitions of instance pools over time."""

from collections.abc import Iterator
from typing import Any

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F, types as T

from overwatch_assets.contract import Column, Events, Fold, table
from overwatch_assets.contract.types import spark_type
from overwatch_assets.rules.api_bodies import MAP_NOTE, STRING_MAP
from overwatch_assets.rules.definitions import (
    IMPUTED,
    REQUEST,
    Event,
    Fields,
    History,
    fold_histories,
    numbered,
    request_columns,
    settled_until,
)
from overwatch_assets.rules.json_values import shaper
from overwatch_assets.rules.spark_time import date_of, timestamp_of

_SERVICE = "instancePools"
_ACTIONS = ("create", "edit", "delete")
_FILL = "of the request, else as it was known before, else of the snapshot that describes it best"
_DEFINITION = (
    Column("instance_pool_name", "string", f"Name of the pool: {_FILL}."),
    Column("node_type_id", "string", "Node type of its instances."),
    Column("idle_instance_autotermination_minutes", "bigint", "Minutes after which an idle instance is given back."),
    Column("min_idle_instances", "bigint", "Instances that are kept ready."),
    Column("max_capacity", "bigint", "Instances that it has at most, idle and used ones."),
    Column("preloaded_spark_versions", "string", "Runtimes that its idle instances have ready, JSON."),
    Column("aws_attributes", STRING_MAP, f"Settings of AWS; {MAP_NOTE}."),
    Column("azure_attributes", STRING_MAP, f"Settings of Azure; {MAP_NOTE}."),
    Column("gcp_attributes", STRING_MAP, f"Settings of Google Cloud; {MAP_NOTE}."),
    Column("custom_tags", STRING_MAP, f"Tags that its maker gave; {MAP_NOTE}."),
)
_shape = shaper(T.StructType([T.StructField(c.name, spark_type(c.type)) for c in _DEFINITION]))


def _details(verb: str) -> str:
    return f"struct<{verb}_by:string,{verb}_at_epochMillis:bigint,{verb}_at:timestamp>"


@table(
    module_id=2009,
    module_name="Silver_PoolsSpec",
    rebuild=Fold(),
    entity=("instance_pool_id",),
    keys=("instance_pool_id", "timestamp", "sequence"),
    partition="date",
    by_month=True,
    inputs={
        "audit_log_bronze": Events(key=("event_pool_id",), only={"serviceName": (_SERVICE,)}),
        "pools_snapshot_bronze": Events(key=("instance_pool_id",)),
    },
    columns=(
        *request_columns("instancePools", "create, edit or delete", "pool's"),
        Column("instance_pool_id", "string", "Pool.", source=("audit_log_bronze.event_pool_id",), nullable=False),
        *_DEFINITION,
        Column("create_details", _details("created"), "Who created it and when; null: its creation was not logged."),
        Column("delete_details", _details("deleted"), "Who deleted it and when, on the row of the deletion that did."),
        Column("request_details", REQUEST, "The request and its answer; null: imputed."),
    ),
)
def pools_silver(spans: DataFrame, audit_log_bronze: DataFrame, pools_snapshot_bronze: DataFrame) -> DataFrame:
    """Every request that creates, edits or deletes an instance pool, with what the pool then was.

    One row: one request, failed ones included, which change nothing; or one imputed row of a pool that was there
    before any request for it was logged. Requests without a time or a pool are only in bronze.
    """
    rows = fold_histories(
        audit_log_bronze.where(F.col("actionName").isin(*_ACTIONS)),
        pools_snapshot_bronze,
        keys=("event_pool_id", "instance_pool_id"),
        actions=_ACTIONS,
        make=_rows,
        columns={
            "actionName": "string",
            "timestamp": "bigint",
            "sequence": "int",
            **{c.name: c.type for c in _DEFINITION},
            **{f"{verb}_{what}": kind for verb in ("created", "deleted") for what, kind in _WHO_AND_WHEN.items()},
            "request_details": REQUEST,
        },
    )
    return rows.select(
        F.lit(_SERVICE).alias("serviceName"),
        "actionName",
        "timestamp",
        "sequence",
        date_of(F.col("timestamp")).alias("date"),
        "instance_pool_id",
        *(c.name for c in _DEFINITION),
        _struct_of("created").alias("create_details"),
        _struct_of("deleted").alias("delete_details"),
        "request_details",
    )


_WHO_AND_WHEN = {"by": "string", "at": "bigint"}


def _struct_of(verb: str) -> SparkColumn:
    at = F.col(f"{verb}_at")
    details = F.struct(
        F.col(f"{verb}_by").alias(f"{verb}_by"),
        at.alias(f"{verb}_at_epochMillis"),
        timestamp_of(at).alias(f"{verb}_at"),
    )
    return F.when(at.isNotNull(), details)


def _said(told: Any) -> Fields:
    """The definition that a request or a snapshot states; what it leaves out is not among the fields."""
    return {name: value for name, value in (_shape(told) or {}).items() if value not in (None, "")}


def _settles(event: Event) -> bool:
    return event.action == IMPUTED or (event.succeeded and event.action in ("create", "edit"))


def _rows(history: History) -> list[Fields]:
    return numbered(_told(history))


def _told(history: History) -> Iterator[Fields]:
    events = history.with_imputed(history.events)
    definition: Fields = {}
    created: Fields = {}
    for event, until in zip(events, settled_until(events, _settles), strict=True):
        if _settles(event) or not definition:
            snapshot, held = history.snapshot_for(event.at, until)
            described = _said(snapshot.body) if snapshot else {}
            known = {**definition, **described} if held else {**described, **definition}
            definition = {**known, **(_said(event.parameters) if _settles(event) else {})}
        done = {"by": event.email, "at": event.at} if event.succeeded else {}
        if event.action == "create" and done:
            created = {f"created_{name}": value for name, value in done.items()}
        deleted = {f"deleted_{name}": value for name, value in done.items()} if event.action == "delete" else {}
        yield {
            "actionName": event.action,
            "timestamp": event.at,
            **definition,
            **created,
            **deleted,
            "request_details": event.request,
        }
