"""A short report on Spark applications, from the gold tables: how much ran, what failed, what was slow or skewed.

Tasks are complete, killed or failed as in `spark_metrics`, which is as Spark's own pages count them.
"""

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, functions as F

from overwatch_assets.consumer.spark_metrics import with_outcome
from overwatch_assets.contract.registry import tables
from overwatch_assets.storage.tables import TableStore

TOP = 10
_CONTEXT = ("cluster_id", "spark_context_id")
_STAGE = (*_CONTEXT, "stage_id", "stage_attempt_id")


@dataclass(frozen=True)
class Stage:
    """One stage attempt.

    Attributes:
        run_time_ms: from submission to completion; None: it is open, or its start is not known.
        tasks: task attempts.
        median_task_ms: of the tasks that succeeded, from launch to finish.
        longest_task_ms: of the same tasks.
        skew: longest over median task, the median taken as 1 ms at least; None: fewer than two tasks succeeded.
        memory_spilled_bytes: size in memory of what was spilled.
        disk_spilled_bytes: its size on disk.
    """

    cluster_id: str
    spark_context_id: str
    stage_id: int
    stage_attempt_id: int
    name: str | None
    run_time_ms: int | None
    tasks: int
    failed_tasks: int
    median_task_ms: float | None
    longest_task_ms: int | None
    skew: float | None
    memory_spilled_bytes: int
    disk_spilled_bytes: int
    failure: str | None


@dataclass(frozen=True)
class Total:
    """How many there are of something; those that are open have no end in the logs yet."""

    all: int
    failed: int
    open: int


@dataclass(frozen=True)
class SparkReport:
    """What ran. An application is one Spark context."""

    applications: int
    executors: int
    sql_executions: Total
    jobs: Total
    stages: Total
    tasks: Total
    killed_tasks: int
    memory_spilled_bytes: int
    disk_spilled_bytes: int
    task_failures: tuple[tuple[str, int], ...]
    slowest_stages: tuple[Stage, ...]
    most_skewed_stages: tuple[Stage, ...]


def spark_report(store: TableStore, *, top: int = TOP) -> SparkReport:
    """Report on all applications of a workspace.

    Raises:
        StorageError: a stored table is not what its contract says.
    """
    gold = {n: store.read(tables()[f"spark{n}_gold"]) for n in ("job", "stage", "task", "execution", "executor")}
    jobs = _totals(
        store,
        gold["job"],
        failed=F.col("job_result.Result") != "JobSucceeded",
        is_open=F.col("job_runtime.endEpochMS").isNull(),
    )
    executions = _totals(
        store,
        gold["execution"],
        failed=F.col("error_message") != "",
        is_open=F.col("sql_execution_runtime.endEpochMS").isNull(),
    )
    executors = _totals(
        store,
        gold["executor"],
        failed=F.lit(0) == 1,
        is_open=F.col("executor_alivetime.RemovedEpochMS").isNull(),
    )
    stages = store.arrow(_stages(gold["stage"], gold["task"]))
    contexts = {c for _, seen in (jobs, executions, executors) for c in seen}
    contexts |= set(zip(*(stages.column(c).to_pylist() for c in _CONTEXT), strict=True))
    by_stage = stages.filter(pc.is_valid(stages.column("is_open")))
    return SparkReport(
        applications=len(contexts),
        executors=executors[0].all,
        sql_executions=executions[0],
        jobs=jobs[0],
        stages=Total(
            by_stage.num_rows,
            by_stage.num_rows - by_stage.column("failure").null_count,
            _sum(by_stage, "is_open"),
        ),
        tasks=Total(_sum(stages, "tasks"), _sum(stages, "failed_tasks"), _sum(stages, "open_tasks")),
        killed_tasks=_sum(stages, "killed_tasks"),
        memory_spilled_bytes=_sum(stages, "memory_spilled_bytes"),
        disk_spilled_bytes=_sum(stages, "disk_spilled_bytes"),
        task_failures=_failures(store, gold["task"], top) if _sum(stages, "failed_tasks") else (),
        slowest_stages=_top(stages, "run_time_ms", top),
        most_skewed_stages=_top(stages, "skew", top),
    )


def _totals(
    store: TableStore, rows: DataFrame, *, failed: Column, is_open: Column
) -> tuple[Total, set[tuple[str, str]]]:
    counted = store.arrow(
        rows.groupBy(*_CONTEXT).agg(
            F.count(F.lit(1)).alias("all"),
            F.sum(_one(failed)).alias("failed"),
            F.sum(_one(is_open)).alias("open"),
        )
    )
    contexts = set(zip(*(counted.column(c).to_pylist() for c in _CONTEXT), strict=True))
    return Total(_sum(counted, "all"), _sum(counted, "failed"), _sum(counted, "open")), contexts


def _stages(stages: DataFrame, tasks: DataFrame) -> DataFrame:
    """One row for each stage attempt that has a stage row or tasks."""
    lasted = F.when(F.col("_complete") == 1, F.col("task_runtime.runTimeMS"))
    of_tasks = (
        with_outcome(tasks)
        .groupBy(*_STAGE)
        .agg(
            F.count(F.lit(1)).alias("tasks"),
            F.sum("_failed").alias("failed_tasks"),
            F.sum("_killed").alias("killed_tasks"),
            F.sum("_open").alias("open_tasks"),
            F.count(lasted).alias("_succeeded"),
            F.percentile(lasted, F.lit(0.5)).cast("double").alias("median_task_ms"),
            F.max(lasted).alias("longest_task_ms"),
            F.sum("task_metrics.MemoryBytesSpilled").alias("memory_spilled_bytes"),
            F.sum("task_metrics.DiskBytesSpilled").alias("disk_spilled_bytes"),
        )
    )
    of_stages = stages.select(
        *_STAGE,
        F.col("stage_info.StageName").alias("name"),
        F.col("stage_runtime.runTimeMS").alias("run_time_ms"),
        F.col("stage_info.FailureReason").alias("failure"),
        _one(F.col("stage_runtime.endEpochMS").isNull()).alias("is_open"),
    )
    longest, median = F.col("longest_task_ms").cast("double"), F.greatest("median_task_ms", F.lit(1.0))
    return (
        of_stages.join(of_tasks, list(_STAGE), "full")
        .withColumn("skew", F.when(F.col("_succeeded") > 1, longest / median))
        .drop("_succeeded")
    )


def _failures(store: TableStore, tasks: DataFrame, top: int) -> tuple[tuple[str, int], ...]:
    """Say why tasks failed, most frequent first: the reason, of exceptions their class.

    A task that ended and was run again, because what it had made was lost, failed as `Resubmitted`, however it ended.
    """
    why = F.coalesce("task_end_reason.ClassName", "task_end_reason.Reason", F.lit("unknown"))
    own, again = F.sum(F.col("_failed") - F.col("resubmissions")), F.sum("resubmissions")
    failed = with_outcome(tasks).where(F.col("_failed") > 0)
    counted: Counter[str] = Counter()
    for row in store.arrow(failed.groupBy(why.alias("why")).agg(own.alias("own"), again.alias("again"))).to_pylist():
        counted[row["why"]] += row["own"]
        counted["Resubmitted"] += row["again"]
    return tuple(sorted((+counted).items(), key=lambda each: (-each[1], each[0]))[:top])


def _one(condition: Column) -> Column:
    return F.when(condition, F.lit(1)).otherwise(F.lit(0)).cast("bigint")


def _sum(rows: pa.Table, column: str) -> int:
    return int(pc.sum(rows.column(column)).as_py() or 0)


def _top(stages: pa.Table, by: str, top: int) -> tuple[Stage, ...]:
    known = stages.filter(pc.is_valid(stages.column(by)))
    order = [(by, "descending"), *((name, "ascending") for name in _STAGE)]
    rows = known.sort_by(order).slice(0, top).to_pylist()
    return tuple(
        Stage(
            cluster_id=r["cluster_id"],
            spark_context_id=r["spark_context_id"],
            stage_id=r["stage_id"],
            stage_attempt_id=r["stage_attempt_id"],
            name=r["name"],
            run_time_ms=r["run_time_ms"],
            tasks=r["tasks"] or 0,
            failed_tasks=r["failed_tasks"] or 0,
            median_task_ms=r["median_task_ms"],
            longest_task_ms=r["longest_task_ms"],
            skew=None if r["skew"] is None else round(r["skew"], 3),
            memory_spilled_bytes=r["memory_spilled_bytes"] or 0,
            disk_spilled_bytes=r["disk_spilled_bytes"] or 0,
            failure=r["failure"],
        )
        for r in rows
    )
