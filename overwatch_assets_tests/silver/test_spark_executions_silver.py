"""silver.md 1.1 and 1.3."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.silver.spark_executions_silver import spark_executions_silver
from overwatch_assets_tests.event_lines import bronze, row

pytestmark = pytest.mark.engine

DAY = 1714521600000  # 2024-05-01T00:00Z
_SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecution"


def started(at: int = 10, description: str = "count at a.py:1") -> str:
    return (
        f'{{"Event":"{_SQL}Start","executionId":3,"rootExecutionId":2,"description":"{description}","details":"trace",'
        f'"physicalPlanDescription":"plan","sparkPlanInfo":{{}},"time":{DAY + at},"modifiedConfigs":{{}}}}'
    )


def ended(at: int = 60, error: str = "") -> str:
    return f'{{"Event":"{_SQL}End","executionId":3,"time":{DAY + at}{error}}}'


def execution(spark: SparkSession, *lines: str) -> dict[str, Any]:
    events = bronze(spark, *lines)
    return row(spark_executions_silver(spans=events, spark_events_bronze=events))


def test_an_execution_that_ended(spark: SparkSession) -> None:
    found = execution(spark, started(), ended())
    assert (found["ExecutionID"], found["RootExecutionID"]) == (3, 2)
    assert (found["description"], found["details"]) == ("count at a.py:1", "trace")
    assert (found["startTimestamp"], found["startDate"]) == (DAY + 10, dt.date(2024, 5, 1))
    assert (found["SqlExecutionRunTime"]["endEpochMS"], found["SqlExecutionRunTime"]["runTimeMS"]) == (DAY + 60, 50)


def test_it_is_open_until_its_end_comes(spark: SparkSession) -> None:
    found = execution(spark, started())
    assert (found["SqlExecutionRunTime"]["endEpochMS"], found["endFilenameGroup"]) == (None, None)


def test_an_end_without_a_start_is_kept(spark: SparkSession) -> None:
    found = execution(spark, ended())
    assert (found["startTimestamp"], found["startDate"]) == (None, dt.date(2024, 5, 1))
    assert found["SqlExecutionRunTime"]["endEpochMS"] == DAY + 60


@pytest.mark.parametrize("ends", [(60, 90), (90, 60)])
def test_of_two_ends_the_later_counts_and_of_two_starts_the_earlier(spark: SparkSession, ends: tuple[int, int]) -> None:
    found = execution(spark, started(20), *(ended(at) for at in ends), started(10))
    ran = found["SqlExecutionRunTime"]
    assert (ran["startEpochMS"], ran["endEpochMS"], ran["runTimeMS"]) == (DAY + 10, DAY + 90, 80)


@pytest.mark.parametrize(
    ("written", "stored"), [(',"errorMessage":"boom"', "boom"), (',"errorMessage":""', ""), ("", None)]
)
def test_why_it_failed_or_that_it_did_not_or_that_nobody_says(
    spark: SparkSession, written: str, stored: str | None
) -> None:
    assert execution(spark, started(), ended(error=written))["errorMessage"] == stored


@pytest.mark.parametrize(
    ("description", "labels"),
    [
        ("my query<br/>id = q-1<br/>runId = r-1<br/>batch = 17", ("q-1", "r-1", 17)),
        ("\\nid = q-1\\nrunId = r-1\\nbatchId = 17", ("q-1", "r-1", 17)),
        ("runId = r-1 batch = 0", (None, "r-1", 0)),
        ("id = q-1 runId = r-1 batch = init", ("q-1", "r-1", None)),
        ("select id = 5 from batch", (None, None, None)),
        ("count at a.py:1", (None, None, None)),
    ],
)
def test_a_micro_batch_is_known_by_its_description(
    spark: SparkSession, description: str, labels: tuple[str | None, str | None, int | None]
) -> None:
    found = execution(spark, started(description=description))
    assert (found["StreamID"], found["StreamRunID"], found["StreamBatchID"]) == labels
