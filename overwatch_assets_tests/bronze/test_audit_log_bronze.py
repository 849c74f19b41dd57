import datetime as dt
import json
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from overwatch_assets.bronze.audit_log_bronze import audit_log_bronze
from overwatch_assets.rules.audit_records import cluster_id_of

pytestmark = pytest.mark.engine

FOLDER = dt.date(2024, 5, 2)


def load(spark: SparkSession, *lines: dict[str, Any] | str) -> list[Row]:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    rows = [("s3://a/x.json", n, n * 100, FOLDER, len(text), text) for n, text in enumerate(texts, 1)]
    columns = "file string, line bigint, pos bigint, day date, nbytes bigint, value string"
    return sorted(audit_log_bronze(spark.createDataFrame(rows, columns)).collect(), key=lambda r: r["fileLine"])


def test_columns_of_a_line(spark: SparkSession) -> None:
    line = {
        "serviceName": "jobs",
        "actionName": "runNow",
        "timestamp": "1714608000000",
        "requestParams": {"jobId": "77"},
    }
    (row,) = load(spark, line)
    assert row["date"] == dt.date(2024, 5, 2)
    assert (row["timestamp"], row["serviceName"], row["requestId"]) == (1714608000000, "jobs", None)
    assert (row["requestParams"]["jobId"], row["requestParams"]["cluster_id"]) == (77, None)
    assert (row["response"], row["userIdentity"]) == (None, None)
    assert (row["filename"], row["fileLine"], row["filePosition"]) == ("s3://a/x.json", 1, 100)
    assert row["droppedProperties"] == 0
    assert row["value"] == (
        '{"actionName":"runNow","requestParams":{"jobId":"77"},"serviceName":"jobs","timestamp":1714608000000}'
    )


def test_days(spark: SparkSession) -> None:
    record = {"serviceName": "s", "actionName": "a"}
    last_ms, first_ms = {**record, "timestamp": 1714607999999}, {**record, "timestamp": 1714608000000}
    found = load(spark, last_ms, first_ms, record)
    assert [r["date"] for r in found] == [dt.date(2024, 5, 1), dt.date(2024, 5, 2), FOLDER]


def test_hashes_tell_events_apart_and_not_their_deliveries(spark: SparkSession) -> None:
    record = {"serviceName": "s", "actionName": "a", "timestamp": 1}
    ordered, other_order = '{"a":"1","b":"2"}', '{"b":2,"a":"1","c":null}'
    rows = load(
        spark,
        {**record, "requestParams": json.loads(ordered)},
        {**record, "requestParams": json.loads(other_order)},
        {**record, "requestParams": other_order, "version": "3.0", "accountId": "a"},
        {**record, "requestParams": {"unknown": "1"}},
        {**record, "requestParams": {"token": "one"}},
        {**record, "requestParams": {"token": "two"}},
    )
    assert [r["lineHash"] == rows[0]["lineHash"] for r in rows] == [True, True, True, False, False, False]
    assert [r["hashKey"] == rows[0]["hashKey"] for r in rows] == [True, True, True, False, False, False]
    assert rows[4]["lineHash"] == rows[5]["lineHash"]  # a secret is in no hash either
    assert [r["delivery"] for r in rows[:3]] == [None, None, '{"accountId":"a","version":"3.0"}']


def test_lines_that_are_no_records_are_no_rows(spark: SparkSession) -> None:
    assert load(spark, "junk", '{"serviceName":"s"}', "[]") == []
    assert [r["fileLine"] for r in load(spark, "junk", {"serviceName": "s", "actionName": "a"}, "junk")] == [2]


def test_cluster_of_a_record(spark: SparkSession) -> None:
    def cluster(service: str, action: str, result: str | None = None) -> tuple[str | None, str | None]:
        line = {
            "serviceName": service,
            "actionName": action,
            "requestParams": {"clusterId": "camel", "cluster_id": "snake"},
            "response": {"result": result},
        }
        texts = [("f", 1, 0, FOLDER, 1, json.dumps(line))]
        frame = spark.createDataFrame(
            texts, "file string, line bigint, pos bigint, day date, nbytes bigint, value string"
        )
        found = audit_log_bronze(frame).select(
            cluster_id_of(jobs=False).alias("a"), cluster_id_of(jobs=True).alias("b")
        )
        (row,) = found.collect()
        return row["a"], row["b"]

    assert cluster("clusters", "deleteResult") == ("camel", "camel")
    assert cluster("clusters", "edit") == ("snake", "snake")
    assert cluster("clusters", "create", '{"cluster_id":"made"}') == ("made", "made")
    assert cluster("clusters", "create", "no JSON") == (None, None)
    assert cluster("jobs", "runStart") == ("snake", "camel")
    assert cluster("notebook", "attachNotebook") == ("snake", "snake")
