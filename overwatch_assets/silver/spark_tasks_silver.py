"""Module 2008: tasks of Spark stages."""

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.contract import Column, Events, Fold, table
from overwatch_assets.rules import spark_events as spark
from overwatch_assets.rules.names import scrubbed
from overwatch_assets.rules.spark_fold import (
    CONTEXT,
    CONTEXT_COLUMNS,
    event_log_columns,
    is_event,
    run_time,
    run_time_columns,
)

_ENTITY = (*CONTEXT, "StageID", "StageAttemptID")  # coarser than a row: change records count stages, not tasks
_TASK = (*_ENTITY, "_task")
_INFO = (
    "Accumulables",
    "Failed",
    "FinishTime",
    "GettingResultTime",
    "Host",
    "Index",
    "Killed",
    "LaunchTime",
    "Locality",
    "PartitionID",
    "Speculative",
)
_INFO_TYPE = (
    f"struct<Accumulables:{scrubbed(spark.ACCUMULABLES)},Failed:boolean,FinishTime:bigint,GettingResultTime:bigint,"
    "Host:string,Index:bigint,Killed:boolean,LaunchTime:bigint,Locality:string,PartitionID:bigint,Speculative:boolean>"
)


@table(
    module_id=2008,
    module_name="Silver_SPARK_Tasks",
    rebuild=Fold(batch_rows=200_000),
    entity=_ENTITY,
    keys=(*CONTEXT, "StageID", "StageAttemptID", "TaskID", "TaskAttempt", "ExecutorID", "Host", "startTimestamp"),
    partition="startDate",
    inputs={"spark_events_bronze": Events(key=_ENTITY, only={"Event": (spark.TASK_START, spark.TASK_END)})},
    columns=(
        *CONTEXT_COLUMNS,
        Column("StageID", "bigint", "Stage.", source=("spark_events_bronze.StageID",), nullable=False),
        Column(
            "StageAttemptID",
            "bigint",
            "Attempt of the stage.",
            source=("spark_events_bronze.StageAttemptID",),
            nullable=False,
        ),
        Column("TaskID", "bigint", "Task, unique in its Spark context.", nullable=False),
        Column("TaskAttempt", "bigint", "Attempt of the task's partition."),
        Column("ExecutorID", "string", "Executor that ran it; `driver` is one too."),
        Column("Host", "string", "Host of the executor."),
        *event_log_columns(),
        Column(
            "TaskEndReason",
            scrubbed(spark.TASK_END_REASON),
            "How it ended; null while it is open.",
            source=("spark_events_bronze.TaskEndReason",),
        ),
        Column(
            "TaskMetrics",
            scrubbed(spark.TASK_METRICS),
            "What it used: ms, ns of CPU time, bytes, records.",
            source=("spark_events_bronze.TaskMetrics",),
        ),
        Column("TaskType", "string", "ShuffleMapTask or ResultTask.", source=("spark_events_bronze.TaskType",)),
        Column(
            "TaskExecutorMetrics",
            spark.EXECUTOR_METRICS,
            "Peaks of its executor while it ran, bytes and ms.",
            source=("spark_events_bronze.TaskExecutorMetrics",),
        ),
        Column("TaskInfo", _INFO_TYPE, "The task, from its end event; while it is open, from its start event."),
        *run_time_columns("TaskRunTime", "launch to finish"),
    ),
)
def spark_tasks_silver(spans: DataFrame, spark_events_bronze: DataFrame) -> DataFrame:
    """Every attempt of every task, from its launch to its finish.

    One row: one task attempt. An end event repeats all that its start event said, so starts matter only for tasks that
    have not ended; nothing is joined for the others.
    """
    events = spark_events_bronze.withColumn("_task", F.col("TaskInfo.TaskID")).where(F.col("_task").isNotNull())
    ends = _one_end_each(events.where(is_event(spark.TASK_END)))
    ended = ends.select(*_TASK)
    started = events.where(is_event(spark.TASK_START))
    open_tasks = _one_each(started.select(*_TASK, "TaskInfo", "filenameGroup", "lineHash"), "lineHash").join(
        ended, list(_TASK), "leftanti"
    )
    info = F.col("TaskInfo")
    common = [
        *_ENTITY,
        F.col("_task").alias("TaskID"),
        info["Attempt"].alias("TaskAttempt"),
        info["ExecutorID"].alias("ExecutorID"),
        info["Host"].alias("Host"),
    ]
    details = F.struct(*(info[name].alias(name) for name in _INFO)).alias("TaskInfo")
    copied = ("TaskEndReason", "TaskMetrics", "TaskType", "TaskExecutorMetrics")
    kinds = {c.name: c.type for c in spark_tasks_silver.columns}
    finished = ends.select(
        *common,
        F.col("filenameGroup").alias("startFilenameGroup"),
        F.col("filenameGroup").alias("endFilenameGroup"),
        *copied,
        details,
        *run_time("TaskRunTime", info["LaunchTime"], _positive(info["FinishTime"])),
    )
    still_open = open_tasks.select(
        *common,
        F.col("filenameGroup").alias("startFilenameGroup"),
        F.lit(None).cast(kinds["endFilenameGroup"]).alias("endFilenameGroup"),
        *(F.lit(None).cast(kinds[name]).alias(name) for name in copied),
        details,
        *run_time("TaskRunTime", info["LaunchTime"], F.lit(None).cast("bigint")),
    )
    return finished.unionByName(still_open)


def _positive(ms: SparkColumn) -> SparkColumn:
    """Spark writes 0 for a time that is not known."""
    return F.when(ms > 0, ms)


def _one_end_each(ends: DataFrame) -> DataFrame:
    """One end for each task: a map task whose executor is lost after it succeeded gets a second one, `Resubmitted`."""
    order = F.struct(
        (F.col("TaskEndReason.Reason") == "Resubmitted").cast("int").alias("resubmitted"),
        F.col("TaskInfo.FinishTime").alias("finished"),
        F.col("lineHash").alias("hash"),
    )
    doubled = (
        ends.groupBy(*_TASK)
        .agg(F.count(F.lit(1)).alias("_ends"), F.min(order).alias("_first"))
        .where(F.col("_ends") > 1)
        .select(*_TASK, F.col("_first.hash").alias("_kept"))
    )
    # The few doubled ones on the left: a hash join holds that side in memory.
    marked = doubled.join(ends, list(_TASK), "right")
    return marked.where(F.col("_kept").isNull() | (F.col("_kept") == F.col("lineHash"))).drop("_kept")


def _one_each(starts: DataFrame, order: str) -> DataFrame:
    folded = starts.groupBy(*_TASK).agg(
        F.min_by("TaskInfo", order).alias("TaskInfo"), F.min_by("filenameGroup", order).alias("filenameGroup")
    )
    return folded.select(*_TASK, "TaskInfo", "filenameGroup")
