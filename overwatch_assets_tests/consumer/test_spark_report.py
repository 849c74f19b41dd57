"""The report's figures, from literal gold rows."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.consumer.spark_report import SparkReport, Stage, Total, spark_report
from overwatch_assets.contract.registry import tables
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore

pytestmark = pytest.mark.engine

COMMON = {
    "organization_id": "1",
    "workspace_name": "w",
    "cluster_id": "c",
    "spark_context_id": "s",
    "date": dt.date(2024, 5, 1),
    "Pipeline_SnapTS": dt.datetime(2024, 5, 2, tzinfo=dt.UTC),
    "Overwatch_RunID": "r",
}


def put(store: TableStore, table: str, *rows: dict[str, Any]) -> None:
    contract = tables()[table]
    store.append(contract, lambda: store.spark.createDataFrame([COMMON | r for r in rows], contract.schema))


def stage(number: int, ms: int | None, failure: str | None = None) -> dict[str, Any]:
    return {
        "stage_id": number,
        "stage_attempt_id": 0,
        "stage_info": {"StageName": f"stage {number}", "FailureReason": failure},
        "stage_runtime": {"startEpochMS": 1000, "endEpochMS": None if ms is None else 1000 + ms, "runTimeMS": ms},
    }


def task(number: int, of: int, ms: int | None, reason: str | None = "Success", **end: Any) -> dict[str, Any]:
    return {
        "task_id": number,
        "stage_id": of,
        "stage_attempt_id": 0,
        "task_end_reason": None if reason is None else {"Reason": reason, **end},
        "task_runtime": {"startEpochMS": 1000, "endEpochMS": None if ms is None else 1000 + ms, "runTimeMS": ms},
        "task_metrics": None if reason is None else {"MemoryBytesSpilled": 100 * number, "DiskBytesSpilled": number},
        "resubmissions": 0,
    }


def test_figures(spark: SparkSession, tmp_path: Path) -> None:
    store = TableStore(spark, Location(str(tmp_path)), "1")
    put(
        store,
        "sparkjob_gold",
        {"job_id": 1, "job_result": {"Result": "JobSucceeded"}, "job_runtime": {"endEpochMS": 9}},
        {"job_id": 2, "job_result": {"Result": "JobFailed"}, "job_runtime": {"endEpochMS": 9}},
        {"job_id": 3, "spark_context_id": "other", "job_runtime": {"endEpochMS": None}},
    )
    put(
        store,
        "sparkexecution_gold",
        {"execution_id": 1, "error_message": "", "sql_execution_runtime": {"endEpochMS": 9}},
        {"execution_id": 2, "error_message": "no such table", "sql_execution_runtime": {"endEpochMS": 9}},
    )
    put(store, "sparkexecutor_gold", {"executor_id": "1", "spark_context_id": "idle"})
    put(store, "sparkstage_gold", stage(1, 500), stage(2, 900, "Job aborted"), stage(3, None))
    put(
        store,
        "sparktask_gold",
        task(1, 1, 100),
        task(2, 1, 120),
        task(3, 1, 480),
        task(4, 1, 3000, "TaskKilled"),
        task(5, 2, 50, "ExceptionFailure", ClassName="java.lang.Boom"),
        task(6, 2, 60, "ExecutorLostFailure"),
        task(7, 2, 70, "ExceptionFailure", ClassName="java.lang.Boom"),
        task(8, 3, None, None),
        task(9, 4, 0),  # its stage was never seen
        task(10, 4, 8),
    )
    common = {"cluster_id": "c", "spark_context_id": "s", "stage_attempt_id": 0}
    one = Stage(
        stage_id=1,
        name="stage 1",
        run_time_ms=500,
        tasks=4,
        failed_tasks=0,
        median_task_ms=120.0,
        longest_task_ms=480,
        skew=4.0,
        memory_spilled_bytes=1000,
        disk_spilled_bytes=10,
        failure=None,
        **common,
    )
    two = Stage(
        stage_id=2,
        name="stage 2",
        run_time_ms=900,
        tasks=3,
        failed_tasks=3,
        median_task_ms=None,
        longest_task_ms=None,
        skew=None,
        memory_spilled_bytes=1800,
        disk_spilled_bytes=18,
        failure="Job aborted",
        **common,
    )
    four = Stage(
        stage_id=4,
        name=None,
        run_time_ms=None,
        tasks=2,
        failed_tasks=0,
        median_task_ms=4.0,
        longest_task_ms=8,
        skew=2.0,
        memory_spilled_bytes=1900,
        disk_spilled_bytes=19,
        failure=None,
        **common,
    )
    assert spark_report(store) == SparkReport(
        applications=3,
        executors=1,
        sql_executions=Total(2, failed=1, open=0),
        jobs=Total(3, failed=1, open=1),
        stages=Total(3, failed=1, open=1),
        tasks=Total(10, failed=3, open=1),
        killed_tasks=1,
        memory_spilled_bytes=4700,
        disk_spilled_bytes=47,
        task_failures=(("java.lang.Boom", 2), ("ExecutorLostFailure", 1)),
        slowest_stages=(two, one),
        most_skewed_stages=(one, four),
    )
    assert spark_report(store, top=1).slowest_stages == (two,)


def test_a_task_that_is_run_again_failed_as_resubmitted_however_it_ended(spark: SparkSession, tmp_path: Path) -> None:
    store = TableStore(spark, Location(str(tmp_path)), "1")
    put(
        store,
        "sparktask_gold",
        {**task(1, 1, 10), "resubmissions": 2},
        {**task(2, 1, 10, "ExceptionFailure", ClassName="java.lang.Boom"), "resubmissions": 1},
        task(3, 1, 10, "FetchFailed"),
        {**task(4, 1, 10), "task_end_reason": {"Reason": None}},
        {**task(5, 1, None, None), "resubmissions": 1},
    )
    assert spark_report(store).task_failures == (
        ("Resubmitted", 4),
        ("FetchFailed", 1),
        ("java.lang.Boom", 1),
        ("unknown", 1),
    )


def test_nothing_loaded(spark: SparkSession, tmp_path: Path) -> None:
    none = Total(0, failed=0, open=0)
    assert spark_report(TableStore(spark, Location(str(tmp_path)), "1")) == SparkReport(
        0, 0, none, none, none, none, 0, 0, 0, (), (), ()
    )
