"""silver.md 9; the rules themselves are tested in rules/test_cluster_states.py."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession, functions as F

from overwatch_assets.bronze.audit_log_bronze import audit_log_bronze
from overwatch_assets.bronze.cluster_events_bronze import cluster_events_bronze
from overwatch_assets.silver.cluster_spec_silver import cluster_spec_silver
from overwatch_assets.silver.cluster_state_detail_silver import cluster_state_detail_silver
from overwatch_assets.silver.jobrun_silver import jobrun_silver
from overwatch_assets_tests.literal_rows import from_the_first, rows_of

pytestmark = pytest.mark.engine

T0 = 1709330400000  # 2024-03-01T22:00:00Z
M, H = 60_000, 3_600_000


def event(ms: int, kind: str, cluster: str = "c1", **details: Any) -> dict[str, Any]:
    return {"cluster_id": cluster, "timestamp": ms, "type": kind, "details": details, "eventHash": ms}


def states(
    spark: SparkSession,
    *events: dict[str, Any],
    until: int = T0 + 5 * H,
    audit: list[dict[str, Any]] | None = None,
    runs: list[dict[str, Any]] | None = None,
    specs: list[dict[str, Any]] | None = None,
) -> list[Row]:
    ids = sorted({e["cluster_id"] for e in events} | {a["event_cluster_id"] for a in audit or []})
    spans = spark.createDataFrame([(c,) for c in ids], "cluster_id string").select(
        "cluster_id",
        F.struct(F.lit(until).alias("cluster_events_bronze")).alias("loaded_until"),
        F.lit(90).cast("bigint").alias("max_state_days"),
        *from_the_first(cluster_state_detail_silver),
    )
    found = cluster_state_detail_silver(
        spans,
        rows_of(spark, cluster_events_bronze, *events),
        rows_of(spark, audit_log_bronze, *(audit or [])),
        rows_of(spark, jobrun_silver, *(runs or [])),
        rows_of(spark, cluster_spec_silver, *(specs or [])),
    )
    return sorted(found.collect(), key=lambda r: (r["cluster_id"], r["unixTimeMS_state_start"]))


def test_columns_of_a_state(spark: SparkSession) -> None:
    found = states(
        spark,
        event(T0, "CREATING", cluster_size={"autoscale": {"min_workers": 2, "max_workers": 8}}),
        event(T0 + 6 * M, "RUNNING", current_num_workers=2, target_num_workers=2),
        event(T0 + 90 * M, "UPSIZE_COMPLETED", current_num_workers=6, target_num_workers=6),
        event(T0 + 180 * M, "TERMINATING"),
    )
    assert [r["state"] for r in found] == ["CREATING", "RUNNING", "UPSIZE_COMPLETED", "TERMINATING"]
    state = found[2].asDict()
    assert (state["isRunning"], state["cloud_billable"], state["databricks_billable"]) == (True, True, True)
    assert (state["unixTimeMS_state_start"], state["unixTimeMS_state_end"]) == (T0 + 90 * M, T0 + 180 * M - 1)
    assert state["unixTimeMS_state_end_exclusive"] == T0 + 180 * M
    assert (state["uptime_in_state_S"], state["uptime_in_state_H"]) == (5400.0, 1.5)
    assert (state["counter_reset"], state["reset_partition"], state["uptime_since_restart_S"]) == (0, T0, 10800.0)
    assert (state["current_num_workers"], state["target_num_workers"]) == (6, 6)
    assert state["timestamp_state_start"].isoformat() == "2024-03-01T23:30:00"
    assert (state["state_start_date"], state["days_in_state"]) == (dt.date(2024, 3, 1), 2)
    assert state["state_dates"] == [dt.date(2024, 3, 1), dt.date(2024, 3, 2)]
    assert [(r["is_open"], r["is_imputed"]) for r in found] == [(False, False)] * 3 + [(True, False)]
    assert (found[0]["databricks_billable"], found[0]["current_num_workers"]) == (False, 2)
    assert found[3]["unixTimeMS_state_end_exclusive"] == T0 + 5 * H


def test_init_scripts_cost_no_dbus(spark: SparkSession) -> None:
    found = states(spark, event(T0, "CREATING"), event(T0 + M, "INIT_SCRIPTS_STARTED"), event(T0 + 2 * M, "RUNNING"))
    assert [r["databricks_billable"] for r in found] == [False, False, True]
    assert all(r["cloud_billable"] for r in found)


def test_runs_definitions_and_audit_logs_say_when_a_cluster_ended(spark: SparkSession) -> None:
    ended = {"response": {"statusCode": 200}, "actionName": "delete", "event_cluster_id": "shared", "timestamp": T0 + H}
    refused = {**ended, "response": {"statusCode": 403}, "timestamp": T0 + 30 * M}
    gone = {**ended, "actionName": "permanentDelete", "timestamp": T0 + 2 * H}
    found = states(
        spark,
        event(T0, "RUNNING", "job"),
        event(T0, "RUNNING", "shared"),
        audit=[ended, refused, gone, {**gone, "event_cluster_id": "no events"}],
        runs=[
            {"clusterId": "job", "runId": 1, "startEpochMS": T0, "endEpochMS": T0 + H, "is_open": False},
            {"clusterId": "job", "runId": 2, "startEpochMS": None, "is_open": False},
        ],
        specs=[
            {"cluster_id": "job", "timestamp": T0, "sequence": 0, "is_automated": True, "num_workers": 4},
            {"cluster_id": "shared", "timestamp": T0, "sequence": 0, "autoscale": '{"min_workers":3,"max_workers":9}'},
        ],
    )
    told = [
        (
            r["cluster_id"],
            r["state"],
            r["unixTimeMS_state_end_exclusive"] - T0,
            r["current_num_workers"],
            r["is_imputed"],
        )
        for r in found
    ]
    assert told == [
        ("job", "RUNNING", H, 4, False),
        ("job", "TERMINATING_IMPUTED", H, 0, True),
        ("shared", "RUNNING", H, 3, False),
        ("shared", "TERMINATING_IMPUTED", 2 * H, 0, True),
        ("shared", "PERMENANT_DELETE", 2 * H, 0, False),
    ]


@pytest.mark.parametrize(
    ("limits", "workers"),
    [
        ('{"min_workers":"2"}', 2),
        *((odd, None) for odd in ("null", "[]", "{", "{}", '{"min_workers":2', '{"min_workers":"x"}')),
    ],
)
def test_limits_that_say_no_number_leave_the_workers_unknown(
    spark: SparkSession, limits: str, workers: int | None
) -> None:
    spec = {"cluster_id": "c1", "timestamp": T0, "sequence": 0, "autoscale": limits}
    assert [r["current_num_workers"] for r in states(spark, event(T0, "RUNNING"), specs=[spec])] == [workers]
