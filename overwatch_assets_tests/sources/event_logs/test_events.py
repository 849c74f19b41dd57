"""A record's own time and an application's identity."""

from typing import Any

import pytest

from overwatch_assets.sources.event_logs.events import application_log_id, event_time_ms, log_id_of

T = 1_714_653_400_000  # 2024-05-02T12:36:40Z


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"Event": "SparkListenerApplicationStart", "Timestamp": T}, T),
        ({"Event": "org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart", "time": T}, T),
        ({"Event": "SparkListenerJobEnd", "Completion Time": T}, T),
        ({"Event": "SparkListenerJobStart", "Submission Time": T, "Stage Infos": []}, T),
        ({"Event": "SparkListenerTaskStart", "Task Info": {"Launch Time": T, "Finish Time": T + 9}}, T),
        ({"Event": "SparkListenerTaskEnd", "Task Info": {"Launch Time": T, "Finish Time": T + 9}}, T + 9),
        ({"Event": "SparkListenerTaskGettingResult", "Task Info": {"Launch Time": T, "Finish Time": 0}}, T),
        ({"Event": "SparkListenerStageSubmitted", "Stage Info": {"Submission Time": T, "Completion Time": T + 9}}, T),
        (
            {"Event": "SparkListenerStageCompleted", "Stage Info": {"Submission Time": T, "Completion Time": T + 9}},
            T + 9,
        ),
        ({"Event": "SparkListenerStageCompleted", "Stage Info": {"Submission Time": T}}, T),
        ({"Event": "q", "timestamp": "2024-05-02T12:36:40.123Z"}, T + 123),
        ({"Event": "q", "timestamp": "2024-05-02T14:36:40+02:00"}, T),
        ({"Event": "q", "timestamp": str(T)}, T),
        ({"Event": "q", "progress": {"timestamp": "2024-05-02T12:36:40.000Z"}}, T),
        ({"Event": "q", "progress": '{"timestamp":"2024-05-02T12:36:40.000Z"}'}, None),
        ({"Event": "q", "timestamp": "yesterday"}, None),
        ({"Event": "q", "timestamp": "2024-02-30T00:00:00Z"}, None),
        ({"Event": "q", "Timestamp": str(T)}, None),
        ({"Event": "q", "Timestamp": float(T)}, None),
        ({"Event": "q", "Timestamp": True}, None),
        ({"Event": "q", "Timestamp": 253_402_300_800_000, "time": T}, T),
        ({"Event": "q", "Timestamp": -1, "time": T}, T),
        ({"Event": "SparkListenerTaskStart", "Task Info": "gone"}, None),
        ({"Event": ["q"], "time": T}, T),
        ({"Event": "SparkListenerLogStart", "Spark Version": "3.5.1"}, None),
    ],
)
def test_event_time(event: dict[str, Any], expected: int | None) -> None:
    assert event_time_ms(event) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"App ID": "app-20240502-0001"}, "app-20240502-0001"),
        ({"App ID": "application_1714_0001", "App Attempt ID": "2"}, "application_1714_0001_2"),
        ({"App ID": "application_1714_0001", "App Attempt ID": None}, "application_1714_0001"),
        ({"App ID": "", "App Name": "x"}, None),
        ({"App ID": 5}, None),
        ({"App ID": "a", "Event": "SparkListenerApplicationEnd"}, None),
    ],
)
def test_application_log_id(event: dict[str, Any], expected: str | None) -> None:
    assert application_log_id({"Event": "SparkListenerApplicationStart", **event}) == expected


def test_identity_is_spelled_as_spark_spells_file_names() -> None:
    # Spark 4.2's own answer for this name, printed by written_by_spark/record.py
    assert log_id_of("App 1:a/b.$c{d}'e\"F") == "app-1-a-b__c_d__e_f"
    assert log_id_of(log_id_of("App 1.x", "A")) == "app-1_x_a"
