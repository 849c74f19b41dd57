"""silver.md 1.1 and 1.2."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.silver.spark_executors_silver import spark_executors_silver
from overwatch_assets_tests.event_lines import bronze, rows

pytestmark = pytest.mark.engine

DAY = 1714521600000  # 2024-05-01T00:00Z
APPLICATION_END = f'{{"Event":"SparkListenerApplicationEnd","Timestamp":{DAY + 9000}}}'


def added(at: int, *, executor: str = "1", cores: int = 4) -> str:
    return (
        f'{{"Event":"SparkListenerExecutorAdded","Timestamp":{DAY + at},"Executor ID":"{executor}",'
        f'"Executor Info":{{"Host":"10.0.0.2","Total Cores":{cores},"Log Urls":{{}},"Attributes":{{}}}}}}'
    )


def removed(at: int, *, executor: str = "1", reason: str = "lost") -> str:
    return (
        f'{{"Event":"SparkListenerExecutorRemoved","Timestamp":{DAY + at},"Executor ID":"{executor}",'
        f'"Removed Reason":"{reason}"}}'
    )


def executors(spark: SparkSession, *lines: str) -> list[dict[str, Any]]:
    events = bronze(spark, *lines)
    found = rows(spark_executors_silver(spans=events, spark_events_bronze=events))
    return sorted(found, key=lambda e: (e["ExecutorID"], e["addedTimestamp"] or 0))


def life(executor: dict[str, Any]) -> tuple[int | None, int | None]:
    """From when to when it lived, ms after the day's start."""
    alive = executor["ExecutorAliveTime"]
    start, end = alive["AddedEpochMS"], alive["RemovedEpochMS"]
    return start and start - DAY, end and end - DAY


def test_an_executor_that_was_removed(spark: SparkSession) -> None:
    (executor,) = executors(spark, added(1000), removed(4500), APPLICATION_END)
    assert (executor["ExecutorID"], executor["RemovedReason"], executor["endedByApplication"]) == ("1", "lost", False)
    assert (executor["executorInfo"]["Host"], executor["executorInfo"]["TotalCores"]) == ("10.0.0.2", 4)
    assert (executor["addedTimestamp"], executor["addedDate"]) == (DAY + 1000, dt.date(2024, 5, 1))
    alive = executor["ExecutorAliveTime"]
    assert (alive["AddedEpochMS"], alive["RemovedEpochMS"], alive["uptimeMS"]) == (DAY + 1000, DAY + 4500, 3500)
    assert (alive["uptimeS"], alive["uptimeM"], alive["uptimeH"]) == (3.5, 3.5 / 60, 3.5 / 3600)


def test_the_applications_end_closes_those_that_were_not_removed(spark: SparkSession) -> None:
    one, two = executors(spark, added(1), added(2, executor="2"), removed(5), APPLICATION_END)
    assert (life(one), one["endedByApplication"]) == ((1, 5), False)
    assert (life(two), two["endedByApplication"], two["RemovedReason"]) == ((2, 9000), True, None)
    assert two["endFilenameGroup"] is None, "there is no removal to have come from a file"


def test_an_executor_lives_while_its_application_does(spark: SparkSession) -> None:
    (executor,) = executors(spark, added(1))
    assert (life(executor), executor["endedByApplication"]) == ((1, None), False)
    assert executor["ExecutorAliveTime"]["uptimeMS"] is None


def test_a_removal_without_an_addition_is_kept(spark: SparkSession) -> None:
    (executor,) = executors(spark, removed(5))
    assert (life(executor), executor["addedTimestamp"], executor["executorInfo"]) == ((None, 5), None, None)
    assert executor["addedDate"] == dt.date(2024, 5, 1)


def test_an_executor_that_comes_back_lives_again(spark: SparkSession) -> None:
    lines = [added(1), removed(5, reason="first"), added(7, cores=2), removed(8, reason="second")]
    for ordered in (lines, lines[::-1]):
        first, second = executors(spark, *ordered, APPLICATION_END)
        assert (life(first), first["RemovedReason"], first["executorInfo"]["TotalCores"]) == ((1, 5), "first", 4)
        assert (life(second), second["RemovedReason"], second["executorInfo"]["TotalCores"]) == ((7, 8), "second", 2)


def test_only_the_last_life_is_ended_by_the_application(spark: SparkSession) -> None:
    first, second = executors(spark, added(1), removed(5), added(7), APPLICATION_END)
    assert (life(first), first["endedByApplication"]) == ((1, 5), False)
    assert (life(second), second["endedByApplication"]) == ((7, 9000), True)


def test_one_that_registers_twice_or_is_removed_twice_lives_once(spark: SparkSession) -> None:
    (executor,) = executors(spark, added(1), added(3, cores=8), removed(5, reason="first"), removed(6))
    assert (life(executor), executor["RemovedReason"]) == ((1, 5), "first")
    assert executor["executorInfo"]["TotalCores"] == 8, "what it registered with last"


def test_both_spellings_of_the_id_are_read(spark: SparkSession) -> None:
    line = f'{{"Event":"SparkListenerExecutorRemoved","Timestamp":{DAY + 5},"executorId":"3","Removed Reason":"r"}}'
    (executor,) = executors(spark, line)
    assert executor["ExecutorID"] == "3"
