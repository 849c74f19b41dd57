"""Module 3002: what each job was, change by change, for queries."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Fold, Linked, View, table
from overwatch_assets.rules.renamed import Renamed, renamed_columns, same, values_of
from overwatch_assets.rules.spark_time import timestamp_of
from overwatch_assets.silver.job_status_silver import job_status_silver as SILVER

_COLUMNS = (
    Renamed("job_id", "jobId", nullable=None),
    Renamed("action", "actionName", nullable=None),
    Renamed("unixTimeMS", "timestamp"),
    *same("date"),
    Renamed("job_name", "jobName"),
    *same("tags", "job_type"),
    Renamed("job_format", "format"),
    *same(
        "existing_cluster_id",
        "new_cluster",
        "tasks",
        "job_clusters",
        "libraries",
        "git_source",
        "timeout_seconds",
        "max_concurrent_runs",
        "max_retries",
        "retry_on_timeout",
        "min_retry_interval_millis",
        "schedule",
        "task_detail_legacy",
        "aclPermissionSet",
        "targetUserId",
    ),
    Renamed("session_id", "sessionId"),
    Renamed("request_id", "requestId"),
    Renamed("user_agent", "userAgent"),
    *same("response"),
    Renamed("source_ip_address", "sourceIPAddress"),
    *same("created_by", "deleted_by", "deleted_ts", "last_edited_by", "last_edited_ts"),
)


@table(
    module_id=3002,
    module_name="Gold_Job",
    rebuild=Fold(),
    entity=("job_id",),
    keys=("job_id", "unixTimeMS", "action", "request_id"),
    partition="date",
    by_month=True,
    z_order=("job_id",),
    inputs={"job_status_silver": Linked(("jobId",))},
    view=View(
        "job",
        (
            "organization_id",
            "workspace_name",
            "job_id",
            "action",
            "date",
            "timestamp",
            "job_name",
            "tags",
            "tasks",
            "job_clusters",
            "libraries",
            "timeout_seconds",
            "max_concurrent_runs",
            "max_retries",
            "retry_on_timeout",
            "min_retry_interval_millis",
            "schedule",
            "existing_cluster_id",
            "new_cluster",
            "git_source",
            "task_detail_legacy",
            "is_from_dlt",
            "aclPermissionSet",
            "targetUserId",
            "session_id",
            "request_id",
            "user_agent",
            "response",
            "source_ip_address",
            "created_by",
            "created_ts",
            "deleted_by",
            "deleted_ts",
            "last_edited_by",
            "last_edited_ts",
        ),
    ),
    columns=(
        *renamed_columns(SILVER, _COLUMNS),
        Column("timestamp", "timestamp", "Time of the action, UTC."),
        Column(
            "is_from_dlt",
            "boolean",
            "Whether Delta Live Tables made it; false if nothing says so.",
            source=("job_status_silver.is_from_dlt",),
            nullable=False,
        ),
        Column(
            "created_ts",
            "string",
            "When it was made, epoch ms, as text.",
            source=("job_status_silver.created_ts",),
        ),
    ),
)
def job_gold(spans: DataFrame, job_status_silver: DataFrame) -> DataFrame:
    """What each job was, change by change.

    One row: a job after one of its successful creations, changes, changes of permissions or its deletion, with the
    definition that it then had; or a job as its first snapshot shows it, if no earlier row defines it.
    """
    return job_status_silver.select(
        *values_of(_COLUMNS),
        timestamp_of(F.col("timestamp")).alias("timestamp"),
        F.coalesce("is_from_dlt", F.lit(False)).alias("is_from_dlt"),
        F.col("created_ts").cast("string").alias("created_ts"),
    )
