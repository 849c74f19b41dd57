"""SQL queries as they were told last, from answers of the API; worked out by hand."""

import json
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from overwatch_assets.bronze.sql_query_history_bronze import sql_query_history_bronze
from overwatch_assets.gold.sql_query_history_gold import sql_query_history_gold
from overwatch_assets.silver.sql_query_history_silver import sql_query_history_silver
from overwatch_assets_tests.definition_lines import DAY, Record, audit, record

pytestmark = pytest.mark.engine


def told(query_id: str = "q1", **more: Any) -> dict[str, Any]:
    known = {"query_id": query_id, "warehouse_id": "w1", "query_start_time_ms": DAY, "status": "FINISHED"}
    return {**known, "is_final": True, **more}


def rows(spark: SparkSession, *answers: dict[str, Any], logged: tuple[Record, ...] = ()) -> list[Row]:
    bodies = spark.createDataFrame([(json.dumps(a, sort_keys=True),) for a in answers], "body string")
    found = sql_query_history_silver(spark.range(0), sql_query_history_bronze(bodies), audit(spark, *logged))
    gold = sql_query_history_gold(spark.range(0), found)
    return sorted(gold.collect(), key=lambda r: (r["query_id"], r["warehouse_id"] or ""))


def test_fields_and_metrics_stand_side_by_side(spark: SparkSession) -> None:
    (row,) = rows(
        spark,
        told(
            query_text="select 1",
            user_id=4242,
            user_name="ana@corp.com",
            duration=1500,
            rows_produced=1,
            query_end_time_ms=DAY + 1500,
            metrics={"total_time_ms": 1500, "read_bytes": 0, "result_from_cache": False, "rows_read_count": "7"},
        ),
    )
    assert (row["query_text"], row["user_id"], row["user_name"], row["duration"]) == (
        "select 1",
        4242,
        "ana@corp.com",
        1500,
    )
    assert (row["total_time_ms"], row["read_bytes"], row["result_from_cache"], row["rows_read_count"]) == (
        1500,
        0,
        False,
        7,
    )
    assert (row["compilation_time_ms"], row["error_message"]) == (None, None)
    assert str(row["date"]) == "2024-05-01"


def test_a_query_that_ran_when_it_was_asked_for_is_as_it_ended(spark: SparkSession) -> None:
    ran = told(status="RUNNING", is_final=False, duration=90_000)
    fetched = told(is_final=False, duration=70_000, query_end_time_ms=None)
    ended = told(duration=60_000, query_end_time_ms=DAY + 60_000)
    for answers in ([ran, fetched, ended], [ended, ran, fetched]):
        (row,) = rows(spark, *answers)
        assert (row["status"], row["duration"], row["is_final"]) == ("FINISHED", 60_000, True)
    (row,) = rows(spark, told(status="RUNNING", is_final=False, duration=10), ran)
    assert row["duration"] == 90_000


def test_one_id_on_two_warehouses_and_a_query_without_one_are_rows(spark: SparkSession) -> None:
    found = rows(spark, told(), told(warehouse_id="w2"), told(warehouse_id=None), told(warehouse_id=None))
    assert [r["warehouse_id"] for r in found] == [None, "w1", "w2"]


def test_where_a_query_was_sent_from_is_in_verbose_audit_logs(spark: SparkSession) -> None:
    sent = record("databrickssql", "commandSubmit", DAY - 100, by="ann@x", commandId="q1", warehouseId="w1")
    again = {**sent, "timestamp": DAY + 5, "sourceIPAddress": "1.1.1.1", "requestId": "later"}
    known, other = rows(spark, told(), told("q2"), logged=(again, sent))
    assert (known["submitted_by"], known["source_ip_address"], known["user_agent"]) == (
        "ann@x",
        "10.0.0.9",
        "a browser",
    )
    assert (other["submitted_by"], other["request_id"]) == (None, None)
