"""Module 2008: tasks of Spark stages."""

from pyspark.sql import DataFrame, functions as F

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
from overwatch_assets.rules.spark_time import date_of

_ENTITY = (*CONTEXT, "StageID", "StageAttemptID")  # coarser than a row: change records count stages, not tasks
_TASK = (*_ENTITY, "TaskID")
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
    rebuild=Fold(batch_rows=60_000),
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
        Column(
            "Resubmissions",
            "bigint",
            "How often its output was lost with its executor after it had ended, and had to be made again.",
            nullable=False,
        ),
        *run_time_columns("TaskRunTime", "launch to finish"),
    ),
)
def spark_tasks_silver(spans: DataFrame, spark_events_bronze: DataFrame) -> DataFrame:
    """Every attempt of every task, from its launch to its finish.

    One row: one task attempt. An end event repeats all that its start event said, so starts matter only for tasks that
    have not ended; nothing is joined for the others.
    """
    events = spark_events_bronze.where(F.col("TaskID").isNotNull())
    info, ended = F.col("TaskInfo"), is_event(spark.TASK_END)
    return _one_each(events).select(
        *_TASK,
        info["Attempt"].alias("TaskAttempt"),
        info["ExecutorID"].alias("ExecutorID"),
        info["Host"].alias("Host"),
        F.col("filenameGroup").alias("startFilenameGroup"),
        F.when(ended, F.col("filenameGroup")).alias("endFilenameGroup"),
        "TaskEndReason",
        "TaskMetrics",
        "TaskType",
        "TaskExecutorMetrics",
        F.struct(*(info[name].alias(name) for name in _INFO)).alias("TaskInfo"),
        F.coalesce("_resubmissions", F.lit(0)).cast("bigint").alias("Resubmissions"),
        *run_time(
            "TaskRunTime",
            info["LaunchTime"],
            F.when(info["FinishTime"] > 0, info["FinishTime"]),
            # Of narrow columns: the days are asked for before the rows are written. A record's own day is its end's.
            day=spark.first_known(date_of(F.col("TaskLaunchTime")), F.col("date")),
        ),
    )


def _one_each(events: DataFrame) -> DataFrame:
    """The event that tells of each task: its end, or its start while it has none; and how often it was resubmitted.

    A map task whose executor is lost after it succeeded gets another end, `Resubmitted`, while its stage still runs.
    Nearly all tasks have one end: only the others are looked for, by counting, and joined from the left, because a hash
    join holds that side in memory.
    """
    ended = is_event(spark.TASK_END)
    ends = F.sum(ended.cast("int"))
    unusual = events.groupBy(*_TASK).agg(ends.alias("_ends")).where(F.col("_ends") != 1)
    resubmitted = F.coalesce((F.col("TaskEndReason.Reason") == "Resubmitted").cast("int"), F.lit(0))
    order = F.struct(
        resubmitted.alias("resubmitted"),
        F.col("TaskInfo.FinishTime").alias("finished"),
        F.col("lineHash").alias("hash"),
    )
    others = (
        events.join(unusual, list(_TASK), "leftsemi")
        .groupBy(*_TASK)
        .agg(
            F.sum(F.when(ended, resubmitted).otherwise(0)).alias("_all"),
            F.min(F.when(ended, order)).alias("_end"),
            F.min(F.when(~ended, F.col("lineHash"))).alias("_start"),
        )
        .select(
            *_TASK,
            F.coalesce(F.col("_end.hash"), F.col("_start")).alias("_told_by"),
            (F.col("_all") - F.col("_end.resubmitted")).alias("_resubmissions"),
        )
    )
    told_by = F.col("_told_by")
    return others.join(events, list(_TASK), "right").where(
        F.when(told_by.isNull(), ended).otherwise(told_by == F.col("lineHash"))
    )
