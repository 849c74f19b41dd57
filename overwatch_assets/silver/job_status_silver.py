"""Module 2010: what each job was, change by change."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, functions as F, types as T

from overwatch_assets.bronze.jobs_snapshot_bronze import SETTINGS
from overwatch_assets.contract import Column, Events, Fold, Interval, table
from overwatch_assets.contract.types import spark_type
from overwatch_assets.rules.api_bodies import MAP_NOTE
from overwatch_assets.rules.audit_records import RESPONSE, parameters
from overwatch_assets.rules.definitions import IMPUTED
from overwatch_assets.rules.job_settings import (
    ACTIONS,
    IMPUTED_REQUEST,
    SNAPSHOT,
    JobEvent,
    JobState,
    job_states,
)
from overwatch_assets.rules.json_values import arrow_of, parsed, shaper, text_of
from overwatch_assets.rules.spark_time import date_of, midnight_ms

_SETTINGS = spark_type(SETTINGS)
assert isinstance(_SETTINGS, T.StructType)  # noqa: S101 - tells mypy
_LEGACY_TASKS = (
    "notebook_task",
    "spark_python_task",
    "python_wheel_task",
    "spark_jar_task",
    "spark_submit_task",
    "shell_command_task",
    "pipeline_task",
)


def _type(setting: str) -> str:
    assert isinstance(_SETTINGS, T.StructType)  # noqa: S101 - tells mypy
    return _SETTINGS[setting].dataType.simpleString()


_SET = (
    Column("tags", _type("tags"), f"Tags of the job; {MAP_NOTE}."),
    Column("schedule", _type("schedule"), "When it runs, and whether that is paused."),
    Column("email_notifications", _type("email_notifications"), "Who is told of failed runs."),
    Column("existing_cluster_id", "string", "Cluster of a job of one task that runs on one that exists."),
    Column("new_cluster", _type("new_cluster"), f"Cluster of its own of a job of one task; in maps, {MAP_NOTE}."),
    Column("tasks", _type("tasks"), f"Tasks; in maps, {MAP_NOTE}. Members without a column here are in `settings`."),
    Column("job_clusters", _type("job_clusters"), "Clusters that its tasks share, by key."),
    Column("libraries", _type("libraries"), "Libraries of a job of one task."),
    Column("git_source", _type("git_source"), "Repository with its notebooks."),
    Column("max_concurrent_runs", "bigint", "Runs that may run at once."),
    Column("max_retries", "bigint", "Retries of a failed run of a job of one task; -1: without end."),
    Column("timeout_seconds", "bigint", "Seconds after which a run is stopped; 0: never."),
    Column("min_retry_interval_millis", "bigint", "Time between a failed run and its retry, ms."),
    Column("retry_on_timeout", "boolean", "Whether a run that was stopped by its timeout is retried."),
)
_PAYLOAD = (
    Column("serviceName", "string", "`jobs`.", nullable=False),
    Column(
        "actionName",
        "string",
        "What was done: `create`, `reset`, `update`, `delete`, `resetJobAcl`, `changeJobAcl`; `snapImpute`: nothing, "
        "the job was first seen in a snapshot.",
        source=("audit_log_bronze.actionName",),
        nullable=False,
    ),
    Column(
        "timestamp",
        "bigint",
        "When, epoch ms; of `snapImpute` the time of the snapshot. Null: the record states no time.",
        source=("audit_log_bronze.timestamp", "jobs_snapshot_bronze.fetched_ts"),
    ),
    Column("jobName", "string", "Name of the job."),
    *_SET,
    Column("job_type", "string", "JOB, WORKFLOW, ..., as last said."),
    Column("format", "string", "SINGLE_TASK or MULTI_TASK, as last said."),
    Column("is_from_dlt", "boolean", "Whether Delta Live Tables made it, as last said."),
    Column("run_as_user_name", "string", "Whose rights its runs have, as last said."),
    Column(
        "access_control_list",
        "array<struct<user_name:string,group_name:string,service_principal_name:string,permission_level:string>>",
        "Who may do what with it, as a request last said beside the job's settings.",
    ),
    Column("aclPermissionSet", "string", "Permissions that this event gave, JSON text."),
    Column("grants", "array<struct<permission:string,user_id:bigint>>", "Permissions after this `resetJobAcl`."),
    Column("targetUserId", "string", "Whom this event gave permissions."),
    Column(
        "task_detail_legacy",
        f"struct<{','.join(f'{name}:{_type(name)}' for name in _LEGACY_TASKS)}>",
        "What a job of one task does, if this event says it (API 2.0); what it did before this event is in `settings`.",
    ),
    Column("sessionId", "string", "Session of the request.", source=("audit_log_bronze.sessionId",)),
    Column("requestId", "string", "Id of the request; of `snapImpute` -1.", source=("audit_log_bronze.requestId",)),
    Column("userAgent", "string", "Client that sent the request.", source=("audit_log_bronze.userAgent",)),
    Column("response", RESPONSE, "Answer; `result` is JSON text.", source=("audit_log_bronze.response",)),
    Column("sourceIPAddress", "string", "Where it came from.", source=("audit_log_bronze.sourceIPAddress",)),
    Column("created_by", "string", "Who made the job, by its `create`, else by its snapshots."),
    Column("created_ts", "bigint", "When it was made, epoch ms, by its `create`, else by its snapshots."),
    Column("deleted_by", "string", "Who deleted it; of `delete` only."),
    Column("deleted_ts", "bigint", "When it was deleted, epoch ms; of `delete` only."),
    Column("last_edited_by", "string", "Who last updated or reset it; if nobody is known to have, who made it."),
    Column("last_edited_ts", "bigint", "When it was last updated or reset, epoch ms, else made."),
    Column(
        "settings",
        "string",
        "The whole definition after this event, as far as it is known, JSON text with the API's own names, secret "
        "properties cut out.",
    ),
)
_KINDS = {column.name: spark_type(column.type) for column in _PAYLOAD}
_SHAPES = {name: shaper(kind) for name, kind in _KINDS.items()}
_ROWS = ", ".join(["jobId bigint", "at bigint", *(f"{c.name} {c.type}" for c in _PAYLOAD)])

_EVENT = (
    "struct<times:array<bigint>,actionName:string,timestamp:bigint,requestId:string,email:string,sessionId:string,"
    f"userAgent:string,sourceIPAddress:string,response:{RESPONSE},value:string>"
)
_DETAILS = ("sessionId", "userAgent", "sourceIPAddress", "response")
_OF_THIS_EVENT = ("aclPermissionSet", "grants", "targetUserId")
_CHUNK = 1000  # rows in one batch, with the job's definition in each


@table(
    module_id=2010,
    module_name="Silver_JobsStatus",
    rebuild=Fold(),
    entity=("jobId",),
    keys=("timestamp", "jobId", "actionName", "requestId"),
    partition="date",
    by_month=True,
    interval=Interval("timestamp"),
    inputs={
        "audit_log_bronze": Events(key=("event_job_id",), only={"serviceName": ("jobs",), "actionName": ACTIONS}),
        "jobs_snapshot_bronze": Events(key=("job_id",), taken="fetched_ts"),
    },
    columns=(
        Column("date", "date", "UTC day of `timestamp`; of a record without one, the record's day.", nullable=False),
        Column(
            "jobId",
            "bigint",
            "Job.",
            source=("audit_log_bronze.event_job_id", "jobs_snapshot_bronze.job_id"),
            nullable=False,
        ),
        *_PAYLOAD,
    ),
)
def job_status_silver(spans: DataFrame, audit_log_bronze: DataFrame, jobs_snapshot_bronze: DataFrame) -> DataFrame:
    """What each job was, change by change.

    One row: a job after one of its successful creations, changes, changes of permissions or its deletion, with the
    definition that it then had; or a job as its first snapshot shows it, if no earlier row defines it.
    """
    midnight = midnight_ms(F.col("date"))
    nothing = F.lit(None)
    succeeded = (F.col("response.statusCode") == 200) & F.col("event_job_id").isNotNull()
    told = audit_log_bronze.where(succeeded).select(
        F.col("event_job_id").alias("jobId"),
        F.struct(
            F.array(F.coalesce("timestamp", midnight)).alias("times"),
            "actionName",
            "timestamp",
            "requestId",
            F.col("userIdentity.email").alias("email"),
            *_DETAILS,
            "value",
        )
        .cast(_EVENT)
        .alias("event"),
    )
    # A job that stays as it is has the same text each day.
    seen = jobs_snapshot_bronze.groupBy(F.col("job_id").alias("jobId"), "value").agg(
        F.collect_list(F.unix_millis("fetched_ts")).alias("times")
    )
    shown = seen.select(
        "jobId",
        F.struct(
            "times",
            F.lit(SNAPSHOT).alias("actionName"),
            *(nothing.alias(name) for name in ("timestamp", "requestId", "email", *_DETAILS)),
            "value",
        )
        .cast(_EVENT)
        .alias("event"),
    )
    histories = told.unionByName(shown).groupBy("jobId").agg(F.collect_list("event").alias("events"))
    states = histories.mapInArrow(_states, _ROWS)
    return states.select(date_of(F.col("at")).alias("date"), "jobId", *(c.name for c in _PAYLOAD))


def _states(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        found: list[tuple[int, JobState]] = []
        for job, events in zip(batch.column("jobId"), batch.column("events"), strict=True):
            found += [(job.as_py(), state) for state in job_states(_events(events.as_py()))]
            if len(found) >= _CHUNK:
                yield _batch(found)
                found = []
        yield _batch(found)


def _events(events: Iterable[dict[str, Any]]) -> Iterator[JobEvent]:
    for event in events:
        snapshot = event["actionName"] == SNAPSHOT
        said = parsed(event["value"]) if snapshot else parameters(event["value"])
        for at in event["times"]:
            yield JobEvent(
                at=at,
                action=event["actionName"],
                said=said,
                timestamp=at if snapshot else event["timestamp"],
                request_id=IMPUTED_REQUEST if snapshot else event["requestId"],
                email=event["email"],
                details={name: event[name] for name in _DETAILS},
                record=event["value"],
            )


def _batch(found: Sequence[tuple[int, JobState]]) -> pa.RecordBatch:
    rows = [_row(state) for _, state in found]
    columns = {
        "jobId": pa.array([job for job, _ in found], pa.int64()),
        "at": pa.array([state.event.at for _, state in found], pa.int64()),
        **{name: arrow_of([shape(row.get(name)) for row in rows], _KINDS[name]) for name, shape in _SHAPES.items()},
    }
    return pa.RecordBatch.from_pydict(columns)


def _row(state: JobState) -> dict[str, Any]:
    event, settings = state.event, state.settings or {}
    deleted = event.action == "delete"
    legacy = {name: event.told[name] for name in _LEGACY_TASKS if name in event.told}
    created_by, created_ts = state.created
    last_edited_by, last_edited_ts = state.edited or state.created
    return {
        **{column.name: settings.get(column.name) for column in _SET},
        **state.attributes,
        **({} if state.action == IMPUTED else {name: event.said.get(name) for name in _OF_THIS_EVENT}),
        **event.details,
        "serviceName": "jobs",
        "actionName": state.action,
        "timestamp": event.timestamp,
        "requestId": event.request_id,
        "jobName": settings.get("name"),
        "task_detail_legacy": legacy or None,
        "created_by": created_by,
        "created_ts": created_ts,
        "deleted_by": event.email if deleted else None,
        "deleted_ts": event.timestamp if deleted else None,
        "last_edited_by": last_edited_by,
        "last_edited_ts": last_edited_ts,
        "settings": None if state.settings is None else text_of(state.settings),
    }
