"""Re-timing, renaming and cutting of recorded logs, on literal lines."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from overwatch_assets.errors import SourceError
from overwatch_assets.sample.logs import own_time, recorded, retime, until

# 2026-11-21T00:00:00Z is 1795219200000.
T0 = 1_795_219_200_000
MIDNIGHT = 1_714_608_000_000  # 2024-05-02T00:00:00Z


def line(**event: Any) -> bytes:
    return orjson.dumps({key.replace("_", " "): value for key, value in event.items()}) + b"\n"


def application(*more: bytes) -> list[bytes]:
    """A log's usual beginning (a block manager is added after, and written before, the application start), and more."""
    return [
        b'{"Event":"SparkListenerLogStart","Spark Version":"4.2.0"}\n',
        line(Event="SparkListenerBlockManagerAdded", Timestamp=T0 + 900, Maximum_Memory=7),
        b'{"Event":"SparkListenerEnvironmentUpdate","Spark Properties":{"spark.app.id":"app-1-0000",'
        b'"spark.app.name":"etl","spark.app.startTime":"%d","spark.app.submitTime":"%d"}}\n' % (T0, T0 - 50),
        line(Event="SparkListenerApplicationStart", App_Name="etl", App_ID="app-1-0000", Timestamp=T0, User="root"),
        *more,
    ]


def moved(*more: bytes, **how: Any) -> list[dict[str, Any]]:
    """The events after the beginning."""
    how = {"start_ms": MIDNIGHT, "app_id": "app-9-0001"} | how
    return [orjson.loads(each) for each in retime(application(*more), **how)][4:]


def beginning(**how: Any) -> list[dict[str, Any]]:
    how = {"start_ms": MIDNIGHT, "app_id": "app-9-0001"} | how
    return [orjson.loads(each) for each in retime(application(), **how)]


def test_the_application_start_is_at_the_given_time_and_the_rest_follows() -> None:
    log_start, block_manager, environment, start = beginning()
    assert log_start == {"Event": "SparkListenerLogStart", "Spark Version": "4.2.0"}
    assert block_manager["Timestamp"] == MIDNIGHT + 900
    assert start["Timestamp"] == MIDNIGHT
    assert environment["Spark Properties"]["spark.app.startTime"] == "1714608000000"
    assert environment["Spark Properties"]["spark.app.submitTime"] == "1714607999950"


def test_application_id_and_name() -> None:
    _, _, environment, start = beginning(app_name="nightly")
    assert (start["App ID"], start["App Name"]) == ("app-9-0001", "nightly")
    assert environment["Spark Properties"]["spark.app.id"] == "app-9-0001"
    assert environment["Spark Properties"]["spark.app.name"] == "nightly"


def test_every_time_moves_and_metrics_stay() -> None:
    task_info = {"Task ID": 5, "Launch Time": T0 + 1000, "Getting Result Time": 0, "Finish Time": T0 + 3000}
    stage = {"Stage ID": 3, "Submission Time": T0 + 1000, "Completion Time": T0 + 4001, "Accumulables": [{"Value": T0}]}
    executor, job, submitted, task, completed, ended, sql = moved(
        line(Event="SparkListenerExecutorAdded", Timestamp=T0 + 2, Executor_Info={"Registration Time": T0 + 1}),
        line(Event="SparkListenerJobStart", Job_ID=0, Submission_Time=T0 + 999, Stage_Infos=[stage], Properties={}),
        line(Event="SparkListenerStageSubmitted", Stage_Info={"Stage ID": 4, "Submission Time": T0 + 1}, Properties={}),
        line(Event="SparkListenerTaskEnd", Task_Info=task_info, Task_Metrics={"Executor Run Time": 1900}),
        line(Event="SparkListenerStageCompleted", Stage_Info=stage),
        line(Event="SparkListenerJobEnd", Job_ID=0, Completion_Time=T0 + 4002, Job_Result={"Result": "JobSucceeded"}),
        line(Event="org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart", time=T0 + 10, executionId=2),
        stretch=2.5,
    )
    assert executor["Timestamp"] == MIDNIGHT + 5
    assert executor["Executor Info"]["Registration Time"] == MIDNIGHT + 2
    assert job["Submission Time"] == MIDNIGHT + 2498  # 2497.5, to the even neighbour
    assert job["Stage Infos"][0]["Completion Time"] == MIDNIGHT + 10002  # 10002.5
    assert submitted["Stage Info"]["Submission Time"] == MIDNIGHT + 2
    assert task["Task Info"] == {
        "Task ID": 5,
        "Launch Time": MIDNIGHT + 2500,
        "Getting Result Time": 0,
        "Finish Time": MIDNIGHT + 7500,
    }
    assert task["Task Metrics"] == {"Executor Run Time": 1900}
    assert completed["Stage Info"]["Submission Time"] == MIDNIGHT + 2500
    assert completed["Stage Info"]["Accumulables"] == [{"Value": T0}]
    assert ended["Completion Time"] == MIDNIGHT + 10005
    assert sql["time"] == MIDNIGHT + 25


def test_the_times_of_streams() -> None:
    started, progressed = moved(
        b'{"Event":"org.apache.spark.sql.streaming.StreamingQueryListener$QueryStartedEvent","id":"s-1","runId":"r-1",'
        b'"name":"orders","timestamp":"2026-11-21T00:00:01.500Z"}\n',
        b'{"Event":"org.apache.spark.sql.streaming.StreamingQueryListener$QueryProgressEvent","progress":{"id":"s-1",'
        b'"timestamp":"2026-11-21T00:00:02.000Z","batchDuration":700,"durationMs":{"triggerExecution":700},'
        b'"eventTime":{"max":"2026-11-21T00:00:01.900Z","watermark":"1970-01-01T00:00:00.000Z"}}}\n',
        start_ms=MIDNIGHT - 1000,
        replace={"s-1": "s-77"},
    )
    assert started["timestamp"] == "2024-05-02T00:00:00.500Z"
    assert (started["id"], started["runId"]) == ("s-77", "r-1")
    assert progressed["progress"] == {
        "id": "s-77",
        "timestamp": "2024-05-02T00:00:01.000Z",
        "batchDuration": 700,
        "durationMs": {"triggerExecution": 700},
        "eventTime": {"max": "2024-05-02T00:00:00.900Z", "watermark": "1970-01-01T00:00:00.000Z"},
    }


def test_an_application_can_cross_midnight() -> None:
    (ended,) = moved(
        line(Event="SparkListenerApplicationEnd", Timestamp=T0 + 30_000), start_ms=MIDNIGHT - 600_000, stretch=120
    )
    assert dt.datetime.fromtimestamp(ended["Timestamp"] / 1000, dt.UTC).isoformat() == "2024-05-02T00:50:00+00:00"


def test_names_are_replaced_as_whole_words_in_texts_only_and_all_at_once() -> None:
    (task,) = moved(
        b'{"Event":"X","Host":"10.139.64.4","Near":"10.139.64.40","Peer":"10.139.64.5","77":77,"Group":"9_8_job-77-run-1-a",'
        b'"Text":["(10.139.64.4 executor 1)","job-771-run-1",{"Deep":"app-1-0000/0"}]}\n',
        host_map={"10.139.64.4": "10.139.64.5", "10.139.64.5": "10.139.64.4"},
        replace={"job-77-run-1": "job-5-run-6", "77": "never a number or a key"},
    )
    assert task == {
        "Event": "X",
        "Host": "10.139.64.5",
        "Near": "10.139.64.40",
        "Peer": "10.139.64.4",
        "77": 77,
        "Group": "9_8_job-5-run-6-a",
        "Text": ["(10.139.64.5 executor 1)", "job-771-run-1", {"Deep": "app-9-0001/0"}],
    }


@pytest.mark.parametrize("event", ["SparkListenerJobStart", "SparkListenerStageSubmitted"])
def test_properties_are_set_and_removed(event: str) -> None:
    before = {
        "user": "analyst@example.com",
        "spark.databricks.clusterUsageTags.clusterAllTags": '[{"key":"ClusterId","value":"0502-123456-abcd123"}]',
        "secret": "not-a-real-secret",
    }
    (after,) = moved(
        line(Event=event, Properties=before),
        cluster_id="0601-000000-efgh456",
        spark_context_id="42",
        properties={"spark.databricks.job.id": "5", "secret": None},
    )
    assert after["Properties"] == {
        "user": "analyst@example.com",
        "spark.databricks.clusterUsageTags.clusterAllTags": '[{"key":"ClusterId","value":"0601-000000-efgh456"}]',
        "spark.databricks.sparkContextId": "42",
        "spark.databricks.clusterUsageTags.clusterId": "0601-000000-efgh456",
        "spark.databricks.job.id": "5",
    }


def test_the_spark_properties_get_them_too() -> None:
    environment = beginning(cluster_id="0601-000000-efgh456")[2]
    assert environment["Spark Properties"]["spark.databricks.clusterUsageTags.clusterId"] == "0601-000000-efgh456"


def test_a_stretch_below_one_and_a_log_without_a_beginning_are_refused() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        beginning(stretch=0.5)
    with pytest.raises(SourceError, match="no SparkListenerApplicationStart"):
        list(retime(application()[:3], start_ms=0, app_id="a"))
    with pytest.raises(SourceError, match="no recorded event log 'absent'"):
        recorded("absent")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"Event": "SparkListenerJobStart", "Submission Time": 5}, 5),
        ({"Event": "SparkListenerJobEnd", "Completion Time": 6}, 6),
        ({"Event": "SparkListenerStageSubmitted", "Stage Info": {"Submission Time": 7}}, 7),
        ({"Event": "SparkListenerStageCompleted", "Stage Info": {"Submission Time": 7, "Completion Time": 8}}, 8),
        ({"Event": "SparkListenerTaskStart", "Task Info": {"Launch Time": 9, "Finish Time": 0}}, 9),
        ({"Event": "SparkListenerTaskEnd", "Task Info": {"Launch Time": 9, "Finish Time": 10}}, 10),
        ({"Event": "SparkListenerExecutorRemoved", "Timestamp": 11}, 11),
        ({"Event": "org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionEnd", "time": 12}, 12),
        ({"Event": "…QueryStartedEvent", "timestamp": "1970-01-01T00:00:00.013Z"}, 13),
        ({"Event": "…QueryProgressEvent", "progress": {"timestamp": "1970-01-01T00:00:01.000Z"}}, 1000),
        ({"Event": "SparkListenerStageSubmitted", "Stage Info": {}}, None),
        ({"Event": "SparkListenerEnvironmentUpdate", "Spark Properties": {}}, None),
    ],
)
def test_own_time(event: Mapping[str, Any], expected: int | None) -> None:
    assert own_time(event) == expected


def test_until_gives_the_beginning_of_the_file() -> None:
    lines = [
        line(Event="SparkListenerLogStart"),
        line(Event="SparkListenerJobStart", Submission_Time=100),
        line(Event="Timeless"),
        line(Event="SparkListenerJobEnd", Completion_Time=200),
        line(Event="SparkListenerJobStart", Submission_Time=199),  # written after a later one, so not there before it
    ]
    assert list(until(lines, 99)) == lines[:1]
    assert list(until(lines, 100)) == lines[:3]
    assert list(until(lines, 199)) == lines[:3]
    assert list(until(lines, 200)) == lines
