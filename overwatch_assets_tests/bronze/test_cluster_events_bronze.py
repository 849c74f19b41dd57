import datetime as dt
import json
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from overwatch_assets.bronze.cluster_events_bronze import cluster_events_bronze

pytestmark = pytest.mark.engine

AT = 1714694399999  # 2024-05-02T23:59:59.999Z


def load(spark: SparkSession, *events: dict[str, Any]) -> list[Row]:
    rows = [("c1", json.dumps(event)) for event in events]
    return cluster_events_bronze(spark.createDataFrame(rows, "cluster_id string, body string")).collect()


def one(spark: SparkSession, **event: Any) -> Row:
    (row,) = load(spark, event)
    return row


def test_an_event_with_its_details(spark: SparkSession) -> None:
    row = one(
        spark,
        cluster_id="c1",
        timestamp=AT,
        type="EDITED",
        details={
            "attributes": {"cluster_name": "etl", "spark_conf": {"spark.x y": "1"}, "node_type_id": "i3.xlarge"},
            "previous_attributes": {"cluster_name": "old", "custom_tags": {"team": "fin"}},
            "cluster_size": {"autoscale": {"min_workers": 1, "max_workers": 8}},
            "previous_cluster_size": {"num_workers": 2},
            "current_num_workers": 1,
            "target_num_workers": "3",
            "user": "ana@example.com",
            "cause": "AUTOSCALE",
            "reason": {"code": "INACTIVITY", "type": "SUCCESS", "parameters": {"inactivity_duration_min": "30"}},
            "disk_size": 107374182400,
            "previous_disk_size": 1,
            "free_space": 2,
            "instance_id": "i-1",
            "driver_state_message": "fine",
            "job_run_name": "job-1",
            "did_not_expand_reason": "QUOTA",
            "new_field": [1],
        },
    )
    assert (row["cluster_id"], row["timestamp"], row["type"]) == ("c1", AT, "EDITED")
    assert row["date"] == dt.date(2024, 5, 2)
    details = row["details"]
    assert details["attributes"]["spark_conf"] == {"spark_xy": "1"}
    assert details["previous_attributes"]["custom_tags"] == {"team": "fin"}
    assert details["cluster_size"]["autoscale"].asDict() == {"min_workers": 1, "max_workers": 8}
    assert (details["cluster_size"]["num_workers"], details["previous_cluster_size"]["num_workers"]) == (None, 2)
    assert (details["current_num_workers"], details["target_num_workers"]) == (1, 3)
    assert (details["disk_size"], details["previous_disk_size"], details["free_space"]) == (107374182400, 1, 2)
    assert (details["user"], details["cause"], details["reason"]["code"]) == (
        "ana@example.com",
        "AUTOSCALE",
        "INACTIVITY",
    )
    assert [details[n] for n in ("instance_id", "driver_state_message", "job_run_name", "did_not_expand_reason")] == [
        "i-1",
        "fine",
        "job-1",
        "QUOTA",
    ]
    assert json.loads(row["value"])["details"]["new_field"] == [1]


def test_two_events_of_one_type_and_millisecond_have_two_hashes_and_one_event_has_one(spark: SparkSession) -> None:
    events = [{"timestamp": AT, "type": "NODES_LOST", "details": {"instance_id": i}} for i in ("i-1", "i-2", "i-1")]
    first, second, again = (row["eventHash"] for row in load(spark, *events))
    assert first != second
    assert first == again


def test_secrets_are_cut_out_and_counted(spark: SparkSession) -> None:
    row = one(spark, timestamp=AT, type="EDITED", details={"attributes": {"spark_conf": {"a.token": "hunter2"}}})
    assert (row["droppedProperties"], row["details"]["attributes"]["spark_conf"]) == (1, {})
    assert "hunter2" not in row["value"]


def test_an_unknown_type_without_details_and_details_of_other_types_are_rows(spark: SparkSession) -> None:
    row = one(spark, timestamp=AT, type="BRAND_NEW")
    assert (row["type"], row["details"]) == ("BRAND_NEW", None)
    row = one(spark, timestamp=AT, type="RUNNING", details={"current_num_workers": "some", "user": 5})
    assert (row["details"]["current_num_workers"], row["details"]["user"]) == (None, "5")
