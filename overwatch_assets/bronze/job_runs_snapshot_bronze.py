"""Module 1012: what the Jobs API says of runs. Only for workspaces whose deployment has `job_runs_snapshot: true`."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.bronze.jobs_snapshot_bronze import GIT_SOURCE, JOB_CLUSTERS, LIBRARY, SCHEDULE, TASK_FIELDS
from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.api_bodies import (
    CLUSTER_DEFINITION,
    MAP_NOTE,
    STRING_MAP,
    body_columns,
    shaped,
    strings,
    struct,
)
from overwatch_assets.rules.spark_time import date_of, timestamp_of

_ENDED = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
_STATE = struct(
    *strings("life_cycle_state result_state state_message queue_reason"), "user_cancelled_or_timedout:boolean"
)
_STATUS = "struct<state:string,termination_details:struct<code:string,type:string,message:string>>"
_PLACE = "struct<cluster_id:string,spark_context_id:string>"
_LASTED = ("start_time", "setup_duration", "execution_duration", "cleanup_duration", "end_time")
_TASK = struct(
    "run_id:bigint",
    *TASK_FIELDS,
    "attempt_number:bigint",
    f"cluster_instance:{_PLACE}",
    f"state:{_STATE}",
    f"status:{_STATUS}",
    *(f"{name}:bigint" for name in _LASTED),
)
_REPAIR = struct(
    "id:bigint",
    "type:string",
    "start_time:bigint",
    "end_time:bigint",
    f"state:{_STATE}",
    "task_run_ids:array<bigint>",
)
_PARAMETERS = struct(
    *(f"{name}:array<string>" for name in ("jar_params", "python_params", "spark_submit_params", "dbt_commands")),
    *(f"{name}:{STRING_MAP}" for name in ("notebook_params", "python_named_params", "sql_params")),
)

_PAYLOAD = (
    Column("job_id", "bigint", "Job; of a run without a job the one that Databricks made for it."),
    Column("number_in_job", "bigint", "As `run_id`."),
    Column("original_attempt_run_id", "bigint", "First attempt, if this one is another try."),
    Column("state", _STATE, "How far it is, and how it ended."),
    Column("status", _STATUS, "The same as newer answers say it."),
    Column("start_time", "bigint", "Start, epoch ms.", nullable=False),
    Column("setup_duration", "bigint", "Until its cluster was ready, ms; 0 of a run of several tasks."),
    Column("execution_duration", "bigint", "Of its work, ms; 0 of a run of several tasks."),
    Column("cleanup_duration", "bigint", "Until its cluster was ended, ms; 0 of a run of several tasks."),
    Column("end_time", "bigint", "End, epoch ms; null: it had not ended."),
    Column("run_duration", "bigint", "From start to end of a run of several tasks, ms."),
    Column("trigger", "string", "PERIODIC, ONE_TIME, RETRY, ..."),
    Column("creator_user_name", "string", "Who started it, or made its schedule."),
    Column("run_name", "string", "Name of the run."),
    Column("run_page_url", "string", "Its page."),
    Column("run_type", "string", "JOB_RUN, SUBMIT_RUN or WORKFLOW_RUN."),
    Column("format", "string", "SINGLE_TASK or MULTI_TASK."),
    Column("tasks", f"array<{_TASK}>", "Its tasks, each with its run, state and times (epoch ms and ms)."),
    Column("job_clusters", JOB_CLUSTERS, "Clusters that its tasks share."),
    Column(
        "cluster_spec",
        struct("existing_cluster_id:string", f"new_cluster:{CLUSTER_DEFINITION}", f"libraries:array<{LIBRARY}>"),
        f"Cluster that a run of one task asked for; maps {MAP_NOTE}.",
    ),
    Column("cluster_instance", _PLACE, "Cluster of a run of one task."),
    Column("overriding_parameters", _PARAMETERS, "Parameters that it was started with."),
    Column("git_source", GIT_SOURCE.partition(":")[2], "Where its code is from."),
    Column("schedule", SCHEDULE.partition(":")[2], "Schedule that started it."),
    Column("repair_history", f"array<{_REPAIR}>", "The first try and its repairs; times in epoch ms."),
)


@table(
    module_id=1012,
    module_name="Bronze_Job_Runs_Snapshot",
    rebuild=Insert(replaces=True),
    keys=("job_id", "run_id", "date"),
    partition="date",
    inputs={"workspace_job_runs": Source()},
    columns=(
        Column("run_id", "bigint", "Run of the job.", nullable=False),
        Column("date", "date", "UTC day of the start.", nullable=False),
        *_PAYLOAD,
        Column(
            "is_open", "boolean", "It had not ended: loads ask for it again until it has, or is gone.", nullable=False
        ),
        Column(
            "is_gone",
            "boolean",
            "The workspace knows it no more, and did not say how it ended: it is as last described.",
            nullable=False,
        ),
        Column("fetched_ts", "timestamp", "The `now` of the load that asked for it last.", bookkeeping=True),
        *body_columns("The run of the answer of `jobs/runs/list` or `jobs/runs/get`"),
    ),
)
def job_runs_snapshot_bronze(workspace_job_runs: DataFrame) -> DataFrame:
    """Runs of jobs as the Jobs API describes them, tasks included; empty unless the deployment asks for it.

    One row: one run of a job, on the day of its start, as it was when it was last asked for.
    """
    carried = {"run_id": "bigint", "fetched_ms": "bigint", "is_gone": "boolean", "dropped_before": "int"}
    state, end = F.col("state")["life_cycle_state"], F.col("end_time")
    ended = state.isin(*_ENDED) | (F.col("status")["state"] == _ENDED[0]) | (end > 0)
    return shaped(workspace_job_runs, carried, _PAYLOAD).select(
        "run_id",
        date_of(F.col("start_time")).alias("date"),
        *(F.when(end > 0, end).alias(c.name) if c.name == "end_time" else F.col(c.name) for c in _PAYLOAD),
        (~(F.col("is_gone") | F.coalesce(ended, F.lit(False)))).alias("is_open"),
        "is_gone",
        timestamp_of(F.col("fetched_ms")).alias("fetched_ts"),
        (F.col("droppedProperties") + F.col("dropped_before")).cast("int").alias("droppedProperties"),
        "value",
    )
