import datetime as dt
import json
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from overwatch_assets.bronze.clusters_snapshot_bronze import clusters_snapshot_bronze

pytestmark = pytest.mark.engine

NOW_MS = 1714653296123  # 2024-05-02T12:34:56.123Z


def load(spark: SparkSession, **body: Any) -> Row:
    rows = [("c1", json.dumps(body), NOW_MS)]
    (row,) = clusters_snapshot_bronze(
        spark.createDataFrame(rows, "cluster_id string, body string, fetched_ms bigint")
    ).collect()
    return row


def test_a_described_cluster(spark: SparkSession) -> None:
    row = load(
        spark,
        cluster_id="c1",
        cluster_name="etl",
        num_workers=2,
        autoscale={"min_workers": 1, "max_workers": "8"},
        cluster_log_conf={"dbfs": {"destination": "dbfs:/logs"}},
        init_scripts=[{"workspace": {"destination": "/x"}}, {"dbfs": {"destination": "dbfs:/y"}}],
        default_tags={"Vendor": "Databricks", "JobId": 77, "none": None},
        aws_attributes={"zone_id": "us-east-1a", "first_on_demand": 1},
        spark_context_id=5183276408972317000,
        cluster_cores=8,
        termination_reason={"code": "INACTIVITY", "type": "SUCCESS", "parameters": {"inactivity_duration_min": "30"}},
        spec={"cluster_name": "etl"},
    )
    assert (row["cluster_id"], row["snapshot_date"], row["cluster_name"]) == ("c1", dt.date(2024, 5, 2), "etl")
    assert row["fetched_ts"].replace(tzinfo=None).microsecond == 123000
    assert row["num_workers"] == 2
    assert row["autoscale"].asDict() == {"max_workers": 8, "min_workers": 1}
    assert row["cluster_log_conf"]["dbfs"]["destination"] == "dbfs:/logs"
    assert row["cluster_log_conf"]["s3"] is None
    assert [s["workspace"] and s["workspace"]["destination"] for s in row["init_scripts"]] == ["/x", None]
    assert row["default_tags"] == {"Vendor": "Databricks", "JobId": "77"}
    assert row["aws_attributes"] == {"zone_id": "us-east-1a", "first_on_demand": "1"}
    assert (row["spark_context_id"], row["cluster_cores"]) == (5183276408972317000, 8.0)
    assert row["termination_reason"]["parameters"] == {"inactivity_duration_min": "30"}
    assert "spec" not in row.asDict()
    assert json.loads(row["value"])["spec"] == {"cluster_name": "etl"}


def test_map_names_are_scrubbed_but_for_those_that_would_become_one(spark: SparkSession) -> None:
    row = load(spark, spark_conf={"spark.a b.c": "1", "x.y": "2", "x_y": "3"})
    assert row["spark_conf"] == {"spark_ab_c": "1", "x.y": "2", "x_y": "3"}


def test_secrets_are_counted(spark: SparkSession) -> None:
    row = load(spark, spark_conf={"a.token": "hunter2"}, docker_image={"basic_auth": {"password": "hunter2"}})
    assert (row["droppedProperties"], row["spark_conf"]) == (2, {})
    assert json.loads(row["value"]) == {"spark_conf": {}, "docker_image": {"basic_auth": {}}}


def test_fields_of_wrong_types_are_null_and_the_rest_stays(spark: SparkSession) -> None:
    row = load(spark, num_workers="many", executors={"a": 1}, driver=[1], default_tags="x", state=5, cluster_name="etl")
    assert [row[c] for c in ("num_workers", "executors", "driver", "default_tags")] == [None] * 4
    assert (row["state"], row["cluster_name"]) == ("5", "etl")
