"""Module 1001: what the workspace's jobs look like, once a day."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.api_bodies import (
    CLUSTER_DEFINITION,
    MAP_NOTE,
    STRING_MAP,
    snapshot_columns,
    snapshots,
    strings,
    struct,
)

LIBRARY = struct(
    *strings("jar egg whl"),
    "maven:struct<coordinates:string,repo:string>",
    "pypi:struct<package:string,repo:string>",
    "cran:struct<package:string,repo:string>",
)

_WHEEL = struct(*strings("entry_point package_name"), "parameters:array<string>", f"named_parameters:{STRING_MAP}")
_WORK = (
    f"notebook_task:struct<notebook_path:string,revision_timestamp:bigint,source:string,base_parameters:{STRING_MAP}>",
    "spark_python_task:struct<python_file:string,parameters:array<string>>",
    f"python_wheel_task:{_WHEEL}",
    "spark_jar_task:struct<jar_uri:string,main_class_name:string,parameters:array<string>>",
    "spark_submit_task:struct<parameters:array<string>>",
    f"shell_command_task:struct<command:array<string>,env_vars:{STRING_MAP}>",
    "pipeline_task:struct<pipeline_id:string>",
)
_CLUSTER = (
    "existing_cluster_id:string",
    f"new_cluster:{CLUSTER_DEFINITION}",
    f"libraries:array<{LIBRARY}>",
)
_LIMITS = (
    "max_retries:bigint",
    "min_retry_interval_millis:bigint",
    "retry_on_timeout:boolean",
    "timeout_seconds:bigint",
    "email_notifications:struct<no_alert_for_skipped_runs:boolean,on_failure:array<string>>",
)

TASK_FIELDS = (
    *strings("task_key description run_if job_cluster_key environment_key"),
    "depends_on:array<struct<task_key:string,outcome:string>>",
    *_CLUSTER,
    *_WORK,
    f"sql_task:struct<warehouse_id:string,query:struct<query_id:string>,parameters:{STRING_MAP}>",
    "dbt_task:struct<project_directory:string,commands:array<string>,warehouse_id:string>",
    "run_job_task:struct<job_id:bigint>",
    *_LIMITS,
)
"""What defines a task of a job."""

TASK = struct(*TASK_FIELDS)
"""A task of a job."""

GIT_SOURCE = "git_source:struct<git_branch:string,git_provider:string,git_url:string,git_tag:string,git_commit:string>"
SCHEDULE = "schedule:struct<pause_status:string,quartz_cron_expression:string,timezone_id:string>"
JOB_CLUSTERS = f"array<struct<job_cluster_key:string,new_cluster:{CLUSTER_DEFINITION}>>"

SETTINGS = struct(
    *strings("name description format"),
    f"job_clusters:{JOB_CLUSTERS}",
    f"tasks:array<{TASK}>",
    *_CLUSTER,
    *_WORK,
    GIT_SOURCE,
    "max_concurrent_runs:bigint",
    *_LIMITS,
    SCHEDULE,
    "continuous:struct<pause_status:string>",
    f"tags:{STRING_MAP}",
    "parameters:array<struct<name:string,default:string>>",
    "run_as:struct<user_name:string,service_principal_name:string>",
)
"""What a job does, where and when."""

_ID = Column("job_id", "bigint", "Id of the job.", nullable=False)
_PAYLOAD = (
    Column("created_time", "bigint", "When it was made, epoch ms."),
    Column("creator_user_name", "string", "Who made it."),
    Column("run_as_user_name", "string", "Whose rights its runs have, where the answer says so."),
    Column("job_type", "string", "JOB, WORKFLOW, ..., where the answer says so."),
    Column(
        "settings",
        SETTINGS,
        "What it does, where and when: times in seconds or, where a name says so, ms; tags, Spark settings, attributes "
        f"and named parameters as maps, {MAP_NOTE}.",
    ),
)


@table(
    module_id=1001,
    module_name="Bronze_Jobs_Snapshot",
    rebuild=Insert(replaces=True),
    keys=("job_id", "snapshot_date"),
    partition="snapshot_date",
    inputs={"workspace_jobs": Source()},
    columns=snapshot_columns(_ID, _PAYLOAD, "The job of the answer of `jobs/list`"),
)
def jobs_snapshot_bronze(workspace_jobs: DataFrame) -> DataFrame:
    """Snapshots of the workspace's jobs, one a day.

    One row: one job as `jobs/list` described it, tasks included, at the day's last snapshot.
    """
    return snapshots(workspace_jobs, _ID, _PAYLOAD)
