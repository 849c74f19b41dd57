"""Module 3012: tasks, for queries."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Fold, Linked, View, table
from overwatch_assets.rules.renamed import Renamed, values_of
from overwatch_assets.rules.spark_gold import KEY, common_values, contract_of
from overwatch_assets.silver.spark_tasks_silver import spark_tasks_silver as SILVER

_COLUMNS = (
    Renamed("task_id", "TaskID", "Task, unique in its Spark context.", nullable=False),
    Renamed("task_attempt_id", "TaskAttempt", "Attempt of the task's partition."),
    Renamed("stage_id", "StageID", "Stage.", nullable=False),
    Renamed("stage_attempt_id", "StageAttemptID", "Attempt of the stage.", nullable=False),
    Renamed("executor", "ExecutorID", "Executor as text; `driver` is one too."),
    Renamed("host", "Host", "Host of the executor."),
    Renamed("task_runtime", "TaskRunTime", "From launch to finish."),
    Renamed("task_metrics", "TaskMetrics", "What it used: ms, ns of CPU time, bytes, records."),
    Renamed("task_executor_metrics", "TaskExecutorMetrics", "Peaks of its executor while it ran."),
    Renamed("task_info", "TaskInfo", "The task's details."),
    Renamed("task_type", "TaskType", "ShuffleMapTask or ResultTask."),
    Renamed("task_end_reason", "TaskEndReason", "How it ended; null while it is open."),
    Renamed("resubmissions", "Resubmissions", "How often its output was lost after it had ended.", nullable=False),
)


@table(
    module_id=3012,
    module_name="Gold_SparkTask",
    rebuild=Fold(batch_rows=40_000),
    entity=(*KEY, "stage_id", "stage_attempt_id"),
    keys=(*KEY, "stage_id", "stage_attempt_id", "task_id", "task_attempt_id", "executor", "host", "unixTimeMS"),
    partition="date",
    z_order=("cluster_id",),
    inputs={"spark_tasks_silver": Linked(("clusterId", "SparkContextID", "StageID", "StageAttemptID"))},
    view=View(
        "sparkTask",
        (
            "organization_id",
            "workspace_name",
            "spark_context_id",
            "task_id",
            "task_attempt_id",
            "stage_id",
            "stage_attempt_id",
            "cluster_id",
            "executor_id",
            "host",
            "unixTimeMS",
            "timestamp",
            "date",
            "task_runtime",
            "task_metrics",
            "task_info",
            "task_type",
            "task_end_reason",
            "event_log_start",
            "event_log_end",
            "executor",
            "resubmissions",
        ),
    ),
    columns=(
        *contract_of(SILVER, _COLUMNS),
        Column("executor_id", "bigint", "Executor as a number, as Overwatch had it; null for `driver`."),
    ),
)
def sparktask_gold(spans: DataFrame, spark_tasks_silver: DataFrame) -> DataFrame:
    """Every attempt of every task. One row: one task attempt."""
    return spark_tasks_silver.select(
        *common_values(), *values_of(_COLUMNS), F.col("ExecutorID").try_cast("bigint").alias("executor_id")
    )
