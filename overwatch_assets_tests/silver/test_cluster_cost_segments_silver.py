"""The rules are tested in rules/test_cost_segments.py; here: where they get their facts from."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession, functions as F

from overwatch_assets.bronze.dbucostdetails import dbucostdetails
from overwatch_assets.bronze.instancedetails import instancedetails
from overwatch_assets.bronze.photonfactors import photonfactors
from overwatch_assets.silver.cluster_cost_segments_silver import cluster_cost_segments_silver
from overwatch_assets.silver.cluster_spec_silver import cluster_spec_silver
from overwatch_assets.silver.cluster_state_detail_silver import cluster_state_detail_silver
from overwatch_assets.silver.jobrun_silver import jobrun_silver
from overwatch_assets_tests.literal_rows import rows_of

pytestmark = pytest.mark.engine

H = 3_600_000
DAY = 24 * H
T0 = 1709251200000  # 2024-03-01T00:00:00Z
UNIT = 10**12


def state(start: int, end: int, *, workers: int = 2, **more: Any) -> dict[str, Any]:
    return {
        "cluster_id": "c1",
        "state": "RUNNING",
        "unixTimeMS_state_start": T0 + start,
        "unixTimeMS_state_end_exclusive": T0 + end,
        "is_open": False,
        "isRunning": True,
        "databricks_billable": True,
        "current_num_workers": workers,
        "target_num_workers": workers,
        **more,
    }


def spec(**more: Any) -> dict[str, Any]:
    return {
        "cluster_id": "c1",
        "timestamp": T0,
        "sequence": 0,
        "driver_node_type_id": "Big.Node ",
        "node_type_id": "small.node",
        "is_single_node": False,
        "sku": "interactive",
        "runtime_engine": "PHOTON",
        **more,
    }


def node(key: str, compute: float, dbus: float, vcpus: int, since: int = 0, until: int | None = None) -> dict[str, Any]:
    return {
        "API_Name": key,
        "node_type_key": key,
        "Compute_Contract_Price": compute,
        "Hourly_DBUs": dbus,
        "vCPUs": vcpus,
        "valid_from_ms": T0 + since,
        "valid_until_ms": None if until is None else T0 + until,
    }


def segments(
    spark: SparkSession,
    states: list[dict[str, Any]],
    specs: list[dict[str, Any]],
    runs: list[dict[str, Any]] | None = None,
    runs_until: int = T0 + 5 * DAY,
) -> list[Row]:
    days = F.explode(F.sequence(*(F.to_date(F.timestamp_millis(F.lit(T0 + n * DAY))) for n in (0, 10))))
    spans = spark.createDataFrame([("c1",)], "cluster_id string").select(
        "cluster_id",
        days.alias("segment_date"),
        F.struct(F.lit(runs_until).alias("jobrun_silver")).alias("loaded_until"),
    )
    nodes = [
        node("big.node", 0.5, 1.0, 8),
        node("small.node", 0.2, 0.75, 4, 0, 2 * H),
        node("small.node", 0.4, 0.75, 4, 2 * H),
    ]
    rate = {"sku": "interactive", "contract_price": 0.55, "valid_from_ms": T0, "valid_until_ms": None}
    factor = {"sku": "interactive", "engine": "PHOTON", "factor": 2.0, "valid_from_ms": T0, "valid_until_ms": None}
    found = cluster_cost_segments_silver(
        spans,
        rows_of(spark, cluster_state_detail_silver, *states),
        rows_of(spark, jobrun_silver, *(runs or [])),
        rows_of(spark, cluster_spec_silver, *specs),
        rows_of(spark, instancedetails, *nodes),
        rows_of(spark, dbucostdetails, rate),
        rows_of(spark, photonfactors, factor),
    )
    return sorted(found.collect(), key=lambda r: r["segment_start"])


def run(run_id: int, start: int, end: int | None) -> dict[str, Any]:
    ended = None if end is None else T0 + end
    return {"clusterId": "c1", "runId": run_id, "startEpochMS": T0 + start, "endEpochMS": ended, "is_open": end is None}


def test_a_state_with_its_prices(spark: SparkSession) -> None:
    first, second = segments(spark, [state(H, 3 * H)], [spec()])
    assert (first["segment_start"], first["segment_end"], second["segment_end"]) == (T0 + H, T0 + 2 * H, T0 + 3 * H)
    assert (first["segment_date"], first["cost_status"]) == (dt.date(2024, 3, 1), "priced")
    assert (first["dbu_rate"], first["photon_factor"]) == (0.55, 2.0)
    assert first["amounts"].asDict() == {
        "driver_compute_cost": UNIT // 2,
        "worker_compute_cost": UNIT * 4 // 10,
        "driver_dbu_cost": UNIT * 11 // 10,
        "worker_dbu_cost": UNIT * 165 // 100,
        "driver_dbus": UNIT * 2,
        "worker_dbus": UNIT * 3,
        "core_ms": 16 * H,
        "worker_potential_core_ms": 8 * H,
    }
    assert first["idle"] == first["amounts"]
    assert second["amounts"]["worker_compute_cost"] == UNIT * 8 // 10, "the price of workers changed"
    assert (first["workerSpecs"]["Compute_Contract_Price"], second["workerSpecs"]["Compute_Contract_Price"]) == (
        0.2,
        0.4,
    )
    assert (first["driverSpecs"]["API_Name"], first["driverSpecs"]["vCPUs"]) == ("big.node", 8)
    assert (first["node_types_used"], first["skus_used"]) == (["big.node", "small.node"], ["interactive"])


def test_an_open_run_lasts_as_far_as_runs_are_loaded(spark: SparkSession) -> None:
    found = segments(spark, [state(0, 2 * H)], [spec()], [run(7, 0, None)], runs_until=T0 + H)
    assert [(r["segment_end"] - T0, r["run_ids"], r["paying_runs"]) for r in found] == [(H, [7], 1), (2 * H, [], 0)]
    (share,) = found[0]["shares"]
    assert (share["run_id"], share["run_start"], share["charged_to_run_id"]) == (7, T0, None)
    assert share["amounts"] == found[0]["amounts"]
    assert found[0]["idle"]["driver_compute_cost"] == 0


def test_no_price_is_named(spark: SparkSession) -> None:
    (found,) = segments(
        spark, [state(0, H)], [spec(node_type_id="huge.node", sku="jobsLight", runtime_engine="STANDARD")]
    )
    assert found["cost_status"] == (
        "missing rate of jobslight; missing price of worker node huge.node; missing cores of worker node huge.node; "
        "missing DBUs of worker node huge.node"
    )
    assert found["amounts"]["driver_dbus"] == UNIT
    assert found["amounts"]["worker_compute_cost"] is None
    assert found["skus_used"] == ["jobsLight"]


def test_a_cluster_without_a_definition_costs_what_nobody_knows(spark: SparkSession) -> None:
    (found,) = segments(spark, [state(0, H, workers=0)], [])
    assert found["amounts"]["driver_compute_cost"] is None
    assert found["cost_status"].startswith("missing price of driver node type")
