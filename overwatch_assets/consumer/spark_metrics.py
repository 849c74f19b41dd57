"""What Spark's own UI says of stages, jobs, executors and SQL executions, from the Spark gold tables.

Each function takes gold tables, or their views, of any number of workspaces and returns a frame. Times are epoch ms,
lengths ms, but CPU and shuffle-write times are ns, as Spark has them; sizes are bytes. The definitions are those of
Spark's status store, which the tests compare them with: a task is complete when it ended with `Success`, killed when it
ended with `TaskKilled` or `TaskCommitDenied`, and failed when it ended otherwise; a resubmission is one more failure.
"""

from pyspark.sql import Column, DataFrame, functions as F

CONTEXT = ("organization_id", "cluster_id", "spark_context_id")
_STAGE = (*CONTEXT, "stage_id", "stage_attempt_id")
_JOB = (*CONTEXT, "job_id")

TASK_METRICS = {
    "executor_deserialize_time": "ExecutorDeserializeTime",
    "executor_deserialize_cpu_time": "ExecutorDeserializeCPUTime",
    "executor_run_time": "ExecutorRunTime",
    "executor_cpu_time": "ExecutorCPUTime",
    "result_size": "ResultSize",
    "jvm_gc_time": "JVMGCTime",
    "result_serialization_time": "ResultSerializationTime",
    "memory_bytes_spilled": "MemoryBytesSpilled",
    "disk_bytes_spilled": "DiskBytesSpilled",
    "peak_execution_memory": "PeakExecutionMemory",
    "input_bytes": "InputMetrics.BytesRead",
    "input_records": "InputMetrics.RecordsRead",
    "output_bytes": "OutputMetrics.BytesWritten",
    "output_records": "OutputMetrics.RecordsWritten",
    "shuffle_remote_blocks_fetched": "ShuffleReadMetrics.RemoteBlocksFetched",
    "shuffle_local_blocks_fetched": "ShuffleReadMetrics.LocalBlocksFetched",
    "shuffle_fetch_wait_time": "ShuffleReadMetrics.FetchWaitTime",
    "shuffle_remote_bytes_read": "ShuffleReadMetrics.RemoteBytesRead",
    "shuffle_remote_bytes_read_to_disk": "ShuffleReadMetrics.RemoteBytesReadToDisk",
    "shuffle_local_bytes_read": "ShuffleReadMetrics.LocalBytesRead",
    "shuffle_read_records": "ShuffleReadMetrics.TotalRecordsRead",
    "shuffle_write_bytes": "ShuffleWriteMetrics.ShuffleBytesWritten",
    "shuffle_write_time": "ShuffleWriteMetrics.ShuffleWriteTime",
    "shuffle_write_records": "ShuffleWriteMetrics.ShuffleRecordsWritten",
}
"""Member of `task_metrics` per measure."""


def task_metric(name: str) -> Column:
    """A measure of a task, by its name in `TASK_METRICS`; 0 where the task ended without saying."""
    return F.coalesce(F.col(f"task_metrics.{TASK_METRICS[name]}"), F.lit(0))


def stage_metrics(stages: DataFrame, tasks: DataFrame) -> DataFrame:
    """State, task counts and summed task metrics of every stage attempt. One row: one row of ``stages``.

    Args:
        stages: sparkstage_gold or its view.
        tasks: sparktask_gold or its view.

    Returns:
        the key, `status` (ACTIVE, COMPLETE, FAILED, SKIPPED), `failure_reason`, `num_tasks` (as planned),
        `submission_time`, `first_task_launched_time`, `completion_time`, `num_active_tasks`, `num_complete_tasks`,
        `num_failed_tasks`, `num_killed_tasks`, `num_completed_indices`, and a sum for each of `TASK_METRICS`.
        Sums are over all attempts of its tasks that have ended, failed and killed ones included.
    """
    counted = (
        with_outcome(tasks)
        .groupBy(*_STAGE)
        .agg(
            F.min("unixTimeMS").alias("first_task_launched_time"),
            *_counts("num_complete_tasks"),
            F.count_distinct(F.when(F.col("_complete") == 1, F.col("task_info.Index"))).alias("_indices"),
            *(F.sum(task_metric(name)).alias(name) for name in TASK_METRICS),
        )
    )
    info = F.col("stage_info")
    named = stages.select(
        *_STAGE,
        _stage_status().alias("status"),
        info["FailureReason"].alias("failure_reason"),
        info["NumberofTasks"].alias("num_tasks"),
        info["SubmissionTime"].alias("submission_time"),
        info["CompletionTime"].alias("completion_time"),
    )
    zero = ("num_active_tasks", "num_complete_tasks", "num_failed_tasks", "num_killed_tasks", *TASK_METRICS)
    return named.join(counted, list(_STAGE), "left").select(
        *named.columns,
        "first_task_launched_time",
        F.coalesce("_indices", F.lit(0)).cast("bigint").alias("num_completed_indices"),
        *(F.coalesce(name, F.lit(0)).cast("bigint").alias(name) for name in zero),
    )


def job_status(jobs: DataFrame, stages: DataFrame, tasks: DataFrame) -> DataFrame:
    """State and task and stage counts of every job. One row: one row of ``jobs``.

    A stage id may be in several jobs: a stage attempt counts for those that run while it does, and of its tasks, for a
    job that came later, those that end after the job's submission. What it planned and did not run is skipped
    once it has ended: also the first attempt of a stage that only a later one computed again.

    Args:
        jobs: sparkjob_gold or its view.
        stages: sparkstage_gold or its view.
        tasks: sparktask_gold or its view.

    Returns:
        the key, `status` (RUNNING, SUCCEEDED, FAILED), `submission_time`, `completion_time`, `num_tasks` (as planned,
        without stages that had been computed before), `num_active_tasks`, `num_completed_tasks`, `num_skipped_tasks`,
        `num_failed_tasks`, `num_killed_tasks`, `num_completed_indices`, `num_active_stages`, `num_completed_stages`,
        `num_skipped_stages`, `num_failed_stages`.
    """
    result = F.col("job_result.Result")
    known = jobs.select(
        *_JOB,
        F.when(F.col("job_result").isNull(), "RUNNING")
        .when(result == "JobSucceeded", "SUCCEEDED")
        .otherwise("FAILED")
        .alias("status"),
        F.col("job_runtime.startEpochMS").alias("submission_time"),
        F.col("job_runtime.endEpochMS").alias("completion_time"),
        "stage_ids",
        "stage_infos",
    )
    attempts = _attempts_of_jobs(known, stages)
    per_stage = attempts.groupBy(*_JOB, "stage_id").agg(
        F.max_by("_status", "stage_attempt_id").alias("_latest"),
        F.sum((F.col("_status") == "FAILED").cast("bigint")).alias("_failed"),
        F.collect_set(_attempt(F.col("stage_id"), F.col("stage_attempt_id"))).alias("_attempts"),
    )
    of_stages = per_stage.groupBy(*_JOB).agg(
        F.sum((F.col("_latest") == "ACTIVE").cast("bigint")).alias("num_active_stages"),
        F.sum((F.col("_latest") == "COMPLETE").cast("bigint")).alias("num_completed_stages"),
        F.sum("_failed").alias("num_failed_stages"),
        F.flatten(F.collect_list("_attempts")).alias("_ran"),
    )
    ended_in_time = F.coalesce(F.col("task_runtime.endEpochMS") >= F.col("submission_time"), F.lit(True))
    of_tasks = (
        with_outcome(tasks)
        .join(attempts.select(*_JOB, "stage_id", "stage_attempt_id", "submission_time"), list(_STAGE))
        .where(ended_in_time)
        .groupBy(*_JOB)
        .agg(
            *_counts("num_completed_tasks"),
            F.count_distinct(
                F.when(F.col("_complete") == 1, F.struct(F.col("stage_id"), F.col("task_info.Index")))
            ).alias("num_completed_indices"),
        )
    )
    joined = known.join(of_stages, list(_JOB), "left").join(of_tasks, list(_JOB), "left")
    ran = F.coalesce("_ran", F.array().cast("array<string>"))
    planned = F.filter("stage_infos", lambda s: s["CompletionTime"].isNull())
    left_out = F.filter(
        "stage_infos", lambda s: ~F.array_contains(F.col("_ran"), _attempt(s["StageID"], s["StageAttemptID"]))
    )
    skipped = F.when(F.col("completion_time").isNotNull(), left_out)
    zero = (
        "num_active_tasks",
        "num_completed_tasks",
        "num_failed_tasks",
        "num_killed_tasks",
        "num_completed_indices",
        "num_active_stages",
        "num_completed_stages",
        "num_failed_stages",
    )
    return joined.withColumn("_ran", ran).select(
        *_JOB,
        "status",
        "submission_time",
        "completion_time",
        _tasks_of(planned).alias("num_tasks"),
        F.coalesce(_tasks_of(skipped), F.lit(0)).alias("num_skipped_tasks"),
        F.when(skipped.isNull(), 0).otherwise(F.size(skipped)).cast("bigint").alias("num_skipped_stages"),
        *(F.coalesce(name, F.lit(0)).cast("bigint").alias(name) for name in zero),
    )


def executor_totals(executors: DataFrame, tasks: DataFrame) -> DataFrame:
    """Task counts, time and bytes of every executor. One row: one row of ``executors``.

    Args:
        executors: sparkexecutor_gold or its view.
        tasks: sparktask_gold or its view.

    Returns:
        the key, `host`, `total_cores`, `add_time`, `remove_time` (null while it lives and where the application ended
        before it), `remove_reason`, `total_tasks`, `num_active_tasks`, `num_completed_tasks`, `num_failed_tasks`,
        `num_killed_tasks`, `total_duration`, `total_gc_time`, `total_input_bytes`, `total_shuffle_read`,
        `total_shuffle_write`. An executor's tasks are those launched in its life.
    """
    key = (*CONTEXT, "executor_id", "add_time")
    alive = F.col("executor_alivetime")
    named = executors.select(
        *CONTEXT,
        "executor_id",
        F.col("executor_info.Host").alias("host"),
        F.col("executor_info.TotalCores").alias("total_cores"),
        alive["AddedEpochMS"].alias("add_time"),
        F.when(~F.col("ended_by_application"), alive["RemovedEpochMS"]).alias("remove_time"),
        F.col("removed_reason").alias("remove_reason"),
    )
    lives = named.select(*key, "remove_time")
    ran = F.col("task_runtime.runTimeMS") * (F.lit(1) + F.col("resubmissions"))
    read = task_metric("shuffle_remote_bytes_read") + task_metric("shuffle_local_bytes_read")
    measures = {
        "total_duration": ran,
        "total_gc_time": task_metric("jvm_gc_time"),
        "total_input_bytes": task_metric("input_bytes"),
        "total_shuffle_read": read,
        "total_shuffle_write": task_metric("shuffle_write_bytes"),
    }
    own = with_outcome(tasks).withColumn("executor_id", F.col("executor"))
    in_life = (F.coalesce("add_time", F.lit(0)) <= F.col("unixTimeMS")) & (
        F.col("remove_time").isNull() | (F.col("unixTimeMS") <= F.col("remove_time"))
    )
    counted = (
        own.join(lives, [*CONTEXT, "executor_id"])
        .where(in_life)
        .withColumn("add_time", F.coalesce("add_time", F.lit(-1)))
        .groupBy(*key)
        .agg(
            F.count(F.lit(1)).alias("total_tasks"),
            *_counts("num_completed_tasks"),
            *(F.sum(value).alias(name) for name, value in measures.items()),
        )
    )
    zero = [c for c in counted.columns if c not in key]
    matched = named.withColumn("_life", F.coalesce("add_time", F.lit(-1))).join(
        counted.withColumnRenamed("add_time", "_life"), [*CONTEXT, "executor_id", "_life"], "left"
    )
    return matched.select(*named.columns, *(F.coalesce(name, F.lit(0)).cast("bigint").alias(name) for name in zero))


def execution_status(executions: DataFrame, jobs: DataFrame) -> DataFrame:
    """State and jobs of every SQL execution. One row: one row of ``executions``.

    Args:
        executions: sparkexecution_gold or its view.
        jobs: sparkjob_gold or its view.

    Returns:
        the key, `status` (RUNNING, COMPLETED, FAILED), `submission_time`, `duration` (null while it runs),
        `running_job_ids`, `success_job_ids`, `failed_job_ids`. An execution that does not say whether it failed
        (Spark before 3.4) failed if one of its jobs did.
    """
    key = (*CONTEXT, "execution_id")
    result = F.col("job_result.Result")

    def ids(which: Column) -> Column:
        return F.array_sort(F.collect_set(F.when(which, F.col("job_id"))))

    running = F.col("job_result").isNull()
    of_jobs = (
        jobs.withColumn("execution_id", F.col("execution_id").try_cast("bigint"))
        .where(F.col("execution_id").isNotNull())
        .groupBy(*key)
        .agg(
            ids(running).alias("running_job_ids"),
            ids(result == "JobSucceeded").alias("success_job_ids"),
            ids(~running & (F.coalesce(result, F.lit("")) != "JobSucceeded")).alias("failed_job_ids"),
        )
    )
    none = F.array().cast("array<bigint>")
    lists = ("running_job_ids", "success_job_ids", "failed_job_ids")
    span, error = F.col("sql_execution_runtime"), F.col("error_message")
    joined = executions.select(
        *key, span["startEpochMS"].alias("submission_time"), span["endEpochMS"].alias("_end"), error
    ).join(of_jobs, list(key), "left")
    return joined.select(
        *key,
        F.when(error == "", "COMPLETED")
        .when(error.isNotNull(), "FAILED")
        .when(F.col("_end").isNull(), "RUNNING")
        .when(F.size(F.coalesce("failed_job_ids", none)) > 0, "FAILED")
        .otherwise("COMPLETED")
        .alias("status"),
        "submission_time",
        (F.col("_end") - F.col("submission_time")).alias("duration"),
        *(F.coalesce(name, none).alias(name) for name in lists),
    )


def with_outcome(tasks: DataFrame) -> DataFrame:
    """Add to tasks `_open`, `_complete` and `_killed`, 0 or 1 each, and `_failed`, how often they failed."""
    reason = F.col("task_end_reason.Reason")
    is_open = F.col("task_end_reason").isNull()
    complete = F.coalesce(reason == "Success", F.lit(False))
    killed = F.coalesce(reason.isin("TaskKilled", "TaskCommitDenied"), F.lit(False))
    failed = (~is_open & ~complete & ~killed).cast("bigint") + F.col("resubmissions")
    return (
        tasks.withColumn("_open", is_open.cast("bigint"))
        .withColumn("_complete", complete.cast("bigint"))
        .withColumn("_killed", killed.cast("bigint"))
        .withColumn("_failed", failed)
    )


def _counts(complete: str) -> list[Column]:
    return [
        F.sum("_open").alias("num_active_tasks"),
        F.sum("_complete").alias(complete),
        F.sum("_failed").alias("num_failed_tasks"),
        F.sum("_killed").alias("num_killed_tasks"),
    ]


def _stage_status() -> Column:
    info = F.col("stage_info")
    return (
        F.when(info["FailureReason"].isNotNull(), "FAILED")
        .when(info["CompletionTime"].isNull(), "ACTIVE")
        .when(info["SubmissionTime"].isNull(), "SKIPPED")
        .otherwise("COMPLETE")
    )


def _attempts_of_jobs(jobs: DataFrame, stages: DataFrame) -> DataFrame:
    """The stage attempts that ran for each job: submitted while it ran, or still running when it was submitted."""
    asked = jobs.select(*_JOB, "submission_time", "completion_time", F.explode("stage_ids").alias("stage_id"))
    info = F.col("stage_info")
    attempts = stages.select(
        *_STAGE,
        _stage_status().alias("_status"),
        info["SubmissionTime"].alias("_from"),
        info["CompletionTime"].alias("_until"),
    ).where(F.col("_status") != "SKIPPED")
    within = F.coalesce(F.col("_until") >= F.col("submission_time"), F.lit(True)) & F.coalesce(
        F.col("_from") <= F.col("completion_time"), F.lit(True)
    )
    return asked.join(attempts, [*CONTEXT, "stage_id"]).where(within)


def _attempt(stage: Column, attempt: Column) -> Column:
    """A stage attempt, as text."""
    return F.concat_ws(".", stage.cast("string"), F.coalesce(attempt, F.lit(0)).cast("string"))


def _tasks_of(stage_infos: Column) -> Column:
    """Planned tasks of these stages."""
    return F.aggregate(
        stage_infos, F.lit(0).cast("bigint"), lambda so_far, s: so_far + F.coalesce(s["NumberofTasks"], F.lit(0))
    )
