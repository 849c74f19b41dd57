"""What the recorded logs (see history_server/) do not have, or where Spark's own count is not to be followed."""

from functools import cached_property
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession, functions as F

from overwatch_assets.consumer.spark_metrics import execution_status, executor_totals, job_status, stage_metrics
from overwatch_assets.contract import Table
from overwatch_assets.gold.sparkexecution_gold import sparkexecution_gold
from overwatch_assets.gold.sparkexecutor_gold import sparkexecutor_gold
from overwatch_assets.gold.sparkjob_gold import sparkjob_gold
from overwatch_assets.gold.sparkstage_gold import sparkstage_gold
from overwatch_assets.gold.sparktask_gold import sparktask_gold
from overwatch_assets.silver.cluster_spec_silver import cluster_spec_silver
from overwatch_assets.silver.spark_executions_silver import spark_executions_silver
from overwatch_assets.silver.spark_executors_silver import spark_executors_silver
from overwatch_assets.silver.spark_jobs_silver import spark_jobs_silver
from overwatch_assets.silver.spark_stages_silver import spark_stages_silver
from overwatch_assets.silver.spark_tasks_silver import spark_tasks_silver
from overwatch_assets_tests.event_lines import bronze, rows
from overwatch_assets_tests.literal_rows import rows_of, stored

pytestmark = pytest.mark.engine

DAY = 1714521600000  # 2024-05-01T00:00Z; times below are ms after it


class Log:
    """Gold tables of literal lines."""

    def __init__(self, spark: SparkSession, *lines: str) -> None:
        self.spark = spark
        self.events = stored(bronze(spark, *lines))

    def gold(self, silver: Table, gold: Table, spans: DataFrame | None = None) -> DataFrame:
        (events,) = silver.inputs["spark_events_bronze"]
        own = self.events.where(F.col("Event").isin(*events.only["Event"]))  # type: ignore[union-attr]  # Events
        below = silver(spans=own, spark_events_bronze=own)
        others = {}
        if gold is sparkjob_gold:
            others = {"cluster_spec_silver": rows_of(self.spark, cluster_spec_silver)}
            spans = below.select(
                F.col("clusterId").alias("cluster_id"),
                F.col("SparkContextID").alias("spark_context_id"),
                F.col("JobID").alias("job_id"),
            )
        frame = gold(spans=below if spans is None else spans, **{silver.name: below}, **others)
        # Computed once: the functions read each table several times, in one plan.
        frame = frame.withColumn("organization_id", F.lit("1"))
        return stored(frame)

    @cached_property
    def jobs(self) -> DataFrame:
        return self.gold(spark_jobs_silver, sparkjob_gold)

    @cached_property
    def stages(self) -> DataFrame:
        return self.gold(spark_stages_silver, sparkstage_gold)

    @cached_property
    def tasks(self) -> DataFrame:
        return self.gold(spark_tasks_silver, sparktask_gold)

    @cached_property
    def executors(self) -> DataFrame:
        return self.gold(spark_executors_silver, sparkexecutor_gold)

    @cached_property
    def executions(self) -> DataFrame:
        return self.gold(spark_executions_silver, sparkexecution_gold)


def job(number: int, at: int, *stages: tuple[int, int], done: int | None = None, execution: int | None = None) -> str:
    """A job's start with its stages (id, tasks); the first is complete already if it was done at a time."""
    infos = ",".join(
        f'{{"Stage ID":{stage},"Stage Attempt ID":0,"Number of Tasks":{tasks}'
        + (f',"Completion Time":{DAY + done}' if done is not None and nth == 0 else "")
        + "}"
        for nth, (stage, tasks) in enumerate(stages)
    )
    properties = "" if execution is None else f'"spark.sql.execution.id":"{execution}"'
    return (
        f'{{"Event":"SparkListenerJobStart","Job ID":{number},"Submission Time":{DAY + at},'
        f'"Stage IDs":{[s for s, _ in stages]},"Stage Infos":[{infos}],"Properties":{{{properties}}}}}'
    )


def job_end(number: int, at: int, result: str = "JobSucceeded") -> str:
    return f'{{"Event":"SparkListenerJobEnd","Job ID":{number},"Completion Time":{DAY + at},"Job Result":{{"Result":"{result}"}}}}'


def stage(
    number: int, at: int, until: int | None = None, *, attempt: int = 0, tasks: int = 2, failure: str = ""
) -> list[str]:
    info = f'"Stage ID":{number},"Stage Attempt ID":{attempt},"Number of Tasks":{tasks},"Submission Time":{DAY + at}'
    lines = [f'{{"Event":"SparkListenerStageSubmitted","Stage Info":{{{info}}}}}']
    if until is not None:
        why = f',"Failure Reason":"{failure}"' if failure else ""
        lines.append(
            f'{{"Event":"SparkListenerStageCompleted","Stage Info":{{{info},"Completion Time":{DAY + until}{why}}}}}'
        )
    return lines


def task(
    number: int,
    of: int,
    at: int,
    until: int | None = None,
    reason: str = "Success",
    *,
    attempt: int = 0,
    index: int = 0,
    executor: str = "1",
) -> list[str]:
    def info(finish: int) -> str:
        return (
            f'"Stage ID":{of},"Stage Attempt ID":{attempt},"Task Info":{{"Task ID":{number},"Index":{index},"Attempt":0,'
            f'"Launch Time":{DAY + at},"Executor ID":"{executor}","Host":"h","Finish Time":{finish}}}'
        )

    lines = [f'{{"Event":"SparkListenerTaskStart",{info(0)}}}']
    if until is not None:
        metrics = (
            "null" if reason in ("ExecutorLostFailure", "Resubmitted") else '{"Executor Run Time":7,"JVM GC Time":1}'
        )
        lines.append(
            f'{{"Event":"SparkListenerTaskEnd",{info(DAY + until)},"Task End Reason":{{"Reason":"{reason}"}},"Task Metrics":{metrics}}}'
        )
    return lines


def by(frame: DataFrame, key: str, *names: str) -> dict[Any, tuple[Any, ...]]:
    return {found[key]: tuple(found[n] for n in names) for found in rows(frame)}


COUNTS = ("num_active_tasks", "num_complete_tasks", "num_failed_tasks", "num_killed_tasks", "num_completed_indices")


def test_a_resubmitted_task_is_complete_and_has_failed_once_more(spark: SparkSession) -> None:
    again = task(1, 5, 10, 20, "Resubmitted")[1]
    log = Log(spark, *stage(5, 1), *task(1, 5, 10, 20), again, *task(2, 5, 30, 50), *task(3, 5, 30, index=1))
    assert by(stage_metrics(log.stages, log.tasks), "stage_id", "status", *COUNTS, "executor_run_time") == {
        5: ("ACTIVE", 1, 2, 1, 0, 1, 14)
    }


@pytest.mark.parametrize(
    ("reason", "counts"),
    [
        ("Success", (0, 1, 0, 0, 1)),
        ("ExceptionFailure", (0, 0, 1, 0, 0)),
        ("FetchFailed", (0, 0, 1, 0, 0)),
        ("ExecutorLostFailure", (0, 0, 1, 0, 0)),
        ("TaskResultLost", (0, 0, 1, 0, 0)),
        ("UnknownReason", (0, 0, 1, 0, 0)),
        ("TaskKilled", (0, 0, 0, 1, 0)),
        ("TaskCommitDenied", (0, 0, 0, 1, 0)),
    ],
)
def test_how_an_end_counts(spark: SparkSession, reason: str, counts: tuple[int, ...]) -> None:
    log = Log(spark, *stage(5, 1, 30), *task(1, 5, 10, 20, reason))
    assert by(stage_metrics(log.stages, log.tasks), "stage_id", *COUNTS) == {5: counts}


def test_a_stage_without_tasks_counts_zeros_and_its_launch_is_unknown(spark: SparkSession) -> None:
    log = Log(spark, *stage(5, 1, 2, failure="boom", tasks=0))
    measured = stage_metrics(log.stages, log.tasks)
    assert by(measured, "stage_id", "status", *COUNTS, "shuffle_write_bytes", "first_task_launched_time") == {
        5: ("FAILED", 0, 0, 0, 0, 0, 0, None)
    }


def test_attempts_of_a_stage_are_apart_and_its_job_has_both(spark: SparkSession) -> None:
    log = Log(
        spark,
        job(1, 0, (5, 2)),
        *stage(5, 1, 20, failure="FetchFailed"),
        *task(1, 5, 2, 10),
        *task(2, 5, 2, 15, "FetchFailed", index=1),
        *stage(5, 21, 40, attempt=1),
        *task(3, 5, 22, 30, attempt=1, index=1),
        job_end(1, 41),
    )
    assert by(stage_metrics(log.stages, log.tasks), "stage_attempt_id", "status", "num_failed_tasks") == {
        0: ("FAILED", 1),
        1: ("COMPLETE", 0),
    }
    status = job_status(log.jobs, log.stages, log.tasks)
    names = ("status", "num_completed_stages", "num_failed_stages", "num_skipped_stages", "num_failed_tasks")
    assert by(status, "job_id", *names, "num_completed_tasks", "num_completed_indices") == {
        1: ("SUCCEEDED", 1, 1, 0, 1, 2, 2)
    }


def test_a_stage_that_was_there_already_is_skipped(spark: SparkSession) -> None:
    log = Log(
        spark,
        job(1, 0, (5, 3), (6, 2)),
        *stage(5, 1, 20),
        *task(1, 5, 2, 10),
        *stage(6, 21, 40),
        *task(2, 6, 22, 30),
        job_end(1, 41),
        job(2, 50, (5, 3), (7, 2), done=20),
        *stage(7, 51, 60),
        *task(3, 7, 52, 55),
        job_end(2, 61),
    )
    names = ("num_tasks", "num_completed_tasks", "num_skipped_tasks", "num_completed_stages", "num_skipped_stages")
    assert by(job_status(log.jobs, log.stages, log.tasks), "job_id", *names) == {1: (5, 2, 0, 2, 0), 2: (2, 1, 3, 1, 1)}


def test_a_stage_that_was_there_and_is_lost_is_skipped_once_and_computed_once(spark: SparkSession) -> None:
    log = Log(
        spark,
        job(1, 0, (5, 6), (6, 2)),
        *stage(6, 1, 10, failure="FetchFailed"),
        *stage(5, 11, 20, attempt=1, tasks=6),
        *stage(6, 21, 30, attempt=1),
        job_end(1, 31),
    )
    names = ("num_skipped_stages", "num_skipped_tasks", "num_completed_stages", "num_failed_stages")
    assert by(job_status(log.jobs, log.stages, log.tasks), "job_id", *names) == {1: (1, 6, 2, 1)}


def test_a_stage_that_two_jobs_share_counts_for_the_later_one_from_its_submission(spark: SparkSession) -> None:
    log = Log(
        spark,
        job(1, 0, (5, 2)),
        *stage(5, 1, 40),
        *task(1, 5, 2, 10),
        *task(2, 5, 12, 35, index=1),
        job(2, 20, (5, 2), (6, 1)),
        job_end(1, 41),
    )
    names = ("status", "num_completed_tasks", "num_active_tasks", "num_completed_stages", "num_skipped_stages")
    assert by(job_status(log.jobs, log.stages, log.tasks), "job_id", *names) == {
        1: ("SUCCEEDED", 2, 0, 1, 0),
        2: ("RUNNING", 1, 0, 1, 0),
    }


def test_a_job_that_fails_skips_what_it_did_not_reach(spark: SparkSession) -> None:
    log = Log(
        spark,
        job(1, 0, (5, 2), (6, 4)),
        *stage(5, 1, 20, failure="boom"),
        *task(1, 5, 2, 10, "ExceptionFailure"),
        job_end(1, 21, "JobFailed"),
        job(2, 30),
        job_end(2, 30),
    )
    names = ("status", "num_tasks", "num_skipped_tasks", "num_failed_stages", "num_skipped_stages", "num_failed_tasks")
    assert by(job_status(log.jobs, log.stages, log.tasks), "job_id", *names) == {
        1: ("FAILED", 6, 4, 1, 1, 1),
        2: ("SUCCEEDED", 0, 0, 0, 0, 0),
    }


def executor(at: int, removed: int | None = None) -> list[str]:
    info = '"Executor Info":{"Host":"h","Total Cores":4}'
    lines = [f'{{"Event":"SparkListenerExecutorAdded","Timestamp":{DAY + at},"Executor ID":"1",{info}}}']
    if removed is not None:
        lines.append(
            f'{{"Event":"SparkListenerExecutorRemoved","Timestamp":{DAY + removed},"Executor ID":"1","Removed Reason":"lost"}}'
        )
    return lines


def test_an_executors_tasks_are_those_of_its_life(spark: SparkSession) -> None:
    log = Log(
        spark,
        *executor(0, 30),
        *executor(50),
        *task(1, 5, 1, 11),
        *task(2, 5, 12, 30, "ExecutorLostFailure"),
        *task(3, 5, 51, 61),
        *task(4, 5, 70),
        *task(5, 5, 71, 72, executor="2"),
        f'{{"Event":"SparkListenerApplicationEnd","Timestamp":{DAY + 99}}}',
    )
    names = ("remove_time", "total_tasks", "num_active_tasks", "num_completed_tasks", "num_failed_tasks")
    totals = executor_totals(log.executors, log.tasks)
    assert by(totals, "add_time", *names, "total_duration", "total_gc_time") == {
        DAY: (DAY + 30, 2, 0, 1, 1, 28, 1),
        DAY + 50: (None, 2, 1, 1, 0, 10, 1),
    }


def test_an_executor_that_ran_nothing_counts_zeros(spark: SparkSession) -> None:
    log = Log(spark, *executor(0))
    assert by(executor_totals(log.executors, log.tasks), "executor_id", "total_tasks", "total_duration") == {
        "1": (0, 0)
    }


def execution(end: bool, error: str | None) -> list[str]:
    kind = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecution"
    lines = [f'{{"Event":"{kind}Start","executionId":3,"description":"d","time":{DAY}}}']
    if end:
        stated = "" if error is None else f',"errorMessage":"{error}"'
        lines.append(f'{{"Event":"{kind}End","executionId":3,"time":{DAY + 50}{stated}}}')
    return lines


@pytest.mark.parametrize(
    ("end", "error", "result", "status"),
    [
        (False, None, "JobFailed", "RUNNING"),
        (True, "", "JobFailed", "COMPLETED"),  # another try of it went well
        (True, "boom", "JobSucceeded", "FAILED"),
        (True, None, "JobFailed", "FAILED"),
        (True, None, "JobSucceeded", "COMPLETED"),
    ],
)
def test_the_status_of_an_execution(
    spark: SparkSession, end: bool, error: str | None, result: str, status: str
) -> None:
    log = Log(
        spark, *execution(end, error), job(1, 1, execution=3), job_end(1, 9, result), job(2, 9, execution=3), job(4, 9)
    )
    names = ("status", "duration", "running_job_ids", "success_job_ids", "failed_job_ids")
    (found,) = by(execution_status(log.executions, log.jobs), "execution_id", *names).values()
    jobs = ([1], []) if result == "JobSucceeded" else ([], [1])
    assert found == (status, 50 if end else None, [2], *jobs)
