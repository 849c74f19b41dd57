"""silver.md 1.1 and 1.6."""

import datetime as dt

import pytest
from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.silver.spark_tasks_silver import spark_tasks_silver
from overwatch_assets_tests.event_lines import bronze, row, rows

pytestmark = pytest.mark.engine

METRICS = (
    '"Task Metrics":{"Executor Run Time":40,"Executor CPU Time":39000000,"Result Size":900,"JVM GC Time":2,'
    '"Memory Bytes Spilled":11,"Disk Bytes Spilled":12,"Shuffle Read Metrics":{"Remote Bytes Read":1,"Local Bytes Read":2,'
    '"Total Records Read":3},"Shuffle Write Metrics":{"Shuffle Bytes Written":4,"Shuffle Write Time":5,'
    '"Shuffle Records Written":6},"Input Metrics":{"Bytes Read":7,"Records Read":8},'
    '"Output Metrics":{"Bytes Written":9,"Records Written":10}}'
)


def info(task: int, *, attempt: int = 0, finish: int = 0, executor: str = "1", more: str = "") -> str:
    return (
        f'"Task Info":{{"Task ID":{task},"Index":2,"Attempt":{attempt},"Partition ID":2,"Launch Time":1714521600000,'
        f'"Executor ID":"{executor}","Host":"10.0.0.2","Locality":"NODE_LOCAL","Speculative":false,'
        f'"Getting Result Time":0,"Finish Time":{finish},"Failed":false,"Killed":false,"Accumulables":[]{more}}}'
    )


def started(task: int, **how: object) -> str:
    return (
        '{"Event":"SparkListenerTaskStart","Stage ID":4,"Stage Attempt ID":0,' + info(task, **how) + "}"  # type: ignore[arg-type]  # as info takes them
    )


def ended(task: int, reason: str = "Success", *, metrics: str = METRICS, **how: object) -> str:
    at = {"finish": 1714521600050, **how}
    return (
        '{"Event":"SparkListenerTaskEnd","Stage ID":4,"Stage Attempt ID":0,"Task Type":"ResultTask",'
        f'"Task End Reason":{{"Reason":"{reason}"}},{info(task, **at)},'  # type: ignore[arg-type]  # as info takes them
        f'"Task Executor Metrics":{{"JVMHeapMemory":77}},{metrics}}}'
    )


def tasks(spark: SparkSession, *lines: str) -> DataFrame:
    events = bronze(spark, *lines)
    return spark_tasks_silver(spans=events, spark_events_bronze=events)


def test_a_task_that_ended(spark: SparkSession) -> None:
    task = row(tasks(spark, started(9), ended(9)))
    assert (task["StageID"], task["StageAttemptID"], task["TaskID"], task["TaskAttempt"]) == (4, 0, 9, 0)
    assert (task["ExecutorID"], task["Host"], task["TaskType"]) == ("1", "10.0.0.2", "ResultTask")
    assert (task["startTimestamp"], task["startDate"]) == (1714521600000, dt.date(2024, 5, 1))
    assert (task["TaskRunTime"]["endEpochMS"], task["TaskRunTime"]["runTimeMS"]) == (1714521600050, 50)
    assert task["TaskEndReason"]["Reason"] == "Success"
    assert task["TaskExecutorMetrics"]["JVMHeapMemory"] == 77
    of = task["TaskInfo"]
    assert (of["Index"], of["PartitionID"], of["Locality"], of["LaunchTime"]) == (2, 2, "NODE_LOCAL", 1714521600000)
    metrics = task["TaskMetrics"]
    assert (metrics["ExecutorRunTime"], metrics["ExecutorCPUTime"], metrics["JVMGCTime"]) == (40, 39000000, 2)
    assert metrics["ShuffleWriteMetrics"] == {
        "ShuffleBytesWritten": 4,
        "ShuffleWriteTime": 5,
        "ShuffleRecordsWritten": 6,
    }
    assert (metrics["InputMetrics"]["RecordsRead"], metrics["OutputMetrics"]["BytesWritten"]) == (8, 9)
    assert task["Resubmissions"] == 0


def test_a_task_without_an_end_is_open_with_what_its_start_says(spark: SparkSession) -> None:
    task = row(tasks(spark, started(9)))
    assert (task["TaskInfo"]["Index"], task["ExecutorID"], task["startTimestamp"]) == (2, "1", 1714521600000)
    assert (task["TaskEndReason"], task["TaskMetrics"], task["endFilenameGroup"]) == (None, None, None)
    assert (task["TaskRunTime"]["endEpochMS"], task["TaskRunTime"]["runTimeMS"]) == (None, None)
    assert task["Resubmissions"] == 0


def test_an_end_without_a_start_is_kept(spark: SparkSession) -> None:
    task = row(tasks(spark, ended(9)))
    assert (task["TaskID"], task["startTimestamp"], task["TaskRunTime"]["runTimeMS"]) == (9, 1714521600000, 50)


def test_a_task_on_the_driver(spark: SparkSession) -> None:
    assert row(tasks(spark, ended(9, executor="driver")))["ExecutorID"] == "driver"


def test_attempts_of_one_partition_are_tasks_of_their_own(spark: SparkSession) -> None:
    lines = [started(9), ended(9, "ExceptionFailure"), started(10, attempt=1), ended(10, attempt=1)]
    found = rows(tasks(spark, *lines, started(11, attempt=2)))
    assert {t["TaskID"]: (t["TaskAttempt"], (t["TaskEndReason"] or {}).get("Reason")) for t in found} == {
        9: (0, "ExceptionFailure"),
        10: (1, "Success"),
        11: (2, None),
    }


def test_a_task_that_ended_without_metrics(spark: SparkSession) -> None:
    line = ended(9, "ExecutorLostFailure", metrics='"Task Metrics":null')
    assert row(tasks(spark, line))["TaskMetrics"] is None


@pytest.mark.parametrize("in_log_order", [True, False])
def test_a_resubmitted_task_keeps_its_end_and_counts_the_others(spark: SparkSession, in_log_order: bool) -> None:
    lines = [started(9), ended(9), ended(9, "Resubmitted", metrics='"Task Metrics":null')]
    task = row(tasks(spark, *(lines if in_log_order else reversed(lines))))
    assert (task["TaskEndReason"]["Reason"], task["TaskMetrics"]["ExecutorRunTime"]) == ("Success", 40)
    assert task["Resubmissions"] == 1


def test_a_resubmitted_end_alone_is_the_tasks_end(spark: SparkSession) -> None:
    task = row(tasks(spark, ended(9, "Resubmitted", metrics='"Task Metrics":null')))
    assert (task["TaskEndReason"]["Reason"], task["Resubmissions"]) == ("Resubmitted", 0)


def test_a_second_start_line_does_not_double_an_open_task(spark: SparkSession) -> None:
    assert len(rows(tasks(spark, started(9), started(9, more=',"Later":1')))) == 1
