"""Module 2014: definitions of clusters over time."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, functions as F, types as T

from overwatch_assets.contract import AsOf, Column, Events, Fold, Interval, table
from overwatch_assets.contract.types import spark_type
from overwatch_assets.rules.api_bodies import MAP_NOTE, STRING_MAP
from overwatch_assets.rules.cluster_kinds import (
    AUTOMATED,
    HIGH_CONCURRENCY,
    SINGLE_NODE,
    STANDARD,
    is_automated,
    sku_of,
)
from overwatch_assets.rules.definitions import (
    IMPUTED,
    Event,
    Fields,
    History,
    fold_histories,
    numbered,
    request_columns,
    settled_until,
)
from overwatch_assets.rules.json_values import object_of, shaper
from overwatch_assets.rules.lookups import lookup_when
from overwatch_assets.rules.spark_time import date_of

_SERVICE = "clusters"
_ACTIONS = ("create", "edit", "resize", "permanentDelete")
_SQL_TAG = "SqlEndpointId"
_SIZE = ("num_workers", "autoscale")
_PLACEMENT = ("node_type_id", "driver_node_type_id", "instance_pool_id", "driver_instance_pool_id")
_CARRIED = ("cluster_name", "spark_version", "driver_node_type_id")
"""What a request that leaves it out does not change."""

_ATTRIBUTES = ("aws_attributes", "azure_attributes", "gcp_attributes")
_SAID = (
    Column("cluster_name", "string", "Name of the cluster."),
    Column("driver_node_type_id", "string", "Node type of the driver: its pool's, else its own, else the workers'."),
    Column(
        "node_type_id",
        "string",
        "Node type of the workers: their pool's, else their own; null: a single node has none.",
    ),
    Column("num_workers", "int", "Workers of a cluster of fixed size; 0: a single node; null: it scales."),
    Column("autoscale", "string", "Limits of a cluster that scales, JSON: min_workers, max_workers."),
    Column("autotermination_minutes", "int", "Minutes without use after which it ends; 0: never."),
    Column("enable_elastic_disk", "boolean", "Disks grow with use; true unless something says that they do not."),
    Column("start_cluster", "boolean", "The request started it too; true unless it says that it did not."),
    Column("cluster_log_conf", "string", "Where its logs are delivered, JSON."),
    Column("init_scripts", "string", "Scripts that its nodes start with, JSON."),
    Column("custom_tags", "string", "Tags that its maker gave, JSON."),
    Column("cluster_source", "string", "What made it: UI, API, JOB, PIPELINE, ..."),
    *(Column(name, STRING_MAP, f"Settings of the cloud; {MAP_NOTE}.") for name in _ATTRIBUTES),
    Column("spark_env_vars", "string", "Environment variables without secrets, JSON."),
    Column("spark_conf", "string", "Spark settings without secrets, JSON."),
    Column("acl_path_prefix", "string", "Path of the access rights that a job hands to it."),
    Column("driver_instance_pool_id", "string", "Pool of the driver."),
    Column("instance_pool_id", "string", "Pool of the workers, and of the driver if that has none of its own."),
    Column("spark_version", "string", "Runtime: the one that it has, else the one that was asked for."),
    Column("idempotency_token", "string", "Its caller's own name for the request."),
    Column("runtime_engine", "string", "PHOTON or STANDARD, stated or told from the runtime; UNKNOWN: no runtime."),
    Column("policy_id", "string", "Policy that it was made under."),
    Column("data_security_mode", "string", "Access mode."),
    Column("single_user_name", "string", "The one user that it is for, if it is."),
)
"""Columns with what a request or a snapshot states, under the same name."""

_SECURITY = (
    "struct<table_acls_enabled:boolean,credential_passthrough_enabled:boolean,isolation_enabled:boolean,"
    "repl_languages_permitted:array<string>,"
    "single_user_profile:struct<is_single_user:boolean,single_user_name:string>,instance_profile_arn:string>"
)
_MADE = {
    "actionName": "string",
    "timestamp": "bigint",
    "sequence": "int",
    **{c.name: c.type for c in _SAID},
    "cluster_type": "string",
    "security_profile": _SECURITY,
    "deleted_by": "string",
    "deleted_ts": "bigint",
    "createdBy": "string",
    "lastEditedBy": "string",
    "is_single_node": "boolean",
    "pool_ids_used": "array<string>",
}
_shape = shaper(
    T.StructType(
        [
            *(T.StructField(c.name, spark_type(c.type)) for c in _SAID),
            T.StructField("effective_spark_version", T.StringType()),
        ]
    )
)


@table(
    module_id=2014,
    module_name="Silver_ClusterSpec",
    rebuild=Fold(),
    entity=("cluster_id",),
    keys=("cluster_id", "timestamp", "sequence"),
    partition="date",
    by_month=True,
    interval=Interval("timestamp"),
    inputs={
        "audit_log_bronze": Events(key=("event_cluster_id",), only={"serviceName": (_SERVICE,)}),
        "clusters_snapshot_bronze": Events(key=("cluster_id",), taken="fetched_ts"),
        "pools_silver": AsOf(key="instance_pool_id", stored="pool_ids_used"),
    },
    columns=(
        Column("cluster_id", "string", "Cluster.", source=("audit_log_bronze.event_cluster_id",), nullable=False),
        *request_columns(_SERVICE, "create, edit, resize or permanentDelete", "cluster's"),
        *_SAID,
        Column("is_automated", "boolean", "The jobs service made it, by its name; null: its name is not known."),
        Column(
            "cluster_type",
            "string",
            f"{SINGLE_NODE} or {HIGH_CONCURRENCY} by its Spark settings, else {STANDARD}; null: it is not known.",
        ),
        Column("instance_pool_name", "string", "Name of the workers' pool at that time."),
        Column("driver_instance_pool_name", "string", "Name of the driver's pool at that time."),
        Column("security_profile", _SECURITY, "Security settings; null: nothing is known of the cluster."),
        Column("deleted_by", "string", "Who deleted it for good, then or later; null: nobody has."),
        Column("deleted_ts", "bigint", "When it was deleted for good, epoch ms; null: it was not."),
        Column("createdBy", "string", "Who created it; JobsService: the jobs service did."),
        Column("lastEditedBy", "string", "Who edited it last, up to that time; null: nobody has, or the jobs service."),
        Column(
            "is_single_node",
            "boolean",
            "The driver does all the work, by its Spark settings or its tag `ResourceClass`.",
        ),
        Column(
            "sku",
            "string",
            "What its compute is sold as: jobsLight, automated, interactive or unknown.",
            nullable=False,
        ),
        Column("pool_ids_used", "array<string>", "Pools that were looked up, found or not."),
    ),
)
def cluster_spec_silver(
    spans: DataFrame, audit_log_bronze: DataFrame, clusters_snapshot_bronze: DataFrame, pools_silver: DataFrame
) -> DataFrame:
    """Every request that defines, resizes or deletes a cluster, with what the cluster then was.

    One row: one successful request; or one imputed row of a cluster that was there before any request for it was
    logged. A resize changes the size of what was defined before it. SQL warehouses are none of them. Requests without
    a time or a cluster are only in bronze.
    """
    rows = fold_histories(
        # Results of other actions tell a name.
        audit_log_bronze.where(
            (F.col("actionName").isin(*_ACTIONS) | F.col("actionName").endswith("Result"))
            & (F.col("response")["statusCode"] == 200)
        ),
        clusters_snapshot_bronze,
        keys=("event_cluster_id", "cluster_id"),
        actions=_ACTIONS,
        make=_rows,
        columns=_MADE,
    )
    of_workers = _with_pool(rows, pools_silver, "instance_pool_id", "_worker")
    placed = _with_pool(of_workers, pools_silver, "driver_instance_pool_id", "_driver")
    single = F.coalesce(F.col("cluster_type") == SINGLE_NODE, F.lit(False))
    own, own_driver = F.col("node_type_id"), F.col("driver_node_type_id")
    pooled = F.col("instance_pool_id").isNotNull()
    made = {
        "serviceName": F.lit(_SERVICE),
        "date": date_of(F.col("timestamp")),
        "driver_node_type_id": F.when(
            F.col("driver_instance_pool_id").isNotNull(), F.coalesce(F.col("_driver_type"), own_driver)
        )
        .when(pooled, F.coalesce(F.col("_worker_type"), own, own_driver))
        .when(single, F.coalesce(own, own_driver))
        .otherwise(F.coalesce(own_driver, own)),
        "node_type_id": F.when(~single, F.when(pooled, F.coalesce(F.col("_worker_type"), own)).otherwise(own)),
        "instance_pool_name": F.col("_worker_name"),
        "driver_instance_pool_name": F.col("_driver_name"),
        "is_automated": is_automated(F.col("cluster_name")),
        "sku": sku_of(F.col("cluster_name"), F.col("spark_version"), F.col("cluster_type")),
    }
    kept = [name for name in ("cluster_id", *_MADE) if name not in made]
    return placed.select(*kept, *(value.alias(name) for name, value in made.items()))


def _with_pool(rows: DataFrame, pools: DataFrame, pool_id: str, prefix: str) -> DataFrame:
    """Rows with the name and node type that their pool had at their time, else had first."""
    known = pools.select(
        F.col("instance_pool_id").alias(pool_id),
        "timestamp",
        "sequence",
        F.col("instance_pool_name").alias(f"{prefix}_name"),
        F.col("node_type_id").alias(f"{prefix}_type"),
    )
    return lookup_when(
        rows,
        known,
        [pool_id],
        "timestamp",
        "timestamp",
        columns=(f"{prefix}_name", f"{prefix}_type"),
        look_ahead=True,
        order=("sequence",),
        by_row=True,
    )


def _rows(history: History) -> list[Fields]:
    events = history.with_imputed([event for event in history.events if event.action in _ACTIONS])
    if not events or _is_warehouse(history, events):
        return []
    deletion = next((event for event in events if event.action == "permanentDelete"), None)
    deleted = {"deleted_by": deletion.email, "deleted_ts": deletion.at} if deletion else {}
    name = _any_name(history)
    return numbered({**_row(cluster, event, name), **deleted} for event, cluster in _told(history, events))


def _is_warehouse(history: History, events: list[Event]) -> bool:
    """Whether it is a SQL warehouse's: such a cluster has the warehouse's id among its tags."""
    tags = [event.parameters.get("custom_tags") for event in events]
    tags += [snapshot.body.get(name) for snapshot in history.snapshots[:1] for name in ("custom_tags", "default_tags")]
    return any(_SQL_TAG in (object_of(value) or {}) for value in tags)


def _any_name(history: History) -> str | None:
    """The first name that anything logged about it says; for a cluster whose definition is not known."""
    if history.snapshots:
        return None
    names = (event.parameters.get(name) for event in history.events for name in ("cluster_name", "clusterName"))
    return next((name for name in names if isinstance(name, str) and name), None)


@dataclass(frozen=True)
class _Cluster:
    """What a cluster is after an event."""

    definition: Fields = field(default_factory=dict)
    is_known: bool = False
    created_by: str | None = None
    edited_by: str | None = None


def _settles(event: Event) -> bool:
    return event.action in (IMPUTED, "create", "edit")


def _told(history: History, events: list[Event]) -> Iterator[tuple[Event, _Cluster]]:
    """Each event with the cluster that it leaves."""
    cluster = _Cluster()
    for event, until in zip(events, settled_until(events, _settles), strict=True):
        own = _said(event.parameters)
        definition, created_by, is_known = cluster.definition, cluster.created_by, cluster.is_known
        if _settles(event) or not is_known:
            snapshot, held = history.snapshot_for(event.at, until)
            body = snapshot.body if snapshot else {}
            is_known = _settles(event) or snapshot is not None
            definition = _defined(own, _said(body), definition, held=held)
            created_by = created_by or _creator(body)
        elif event.action == "resize" and _names(own, _SIZE):
            definition = _without(definition, _SIZE) | {name: own[name] for name in _SIZE if name in own}
        automated = re.fullmatch(AUTOMATED, definition.get("cluster_name") or "") is not None
        if event.action == "create":
            created_by = "JobsService" if automated else event.email or created_by
        edits = event.action == "edit" and not automated
        edited_by = event.email if edits and event.email else cluster.edited_by
        cluster = _Cluster(definition, is_known, created_by, edited_by)
        yield event, cluster


def _defined(own: Fields, described: Fields, before: Fields, *, held: bool) -> Fields:
    """The definition of a request: what it says; what it leaves out as a snapshot describes it.

    A request that says how large the cluster is has said so whole: the other way to say it is not taken from a
    snapshot. So with nodes and pools, unless the snapshot was taken while the definition held.
    """
    for settled in (_SIZE, () if held else _PLACEMENT):
        if _names(own, settled):
            described = _without(described, settled)
    carried = {name: before[name] for name in _CARRIED if name in before}
    return {**carried, **described, **own} if held else {**described, **carried, **own}


def _names(fields: Fields, names: tuple[str, ...]) -> bool:
    return not fields.keys().isdisjoint(names)


def _without(fields: Fields, names: tuple[str, ...]) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


def _said(told: Mapping[str, Any]) -> Fields:
    """The definition that a request or a snapshot states; what it leaves out is not among the fields."""
    said = {name: value for name, value in (_shape(told) or {}).items() if value not in (None, "")}
    if "cluster_name" not in said and isinstance(name := told.get("clusterName"), str) and name:
        said["cluster_name"] = name
    if not object_of(said.get("autoscale")):  # `null` and `{}` set no limits, and what was cut off none that are known
        said.pop("autoscale", None)
    else:  # of one that scales, a snapshot counts the workers of the moment
        said.pop("num_workers", None)
    effective = said.pop("effective_spark_version", None)
    return {**said, "spark_version": effective} if effective else said


def _creator(body: Mapping[str, Any]) -> str | None:
    """Who created the cluster that a snapshot describes."""
    creator = (object_of(body.get("default_tags")) or {}).get("Creator") or body.get("creator_user_name")
    return creator if isinstance(creator, str) and creator else None


def _row(cluster: _Cluster, event: Event, name: str | None) -> Fields:
    said = cluster.definition
    conf = object_of(said.get("spark_conf")) or {}
    tags = object_of(said.get("custom_tags")) or {}
    profile = conf.get("spark.databricks.cluster.profile")
    single = profile == "singleNode"
    row: Fields = {
        **said,
        "actionName": event.action,
        "timestamp": event.at,
        "cluster_name": said.get("cluster_name", name),
        "runtime_engine": _engine(said),
        "createdBy": cluster.created_by,
        "lastEditedBy": cluster.edited_by,
        "pool_ids_used": sorted({said[n] for n in ("instance_pool_id", "driver_instance_pool_id") if n in said}),
    }
    if not cluster.is_known:
        return row
    return {
        **row,
        "num_workers": 0 if single else said.get("num_workers"),
        "enable_elastic_disk": said.get("enable_elastic_disk", True),
        "start_cluster": said.get("start_cluster", True),
        "cluster_type": SINGLE_NODE if single else HIGH_CONCURRENCY if profile == "serverless" else STANDARD,
        "security_profile": _security(said, conf),
        "is_single_node": single or tags.get("ResourceClass") == "SingleNode",
    }


def _engine(said: Fields) -> str:
    stated, version = str(said.get("runtime_engine", "")).upper(), said.get("spark_version")
    if stated in ("PHOTON", "STANDARD"):
        return stated
    if version is None:
        return "UNKNOWN"
    return "PHOTON" if re.search(".photon.", version) else "STANDARD"


def _security(said: Fields, conf: Mapping[str, Any]) -> Fields:
    def enabled(name: str) -> bool:
        return str(conf.get(name)).strip().lower() == "true"

    permitted = conf.get("spark.databricks.repl.allowedLanguages")
    languages = permitted.split(",") if isinstance(permitted, str) else ["All"]
    user = said.get("single_user_name")
    return {
        "table_acls_enabled": enabled("spark.databricks.acl.dfAclsEnabled"),
        "credential_passthrough_enabled": enabled("spark.databricks.passthrough.enabled"),
        "isolation_enabled": enabled("spark.databricks.pyspark.enableProcessIsolation"),
        "repl_languages_permitted": [language.strip() for language in languages],
        "single_user_profile": {"is_single_user": user is not None, "single_user_name": user},
        "instance_profile_arn": dict(said.get("aws_attributes", ())).get("instance_profile_arn"),
    }
