"""silver.md 12; the rules themselves are tested in rules/test_warehouse_states.py."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession, functions as F

from overwatch_assets.bronze.audit_log_bronze import audit_log_bronze
from overwatch_assets.bronze.warehouse_events_bronze import warehouse_events_bronze
from overwatch_assets.bronze.warehouses_snapshot_bronze import warehouses_snapshot_bronze
from overwatch_assets.silver.warehouse_spec_silver import warehouse_spec_silver
from overwatch_assets.silver.warehouse_state_detail_silver import warehouse_state_detail_silver
from overwatch_assets_tests.literal_rows import from_the_first, rows_of

pytestmark = pytest.mark.engine

T0 = 1709330400000  # 2024-03-01T22:00:00Z
M, H = 60_000, 3_600_000
Rows = list[dict[str, Any]]


def event(ms: int, kind: str, clusters: int | None = None, warehouse: str = "w") -> dict[str, Any]:
    return {"warehouse_id": warehouse, "timestamp": ms, "event_type": kind, "cluster_count": clusters, "eventHash": ms}


def audited(action: str, ms: int, warehouse: str = "w", status: int = 200) -> dict[str, Any]:
    answer = {"statusCode": status}
    return {"event_warehouse_id": warehouse, "actionName": action, "timestamp": ms, "response": answer}


def states(
    spark: SparkSession, *events: dict[str, Any], audit: Rows | None = None, seen: Rows | None = None,
    specs: Rows | None = None,
) -> list[Row]:  # fmt: skip
    ids = sorted({e["warehouse_id"] for e in events} | {a["event_warehouse_id"] for a in audit or []})
    spans = spark.createDataFrame([(w,) for w in ids], "warehouse_id string").select(
        "warehouse_id",
        F.struct(F.lit(T0 + 5 * H).alias("warehouse_events_bronze")).alias("loaded_until"),
        F.lit(90).cast("bigint").alias("max_state_days"),
        *from_the_first(warehouse_state_detail_silver),
    )
    found = warehouse_state_detail_silver(
        spans,
        rows_of(spark, warehouse_events_bronze, *events),
        rows_of(spark, audit_log_bronze, *(audit or [])),
        rows_of(spark, warehouses_snapshot_bronze, *(seen or [])),
        rows_of(spark, warehouse_spec_silver, *(specs or [])),
    )
    return sorted(found.collect(), key=lambda r: (r["warehouse_id"], r["unixTimeMS_state_start"]))


def test_columns_of_a_state(spark: SparkSession) -> None:
    found = states(
        spark,
        event(T0, "STARTING", 0),
        event(T0 + 6 * M, "RUNNING", 1),
        event(T0 + 90 * M, "SCALED_UP", 3),
        event(T0 + 180 * M, "STOPPING", 3),
        event(T0 + 181 * M, "STOPPED", 0),
        specs=[{"warehouse_id": "w", "timestamp": T0, "sequence": 0, "min_num_clusters": 1, "max_num_clusters": 4}],
    )
    assert [r["state"] for r in found] == ["STARTING", "RUNNING", "SCALED_UP", "STOPPING", "STOPPED"]
    state = found[2].asDict()
    assert (state["isRunning"], state["cloud_billable"], state["databricks_billable"]) == (True, True, True)
    assert (state["unixTimeMS_state_start"], state["unixTimeMS_state_end"]) == (T0 + 90 * M, T0 + 180 * M - 1)
    assert state["unixTimeMS_state_end_exclusive"] == T0 + 180 * M
    assert (state["uptime_in_state_S"], state["uptime_in_state_H"]) == (5400.0, 1.5)
    assert (state["state_transition_flag"], state["state_transition_flag_sum"]) == (0, T0)
    assert state["uptime_since_restart_S"] == 10800.0
    assert (state["current_num_clusters"], state["target_num_clusters"]) == (3, 4)
    assert state["timestamp_state_start"].isoformat() == "2024-03-01T23:30:00"
    assert (state["state_start_date"], state["days_in_state"]) == (dt.date(2024, 3, 1), 2)
    assert state["state_dates"] == [dt.date(2024, 3, 1), dt.date(2024, 3, 2)]
    assert [r["databricks_billable"] for r in found] == [False, True, True, False, False]
    assert [r["cloud_billable"] for r in found] == [True, True, True, False, False]
    assert [(r["is_open"], r["is_imputed"]) for r in found] == [(False, False)] * 4 + [(True, False)]
    assert found[4]["unixTimeMS_state_end_exclusive"] == T0 + 5 * H


def test_without_any_audit_record_snapshot_or_definition_events_are_states(spark: SparkSession) -> None:
    """The original skipped all events of a window whose audit logs had no request for a warehouse."""
    found = states(spark, event(T0, "RUNNING", 2))
    assert [(r["state"], r["current_num_clusters"], r["target_num_clusters"]) for r in found] == [("RUNNING", 2, 2)]


@pytest.mark.parametrize("action", ["deleteEndpoint", "deleteWarehouse"])
def test_both_deletions_close_a_warehouse(spark: SparkSession, action: str) -> None:
    found = states(spark, event(T0, "RUNNING", 2), audit=[audited(action, T0 + H)])
    assert [(r["state"], r["unixTimeMS_state_end_exclusive"] - T0, r["is_open"]) for r in found] == [
        ("RUNNING", H, False),
        ("PERMENANT_DELETE", H, False),
    ]


def test_requests_and_snapshots_say_when_a_warehouse_stopped(spark: SparkSession) -> None:
    found = states(
        spark,
        event(T0, "RUNNING", 1, "asked"),
        event(T0, "RUNNING", 1, "refused"),
        event(T0, "RUNNING", 1, "seen"),
        audit=[
            audited("stopEndpoint", T0 + 2 * H, "asked"),
            audited("stopWarehouse", T0 + H, "refused", status=403),
            audited("stopWarehouse", T0 + H, "no events"),
        ],
        seen=[
            {"warehouse_id": "seen", "snapshot_ms": T0 + H, "state": "RUNNING"},
            {"warehouse_id": "seen", "snapshot_ms": T0 + 3 * H, "state": "STOPPED"},
        ],
    )
    assert [(r["warehouse_id"], r["state"], (r["unixTimeMS_state_start"] - T0) / H) for r in found] == [
        ("asked", "RUNNING", 0),
        ("asked", "STOPPING_IMPUTED", 2),
        ("refused", "RUNNING", 0),
        ("seen", "RUNNING", 0),
        ("seen", "STOPPING_IMPUTED", 3),
    ]
    assert [r["is_imputed"] for r in found] == [False, True, False, False, True]
