"""silver.md 1.1 and 1.5."""

import datetime as dt

import pytest
from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.silver.spark_stages_silver import spark_stages_silver
from overwatch_assets_tests.event_lines import bronze, row, rows

pytestmark = pytest.mark.engine

_INFO = '"Stage ID":4,"Stage Attempt ID":{attempt},"Stage Name":"count at a.py:1","Parent IDs":[3],"Details":"trace"'


def submitted(attempt: int = 0, *, at: int | None = 1714521600000, tasks: int = 8) -> str:
    time = "" if at is None else f',"Submission Time":{at}'
    info = _INFO.format(attempt=attempt)
    return f'{{"Event":"SparkListenerStageSubmitted","Stage Info":{{{info},"Number of Tasks":{tasks}{time}}}}}'


def completed(attempt: int = 0, *, at: int | None = 1714521600000, failure: str = "") -> str:
    time = "" if at is None else f',"Submission Time":{at}'
    return (
        f'{{"Event":"SparkListenerStageCompleted","Stage Info":{{{_INFO.format(attempt=attempt)},"Number of Tasks":9'
        f'{time},"Completion Time":1714521601500{failure},"Accumulables":[{{"ID":5,"Name":"n","Value":"7",'
        '"Internal":true,"Count Failed Values":true}]}}'
    )


def stages(spark: SparkSession, *lines: str) -> DataFrame:
    events = bronze(spark, *lines)
    return spark_stages_silver(spans=events, spark_events_bronze=events)


def test_a_stage_that_ended(spark: SparkSession) -> None:
    stage = row(stages(spark, submitted(), completed()))
    assert (stage["StageID"], stage["StageAttemptID"]) == (4, 0)
    assert (stage["startTimestamp"], stage["startDate"]) == (1714521600000, dt.date(2024, 5, 1))
    assert (stage["StageRunTime"]["endEpochMS"], stage["StageRunTime"]["runTimeMS"]) == (1714521601500, 1500)
    info = stage["StageInfo"]
    assert (info["SubmissionTime"], info["CompletionTime"], info["FailureReason"]) == (
        1714521600000,
        1714521601500,
        None,
    )
    assert (info["StageName"], info["Details"], info["ParentIDs"]) == ("count at a.py:1", "trace", [3])
    assert info["NumberofTasks"] == 9, "the end knows it best"
    assert [(a["ID"], a["Value"], a["CountFailedValues"]) for a in info["Accumulables"]] == [(5, "7", True)]


def test_why_it_failed_comes_from_the_end(spark: SparkSession) -> None:
    stage = row(stages(spark, submitted(), completed(failure=',"Failure Reason":"Job aborted"')))
    assert stage["StageInfo"]["FailureReason"] == "Job aborted"


def test_an_open_stage_lacks_what_its_end_tells(spark: SparkSession) -> None:
    stage = row(stages(spark, submitted()))
    info = stage["StageInfo"]
    assert (info["Accumulables"], info["CompletionTime"], info["FailureReason"]) == (None, None, None)
    assert info["NumberofTasks"] == 8, "as it was planned"
    assert (stage["StageRunTime"]["endEpochMS"], stage["endFilenameGroup"]) == (None, None)


def test_attempts_are_stages_of_their_own(spark: SparkSession) -> None:
    failed = completed(0, failure=',"Failure Reason":"FetchFailed"')
    found = rows(stages(spark, submitted(0), failed, submitted(1, at=1714521601000), completed(1, at=1714521601000)))
    assert {s["StageAttemptID"]: (s["startTimestamp"], s["StageInfo"]["FailureReason"]) for s in found} == {
        0: (1714521600000, "FetchFailed"),
        1: (1714521601000, None),
    }


def test_the_end_knows_a_submission_time_that_the_start_lacks(spark: SparkSession) -> None:
    stage = row(stages(spark, submitted(at=None), completed()))
    assert stage["startTimestamp"] == 1714521600000


def test_an_end_without_a_start_is_kept(spark: SparkSession) -> None:
    stage = row(stages(spark, completed(at=None)))
    assert (stage["startTimestamp"], stage["startDate"]) == (None, dt.date(2024, 5, 1))
    assert stage["StageRunTime"]["endEpochMS"] == 1714521601500
    assert stage["StageInfo"]["StageName"] == "count at a.py:1"
    assert stage["startFilenameGroup"] is None
