import datetime as dt
import json
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from overwatch_assets.bronze.pools_snapshot_bronze import pools_snapshot_bronze

pytestmark = pytest.mark.engine

NOW_MS = 1714653296123  # 2024-05-02T12:34:56.123Z


def load(spark: SparkSession, **body: Any) -> Row:
    rows = [("p1", json.dumps(body), NOW_MS)]
    (row,) = pools_snapshot_bronze(
        spark.createDataFrame(rows, "instance_pool_id string, body string, fetched_ms bigint")
    ).collect()
    return row


def test_a_described_pool(spark: SparkSession) -> None:
    row = load(
        spark,
        instance_pool_id="p1",
        instance_pool_name="small",
        node_type_id="i3.xlarge",
        min_idle_instances=0,
        max_capacity="20",
        idle_instance_autotermination_minutes=15,
        preloaded_spark_versions=["13.3.x-scala2.12"],
        state="ACTIVE",
        stats={"used_count": 2, "idle_count": 0, "pending_used_count": 0, "pending_idle_count": 0},
        status={"pending_instance_errors": [{"instance_id": "i-1", "message": "no capacity"}]},
        disk_spec={"disk_count": 1, "disk_size": 100, "disk_type": {"ebs_volume_type": "GENERAL_PURPOSE_SSD"}},
        custom_tags={"team x": "fin"},
        default_tags={"Vendor": "Databricks"},
        aws_attributes={"availability": "SPOT", "spot_bid_price_percent": 100},
        new_field={"n": 1},
    )
    assert (row["instance_pool_id"], row["snapshot_date"]) == ("p1", dt.date(2024, 5, 2))
    assert (row["instance_pool_name"], row["node_type_id"], row["state"]) == ("small", "i3.xlarge", "ACTIVE")
    assert (row["min_idle_instances"], row["max_capacity"], row["idle_instance_autotermination_minutes"]) == (0, 20, 15)
    assert row["preloaded_spark_versions"] == ["13.3.x-scala2.12"]
    assert row["stats"].asDict() == {"used_count": 2, "idle_count": 0, "pending_used_count": 0, "pending_idle_count": 0}
    assert row["status"]["pending_instance_errors"][0]["message"] == "no capacity"
    assert row["disk_spec"]["disk_type"]["ebs_volume_type"] == "GENERAL_PURPOSE_SSD"
    assert (row["custom_tags"], row["default_tags"]) == ({"teamx": "fin"}, {"Vendor": "Databricks"})
    assert row["aws_attributes"] == {"availability": "SPOT", "spot_bid_price_percent": "100"}
    assert (row["azure_attributes"], row["gcp_attributes"]) == (None, None)
    assert json.loads(row["value"])["new_field"] == {"n": 1}


def test_the_secrets_of_an_image_are_cut_out(spark: SparkSession) -> None:
    image = {"url": "x", "basic_auth": {"username": "u", "password": "hunter2"}}
    row = load(spark, instance_pool_name="small", preloaded_docker_images=[image])
    assert (row["instance_pool_name"], row["droppedProperties"]) == ("small", 1)
    assert "hunter2" not in row["value"]


def test_fields_of_wrong_types_are_null_and_the_rest_stays(spark: SparkSession) -> None:
    row = load(spark, stats="many", preloaded_spark_versions=5, max_capacity="lots", node_type_id="i3.xlarge")
    assert (row["stats"], row["preloaded_spark_versions"], row["max_capacity"]) == (None, None, None)
    assert row["node_type_id"] == "i3.xlarge"
