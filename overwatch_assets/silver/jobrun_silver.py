"""Module 2011: runs of jobs."""

from pyspark.sql import Column as SparkColumn, DataFrame, Window, functions as F

from overwatch_assets.contract import AsOf, Column, Events, Fold, Interval, table
from overwatch_assets.rules import job_runs as runs
from overwatch_assets.rules.api_bodies import CLUSTER_DEFINITION
from overwatch_assets.rules.job_settings import ACTIONS
from overwatch_assets.rules.lookups import lookup_when
from overwatch_assets.rules.names import member
from overwatch_assets.rules.spark_time import RUNTIME, date_of, runtime
from overwatch_assets.silver.job_status_silver import job_status_silver as JOBS

_JOB = ("jobName", "tags", "schedule", "max_concurrent_runs", "run_as_user_name", "timeout_seconds", "created_by")
_LOOKED_UP = (*_JOB, "last_edited_by", "tasks", "job_clusters", "task_detail_legacy")
_OF_TASK = ("max_retries", "min_retry_interval_millis", "retry_on_timeout")
_TIMES = ("startTime", "submissionTime", "cancellationTime", "completionTime")
_TIME_DETAILS = f"struct<{','.join(f'{name}:bigint' for name in (*_TIMES, 'timeout_seconds'))}>"
_AT_START = "as the job was when its run, or the repair, was asked for"


def _of_job(name: str, doc: str) -> Column:
    return Column(name, JOBS.by_name[name].type, f"{doc}, {_AT_START}.", source=(f"job_status_silver.{name}",))


def _asked_for(name: str, doc: str) -> Column:
    return Column(name, "array<string>", f"{doc}, found or not.")


@table(
    module_id=2011,
    module_name="Silver_JobsRuns",
    rebuild=Fold(),
    entity=("jobRunId",),
    keys=("runId", "startEpochMS"),
    links=("clusterId",),
    partition="startDate",
    interval=Interval("startEpochMS", "endEpochMS"),
    z_order=("runId", "jobId"),
    inputs={
        "audit_log_bronze": (
            Events(key=("event_run_id",), only={"serviceName": ("jobs",), "actionName": runs.RUN_ACTIONS}),
            AsOf(
                key="event_run_id",
                uses="requestParams.runId",
                stored="run_lookup_keys",
                only={"serviceName": ("jobs",), "actionName": runs.REQUESTS},
            ),
        ),
        "job_status_silver": AsOf(key="jobId", stored="job_lookup_keys", since="startDate", earlier="jobId"),
        "cluster_spec_silver": AsOf(
            key="cluster_id", stored="cluster_lookup_keys", since="startDate", earlier="cluster_name"
        ),
    },
    columns=(
        Column("jobId", "bigint", "Job; of a run without a job the one that Databricks made for it."),
        Column("jobRunId", "bigint", "Run of the whole job.", nullable=False),
        Column("taskRunId", "bigint", "Run of the task; null until it starts. Of old jobs the run of the job."),
        Column(
            "runId", "bigint", "Run of the task; of a run that has no task yet, the run of the job.", nullable=False
        ),
        Column("multitaskParentRunId", "bigint", "Run of the whole job, if the run is one of its tasks'."),
        Column("parentRunId", "bigint", "Run that started this one with `dbutils.notebook.run`."),
        Column("idInJob", "bigint", "As `taskRunId`."),
        Column("taskKey", "string", "Name of the task in its job; of a job with one task that task's."),
        Column("taskDependencies", "array<string>", "Tasks that had to succeed first."),
        Column("repairId", "bigint", "Repair that the run belongs to; null: the first try."),
        Column("repair_details", runs.REPAIR_DETAILS, "The repair that the run belongs to; times in epoch ms."),
        Column("TaskRunTime", RUNTIME, "From start to end; the end's members are null while it is open."),
        Column("TaskExecutionRunTime", RUNTIME, "As `TaskRunTime`: audit logs do not tell when the compute was ready."),
        Column("startEpochMS", "bigint", "Start, epoch ms; null: not started, or its start is in no log."),
        Column("endEpochMS", "bigint", "End, epoch ms: completion, else the cancellation; null while it is open."),
        Column("submissionEpochMS", "bigint", "When the job's run was asked for or triggered, epoch ms."),
        Column("startDate", "date", "UTC day of the start; of a run without one that of its submission, else its end."),
        Column(
            "is_open",
            "boolean",
            "It has started, and neither completion nor cancellation is known.",
            nullable=False,
        ),
        Column("run_name", "string", "Name that its submission gave it, else the task's."),
        Column(
            "clusterType",
            "string",
            "`new`, `job_cluster`, `existing` or, of SQL tasks, `sqlWarehouse`; null: unknown, as of pipelines.",
        ),
        Column("taskType", "string", "What kind of task it is."),
        Column("jobTriggerType", "string", "`cron`, `manual`, `repair`, ...; null: unknown."),
        Column(
            "terminalState", "string", "How it ended: `Succeeded`, `Failed`, `Cancelled`, ...; null while it is open."
        ),
        Column("clusterId", "string", "Cluster; of a SQL task its warehouse."),
        Column("cluster_name", "string", "Name of the cluster at the start, else the key of the job cluster or task."),
        Column("existing_cluster_id", "string", "Cluster that a run without a job asked for."),
        Column(
            "jobName",
            "string",
            f"Name of the job, {_AT_START}; of a run without one the run's.",
            source=("job_status_silver.jobName",),
        ),
        _of_job("tags", "Tags"),
        _of_job("schedule", "Schedule"),
        _of_job("max_concurrent_runs", "How many runs the job may have at once"),
        _of_job("run_as_user_name", "Whose rights it has"),
        Column("timeout_seconds", "bigint", f"Limit of the run, else of the job {_AT_START}, seconds."),
        _of_job("created_by", "Who made the job"),
        _of_job("last_edited_by", "Who changed the job last"),
        Column("job_cluster_key", "string", "Key of the job cluster that its task runs on."),
        Column("job_cluster", CLUSTER_DEFINITION, "Definition of that job cluster."),
        Column("new_cluster", CLUSTER_DEFINITION, "Cluster that its task defines for itself."),
        Column("libraries", runs.LIBRARIES, "Libraries of its task."),
        Column("max_retries", "bigint", "How often its task is tried again."),
        Column("min_retry_interval_millis", "bigint", "Least time between two tries, ms."),
        Column("retry_on_timeout", "boolean", "Whether its task is tried again after a time-out."),
        Column("task_detail", runs.TASK_DETAIL, "What its task does."),
        Column("task_detail_legacy", runs.TASK_DETAIL_LEGACY, "What a run or job of the API before tasks does."),
        Column("submitRun_details", runs.SUBMIT_RUN_DETAILS, "The submission of a run without a job."),
        Column("manual_override_params", runs.MANUAL_OVERRIDE_PARAMS, "Parameters that `runNow` gave."),
        Column("workflow_context", "string", "Context of a notebook workflow, JSON."),
        Column("idempotency_token", "string", "Submissions with one token are one run."),
        Column("timeDetails", _TIME_DETAILS, "Times of its events, epoch ms, and its limit, seconds."),
        Column("requestDetails", runs.REQUEST_DETAILS, "Requests that submitted, cancelled, started and completed it."),
        _asked_for("run_lookup_keys", "Runs under which requests about it were looked up, beside the job's own"),
        _asked_for("job_lookup_keys", "Jobs whose definition was looked up"),
        _asked_for("cluster_lookup_keys", "Clusters whose name was looked up"),
    ),
)
def jobrun_silver(
    spans: DataFrame, audit_log_bronze: DataFrame, job_status_silver: DataFrame, cluster_spec_silver: DataFrame
) -> DataFrame:
    """Every run of every task, from its submission to its end.

    One row: one life of one task's run; of a job's run that has started no task, the job's run. The row of a run that
    has not started has a null start, and is replaced when it starts. A run whose submission or start is in no log is a
    row all the same. A cancellation or repair of a run of which nothing else is known makes no row: it stays in
    `audit_log_bronze`, and shows here as soon as the run is known.
    """
    events = _events(audit_log_bronze)
    found = events.groupBy("jobRunId").agg(F.collect_list("event").alias("events")).mapInArrow(runs.job_runs, runs.RUNS)
    at = F.coalesce("startTime", "submissionTime", "endTime", "cancellationTime")
    known = lookup_when(
        found.withColumn("_at", at).withColumn("_defined", F.coalesce("definedTime", at)),
        _definitions(job_status_silver),
        ["jobId"],
        "_defined",
        "timestamp",
        columns=[f"_{name}" for name in _LOOKED_UP],
        look_ahead=True,
        order=("_order", "requestId"),
        by_row=True,
    )
    clusters = cluster_spec_silver.select(
        F.col("cluster_id").alias("clusterId"), "timestamp", "sequence", "cluster_name"
    )
    known = lookup_when(
        known,
        clusters,
        ["clusterId"],
        "_at",
        "timestamp",
        columns=["cluster_name"],
        look_ahead=True,
        order=("sequence",),
    )
    return _described(known)


def _events(audit: DataFrame) -> DataFrame:
    """Events by the job's run that they are about; requests about a task's run are there under its own id."""
    own = audit.where(F.col("event_run_id").isNotNull())
    tasks = own.select(F.col("requestParams.runId").alias("_run"), F.col("event_run_id").alias("_jobRun")).where(
        F.col("_run") != F.col("_jobRun")
    )
    requests = own.where(F.col("actionName").isin(list(runs.REQUESTS)))
    about_tasks = (
        tasks.distinct().join(requests, F.col("_run") == F.col("event_run_id")).select("_jobRun", *audit.columns)
    )
    event = F.struct(
        *runs.FACTS,
        *(F.col(f"requestParams.{name}").alias(name) for name in runs.PARAMS),
        F.when(F.col("actionName") == runs.SUBMIT_RUN, F.col("value")).alias("line"),
    )
    both = own.select(F.col("event_run_id").alias("_jobRun"), *audit.columns).unionByName(about_tasks)
    return both.select(F.col("_jobRun").alias("jobRunId"), event.alias("event"))


def _definitions(jobs: DataFrame) -> DataFrame:
    """Definitions of jobs, whole. What a job of the old API does is only in the event that said it: it holds on."""
    # Of one millisecond in the order in which the definitions were made.
    ordered = jobs.withColumn("_order", F.array_position(F.array(*(F.lit(a) for a in ACTIONS)), F.col("actionName")))
    so_far = (
        Window.partitionBy("jobId")
        .orderBy("timestamp", "_order", "requestId")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    legacy = F.last("task_detail_legacy", ignorenulls=True).over(so_far)
    return ordered.select(
        *("jobId", "timestamp", "_order", "requestId"),
        *(F.col(name).alias(f"_{name}") for name in _LOOKED_UP if name != "task_detail_legacy"),
        legacy.alias("_last_legacy"),
    ).withColumn("_task_detail_legacy", F.when(F.col("_tasks").isNull(), F.col("_last_legacy")))


def _described(known: DataFrame) -> DataFrame:
    """The runs with what their job and task say."""
    submitted = F.col("submitRun_details")
    tasks = F.coalesce("_tasks", member(submitted, "tasks"))
    clusters = F.coalesce("_job_clusters", member(submitted, "job_clusters"))
    only_task = F.when(F.size(tasks) == 1, F.get(tasks, F.lit(0))["task_key"])
    with_task = known.withColumn("taskKey", F.coalesce("taskKey", only_task)).withColumn(
        "_task", F.get(F.filter(tasks, lambda task: task["task_key"] == F.col("taskKey")), F.lit(0))
    )
    task = F.col("_task")
    with_cluster = with_task.withColumn("_key", member(task, "job_cluster_key")).withColumn(
        "_cluster", F.get(F.filter(clusters, lambda cluster: cluster["job_cluster_key"] == F.col("_key")), F.lit(0))
    )
    warehouse = member(task, "sql_task", "warehouse_id")
    on_warehouse = F.col("clusterId").isNull() & warehouse.isNotNull()
    makes_clusters = member(submitted, "job_clusters").isNotNull() | member(submitted, "new_cluster").isNotNull()
    cluster_type = (
        F.when(on_warehouse, F.lit("sqlWarehouse"))
        .when(F.col("clusterType").isNotNull(), F.col("clusterType"))
        .when(makes_clusters, F.lit("new"))
    )
    run_name = F.coalesce("run_name", "taskKey")
    run_time = runtime(F.col("startTime"), F.col("endTime"))
    timeout = F.coalesce("timeout_seconds", "_timeout_seconds")
    detail = F.when(task.isNotNull(), F.struct(*(task[name].alias(name) for name in runs.TASK_DETAILS)))
    return with_cluster.select(
        *("jobId", "jobRunId", "taskRunId", "runId", "multitaskParentRunId", "parentRunId"),
        F.col("taskRunId").alias("idInJob"),
        *("taskKey", "taskDependencies", "repairId", "repair_details"),
        run_time.alias("TaskRunTime"),
        run_time.alias("TaskExecutionRunTime"),
        F.col("startTime").alias("startEpochMS"),
        F.col("endTime").alias("endEpochMS"),
        F.col("submissionTime").alias("submissionEpochMS"),
        date_of(F.col("_at")).alias("startDate"),
        "is_open",
        run_name.alias("run_name"),
        cluster_type.alias("clusterType"),
        *("taskType", "jobTriggerType", "terminalState"),
        F.coalesce("clusterId", warehouse).alias("clusterId"),
        F.coalesce("cluster_name", "_key", "taskKey").alias("cluster_name"),
        member(submitted, "existing_cluster_id").alias("existing_cluster_id"),
        F.coalesce("_jobName", run_name).alias("jobName"),
        *(F.col(f"_{c}").alias(c) for c in ("tags", "schedule", "max_concurrent_runs", "run_as_user_name")),
        timeout.alias("timeout_seconds"),
        *(F.col(f"_{c}").alias(c) for c in ("created_by", "last_edited_by")),
        F.col("_key").alias("job_cluster_key"),
        member(F.col("_cluster"), "new_cluster").alias("job_cluster"),
        *(member(task, name).alias(name) for name in ("new_cluster", "libraries", *_OF_TASK)),
        detail.alias("task_detail"),
        F.coalesce("task_detail_legacy", "_task_detail_legacy").alias("task_detail_legacy"),
        *("submitRun_details", "manual_override_params", "workflow_context", "idempotency_token"),
        F.struct(*_TIMES, timeout.alias("timeout_seconds")).alias("timeDetails"),
        "requestDetails",
        _keys(F.when(F.col("runId") != F.col("jobRunId"), F.col("runId"))).alias("run_lookup_keys"),
        _keys(F.col("jobId")).alias("job_lookup_keys"),
        _keys(F.col("clusterId")).alias("cluster_lookup_keys"),
    )


def _keys(key: SparkColumn) -> SparkColumn:
    return F.filter(F.array(key.cast("string")), lambda k: k.isNotNull())
