"""bronze.md 7: event-log records."""

import datetime as dt

import pytest
import xxhash
from pyspark.sql import SparkSession

from overwatch_assets_tests.event_lines import CLUSTER, CONTEXT, bronze, row, rows

pytestmark = pytest.mark.engine


def hashed(line: str) -> int:
    """What Spark's `xxhash64` says."""
    value = xxhash.xxh64_intdigest(line.encode(), seed=42)
    return value - 2**64 if value >= 2**63 else value


def test_a_job_start_with_a_secret(spark: SparkSession) -> None:
    line = (
        '{"Event":"SparkListenerJobStart","Job ID":3,"Submission Time":1714521600000,"Stage IDs":[1,2],'
        '"Properties":{"spark.job.description":"d","a.b-c d":"e","x.token":"t"}}'
    )
    got = row(bronze(spark, line))
    assert (got["date"], got["clusterId"], got["SparkContextID"]) == (dt.date(2024, 5, 1), CLUSTER, CONTEXT)
    assert (got["JobID"], got["SubmissionTime"], got["StageIDs"]) == (3, 1714521600000, [1, 2])
    assert got["Properties"] == {"sparkjobdescription": "d", "ab_cd": "e"}
    assert got["value"] == line.replace(',"x.token":"t"', "")
    # The record's identity is that of the line as it was written.
    assert (got["droppedProperties"], got["lineHash"], got["lineBytes"]) == (1, hashed(line), len(line) + 1)


def test_ids_in_every_spelling(spark: SparkSession) -> None:
    """Events name stages and executors in three ways."""
    got = rows(
        bronze(
            spark,
            '{"Event":"SparkListenerTaskEnd","Stage ID":1,"Stage Attempt ID":2,"Task Info":{"Task ID":7}}',
            '{"Event":"SparkListenerStageCompleted","Stage Info":{"Stage ID":3,"Stage Attempt ID":4}}',
            '{"Event":"org.apache.spark.scheduler.SparkListenerSpeculativeTaskSubmitted","stageId":5,"stageAttemptId":6}',
            '{"Event":"SparkListenerExecutorAdded","Executor ID":"8"}',
            '{"Event":"SparkListenerExecutorExcluded","executorId":"9"}',
        )
    )
    assert [(r["StageID"], r["StageAttemptID"], r["ExecutorID"], r["TaskID"]) for r in got] == [
        (1, 2, None, 7),
        (3, 4, None, None),
        (5, 6, None, None),
        (None, None, "8", None),
        (None, None, "9", None),
    ]


def test_a_streaming_event_states_its_time_as_text(spark: SparkSession) -> None:
    prefix = "org.apache.spark.sql.streaming.StreamingQueryListener"
    started, progress = rows(
        bronze(
            spark,
            f'{{"Event":"{prefix}$QueryStartedEvent","id":"i","runId":"r","timestamp":"2024-05-01T10:00:00.250Z"}}',
            f'{{"Event":"{prefix}$QueryProgressEvent","progress":{{"id":"i","runId":"r","timestamp":'
            '"2024-05-02T00:00:00.001Z","inputRowsPerSecond":0.1}}',
        )
    )
    assert (started["Timestamp"], started["date"]) == (1714557600250, dt.date(2024, 5, 1))
    assert (progress["Timestamp"], progress["date"]) == (1714608000001, dt.date(2024, 5, 2))
    assert (progress["id"], progress["runId"]) == ("i", "r")
    assert progress["progress"] == (
        '{"id":"i","runId":"r","timestamp":"2024-05-02T00:00:00.001Z","inputRowsPerSecond":0.1}'
    )


def test_a_record_without_a_time_is_of_the_day_of_the_nearest(spark: SparkSession) -> None:
    got = row(bronze(spark, '{"Event":"SparkListenerLogStart","Spark Version":"3.5.1"}'))
    assert (got["date"], got["SparkVersion"], got["Timestamp"]) == (dt.date(1970, 1, 1), "3.5.1", None)
