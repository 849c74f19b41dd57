"""bronze.md 5.9."""

import datetime as dt
import json
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from overwatch_assets.bronze.warehouses_snapshot_bronze import warehouses_snapshot_bronze

pytestmark = pytest.mark.engine

NOW_MS = 1714653296123  # 2024-05-02T12:34:56.123Z


def load(spark: SparkSession, *bodies: dict[str, Any]) -> list[Row]:
    rows = [(f"w{n}", json.dumps(body), NOW_MS) for n, body in enumerate(bodies)]
    frame = spark.createDataFrame(rows, "id string, body string, fetched_ms bigint")
    return sorted(warehouses_snapshot_bronze(frame).collect(), key=lambda r: r["warehouse_id"])


def test_a_described_warehouse(spark: SparkSession) -> None:
    (row,) = load(
        spark,
        {
            "id": "w0",
            "name": "BI",
            "cluster_size": "Small",
            "size": "SMALL",
            "min_num_clusters": 1,
            "max_num_clusters": "3",
            "auto_stop_mins": 15,
            "auto_resume": True,
            "creator_name": "ana@example.com",
            "creator_id": 4242,
            "spot_instance_policy": "COST_OPTIMIZED",
            "enable_photon": True,
            "enable_serverless_compute": False,
            "warehouse_type": "PRO",
            "num_clusters": 1,
            "num_active_sessions": 0,
            "state": "RUNNING",
            "channel": {"name": "CHANNEL_NAME_CURRENT"},
            "jdbc_url": "jdbc:spark://host",
            "odbc_params": {"hostname": "host", "port": 443, "path": None},
            "health": {"status": "HEALTHY"},
            "new_field": 1,
        },
    )
    assert (row["warehouse_id"], row["snapshot_date"], row["snapshot_ms"]) == ("w0", dt.date(2024, 5, 2), NOW_MS)
    assert (row["name"], row["cluster_size"], row["size"], row["state"]) == ("BI", "Small", "SMALL", "RUNNING")
    assert (row["min_num_clusters"], row["max_num_clusters"], row["auto_stop_mins"]) == (1, 3, 15)
    assert (row["auto_resume"], row["enable_photon"], row["enable_serverless_compute"]) == (True, True, False)
    assert (row["warehouse_type"], row["creator_name"], row["creator_id"]) == ("PRO", "ana@example.com", 4242)
    assert (row["num_clusters"], row["num_active_sessions"]) == (1, 0)
    assert row["channel"]["name"] == "CHANNEL_NAME_CURRENT"
    assert row["odbc_params"] == {"hostname": "host", "port": "443"}
    assert (row["tags"], row["health"]["status"]) == (None, "HEALTHY")
    assert json.loads(row["value"])["new_field"] == 1


def test_tags_are_key_to_value(spark: SparkSession) -> None:
    """The original made of them one entry, `custom_tags`, with the list as text."""

    def told(*tags: Any) -> dict[str, Any]:
        return {"tags": {"custom_tags": list(tags)}}

    found = load(
        spark,
        told({"key": "cost center", "value": "4711"}, {"key": "team", "value": None}),
        told(),
        {"tags": {}},
        told({"key": None, "value": "x"}, {"key": "", "value": "y"}, {"key": "a", "value": "1"}),
        told({"key": "a", "value": "1"}, {"key": "a", "value": "2"}),
        {"tags": "none"},
    )
    assert [r["tags"] for r in found] == [
        {"cost center": "4711", "team": None},
        {},
        None,
        {"a": "1"},
        {"a": "2"},
        None,
    ]
