"""gold.md 7: from states, definitions and prices as rows to the fact table; the rules: rules/test_warehouse_costs.py."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from overwatch_assets.bronze.dbucostdetails import dbucostdetails
from overwatch_assets.bronze.warehousedbudetails import warehousedbudetails
from overwatch_assets.gold.warehousestatefact_gold import warehousestatefact_gold
from overwatch_assets.silver.warehouse_spec_silver import warehouse_spec_silver
from overwatch_assets.silver.warehouse_state_detail_silver import warehouse_state_detail_silver
from overwatch_assets_tests.literal_rows import rows_of

pytestmark = pytest.mark.engine

H = 3_600_000
T0 = 1709251200000  # 2024-03-01T00:00:00Z
Rows = list[dict[str, Any]]


def state(start: int, end: int, kind: str = "RUNNING", clusters: int = 1, **more: Any) -> dict[str, Any]:
    on = kind not in ("STOPPING", "STOPPED")
    return {
        "warehouse_id": "w",
        "state": kind,
        "isRunning": on,
        "unixTimeMS_state_start": T0 + start,
        "unixTimeMS_state_end": T0 + end - 1,
        "unixTimeMS_state_end_exclusive": T0 + end,
        "state_start_date": dt.date(2024, 3, 1),
        "current_num_clusters": clusters,
        "cloud_billable": on,
        "databricks_billable": on,
        "uptime_in_state_H": (end - start) / H,
        "is_open": False,
        **more,
    }


def spec(at: int = 0, name: str = "BI", size: str = "Small", kind: str = "PRO", **more: Any) -> dict[str, Any]:
    return {
        "warehouse_id": "w",
        "timestamp": T0 + at,
        "sequence": 0,
        "warehouse_name": name,
        "cluster_size": size,
        "warehouse_type": kind,
        "enable_serverless_compute": False,
        "tags": {"team": "fin"},
        **more,
    }


def size(name: str, dbus: int, workers: int, since: int = 0, until: int | None = None) -> dict[str, Any]:
    return {
        "cluster_size": name,
        "size_key": name.lower(),
        "driver_size": "big",
        "worker_size": "mid",
        "worker_count": workers,
        "total_dbus": dbus,
        "worker_vCPUs": 8,
        "driver_compute_price": 1.25,
        "worker_compute_price": 0.5,
        "valid_from_ms": T0 + since,
        "valid_until_ms": None if until is None else T0 + until,
    }


def facts(spark: SparkSession, states: Rows, specs: Rows) -> list[Row]:
    ids = sorted({s["warehouse_id"] for s in states})
    spans = spark.createDataFrame([(w, dt.date(2024, 3, 1)) for w in ids], "warehouse_id string, state_start_date date")
    rates = [
        {"sku": sku, "contract_price": price, "valid_from_ms": T0}
        for sku, price in (("sqlCompute", 0.22), ("sqlPro", 0.55), ("sqlServerless", 0.7))
    ]
    found = warehousestatefact_gold(
        spans,
        rows_of(spark, warehouse_state_detail_silver, *states),
        rows_of(spark, warehouse_spec_silver, *specs),
        rows_of(spark, warehousedbudetails, size("Small", 12, 4), size("Medium", 24, 8)),
        rows_of(spark, dbucostdetails, *rates),
    )
    return sorted(found.collect(), key=lambda r: (r["warehouse_id"], r["unixTimeMS_state_start"]))


def test_a_warehouse_that_scales_and_is_renamed_and_resized(spark: SparkSession) -> None:
    """One hour of one small cluster, two of three, one of one medium one, then it is off."""
    found = facts(
        spark,
        [
            state(0, H),
            state(H, 3 * H, "SCALED_UP", 3),
            state(3 * H, 4 * H, "SCALED_DOWN"),
            state(4 * H, 9 * H, "STOPPED", 0, is_open=True),
        ],
        [spec(), spec(3 * H, "BI 2", "Medium", tags={"team": "ops"}), spec(8 * H, "BI 3", "Small")],
    )
    assert [(r["warehouse_name"], r["cluster_size"], r["tags"]["team"]) for r in found] == [
        ("BI", "Small", "fin"),
        ("BI", "Small", "fin"),
        ("BI 2", "Medium", "ops"),
        ("BI 2", "Medium", "ops"),
    ], "as of the state's start, not as of today"
    assert [r["total_dbus"] for r in found] == [12.0, 72.0, 24.0, 0.0]
    assert [r["driver_dbus"] for r in found] == [12.0, 72.0, 24.0, 0.0]
    assert [r["total_DBU_cost"] for r in found] == [6.6, 39.6, 13.2, 0.0]
    assert [r["driver_compute_cost"] for r in found] == [1.25, 7.5, 1.25, 0.0]
    assert [r["worker_compute_cost"] for r in found] == [2.0, 12.0, 4.0, 0.0]
    assert [r["total_compute_cost"] for r in found] == [3.25, 19.5, 5.25, 0.0]
    assert [r["total_cost"] for r in found] == [9.85, 59.1, 18.45, 0.0]
    assert [r["worker_potential_core_H"] for r in found] == [32.0, 192.0, 64.0, 0.0]
    assert {(r["cost_status"], r["sku"], r["dbu_rate"]) for r in found} == {("priced", "sqlPro", 0.55)}
    assert [(r["driver_size"], r["worker_size"], r["worker_count"]) for r in found[1:3]] == [
        ("big", "mid", 4),
        ("big", "mid", 8),
    ]
    assert (found[2]["sizes_used"], found[2]["skus_used"]) == (["medium"], ["sqlPro"])
    assert [r["is_open"] for r in found] == [False, False, False, True]


def test_types_of_warehouses(spark: SparkSession) -> None:
    found = facts(
        spark,
        [state(0, H, warehouse_id=w) for w in ("classic", "pro", "serverless")],
        [
            spec(warehouse_id="classic", kind="CLASSIC", enable_serverless_compute=None),
            spec(warehouse_id="pro"),
            spec(warehouse_id="serverless", enable_serverless_compute=True),
        ],
    )
    assert [(r["sku"], r["total_DBU_cost"], r["total_compute_cost"], r["total_cost"]) for r in found] == [
        ("sqlCompute", 2.64, 3.25, 5.89),
        ("sqlPro", 6.6, 3.25, 9.85),
        ("sqlServerless", 8.4, 0.0, 8.4),
    ]


def test_what_has_no_price_is_null_and_a_failing_check(spark: SparkSession) -> None:
    found = facts(
        spark,
        [state(0, H, warehouse_id=w) for w in ("huge", "nobody", "untyped")],
        [spec(size="5X-Large", warehouse_id="huge"), spec(kind=None, warehouse_id="untyped")],
    )
    assert [(r["total_cost"], r["total_dbus"], r["total_DBU_cost"], r["total_compute_cost"]) for r in found] == [
        (None, None, None, None),
        (None, None, None, None),
        (None, 12.0, None, None),
    ]
    assert (found[0]["sizes_used"], found[1]["sizes_used"], found[1]["warehouse_name"]) == (["5x-large"], [], None)
    said = [r["cost_status"] for r in found]
    assert said == ["missing size 5X-Large", "missing definition", "missing type of the warehouse"]
    (check,) = warehousestatefact_gold.invariants
    frame = spark.createDataFrame([(s,) for s in [*said, "priced"]], "cost_status string")
    assert sorted(r[0] for r in check.find(frame).collect()) == sorted(said)
