"""The tables of dated prices: rows as their readers give them in, documented columns out, and a load of the lists."""

import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.bronze.dbucostdetails import dbucostdetails
from overwatch_assets.bronze.instancedetails import instancedetails
from overwatch_assets.bronze.photonfactors import photonfactors
from overwatch_assets.bronze.warehousedbudetails import warehousedbudetails
from overwatch_assets.config.deployment import Deployment
from overwatch_assets.consumer.views import register
from overwatch_assets.runner.platform import Platform
from overwatch_assets_tests.sources.loading import DAY1, DAY2, World

pytestmark = pytest.mark.engine

DATED = "active_from date, active_until date, source string, source_date date"
FIRST, SECOND, AS_OF = dt.date(2024, 5, 1), dt.date(2024, 5, 2), dt.date(2023, 6, 20)
FIRST_MS, SECOND_MS = 1_714_521_600_000, 1_714_608_000_000


def test_instancedetails(spark: SparkSession) -> None:
    given = [
        ("AWS", " M5.xlarge", 4, 16.0, 0.15, 0.192, None, 0.69, FIRST, SECOND, "https://a", AS_OF),
        ("AWS", "x", None, None, None, None, None, None, SECOND, None, "file", None),
    ]
    values = "vCPUs int, Memory_GB double, Compute_Contract_Price double, On_Demand_Cost_Hourly double, Linux_Reserved_Cost_Hourly double, Hourly_DBUs double"
    rows = instancedetails(spark.createDataFrame(given, f"cloud string, key string, {values}, {DATED}")).collect()
    assert rows[0].asDict() == {
        "instance": " M5.xlarge",
        "API_Name": " M5.xlarge",
        "vCPUs": 4,
        "Memory_GB": 16.0,
        "Compute_Contract_Price": 0.15,
        "On_Demand_Cost_Hourly": 0.192,
        "Linux_Reserved_Cost_Hourly": None,
        "Hourly_DBUs": 0.69,
        "isActive": False,
        "activeFrom": FIRST,
        "activeUntil": SECOND,
        "cloud": "AWS",
        "price_source": "https://a",
        "price_date": AS_OF,
        "valid_from_ms": FIRST_MS,
        "valid_until_ms": SECOND_MS,
        "node_type_key": "m5.xlarge",
    }
    unknown = rows[1].asDict()
    assert (unknown["Hourly_DBUs"], unknown["valid_until_ms"], unknown["isActive"]) == (None, None, True)


def test_dbucostdetails_and_photonfactors(spark: SparkSession) -> None:
    dated = (FIRST, None, "default", None)
    out = {"isActive": True, "activeFrom": FIRST, "activeUntil": None, "cloud": "GCP", "price_source": "default",
           "price_date": None, "valid_from_ms": FIRST_MS, "valid_until_ms": None}  # fmt: skip
    given = spark.createDataFrame(
        [("GCP", "sqlCompute", 0.22, *dated)], f"cloud string, key string, contract_price double, {DATED}"
    )
    (row,) = dbucostdetails(given).collect()
    assert row.asDict() == {"sku": "sqlCompute", "contract_price": 0.22, **out}
    given = spark.createDataFrame(
        [("GCP", "automated", 2.9, *dated)], f"cloud string, key string, factor double, {DATED}"
    )
    (row,) = photonfactors(given).collect()
    assert row.asDict() == {"sku": "automated", "engine": "PHOTON", "factor": 2.9, **out}


def test_warehousedbudetails(spark: SparkSession) -> None:
    values = (
        "driver_size string, worker_size string, worker_count int, total_dbus int, size_key string, driver_vCPUs int, "
        "driver_compute_price double, worker_vCPUs int, worker_compute_price double"
    )
    given = ("AWS", "Small", "big", "mid", 4, 12, "small", 16, 1.2, 8, 0.6, FIRST, SECOND, "list", AS_OF)
    frame = spark.createDataFrame([given], f"cloud string, key string, {values}, {DATED}")
    (row,) = warehousedbudetails(frame).collect()
    assert row.asDict() == {
        "cluster_size": "Small",
        "driver_size": "big",
        "worker_count": 4,
        "total_dbus": 12,
        "worker_size": "mid",
        "driver_vCPUs": 16,
        "driver_compute_price": 1.2,
        "worker_vCPUs": 8,
        "worker_compute_price": 0.6,
        "isActive": False,
        "activeFrom": FIRST,
        "activeUntil": SECOND,
        "cloud": "AWS",
        "price_source": "list",
        "price_date": AS_OF,
        "valid_from_ms": FIRST_MS,
        "valid_until_ms": SECOND_MS,
        "activeFromEpochMillis": FIRST_MS,
        "activeUntilEpochMillis": SECOND_MS,
        "size_key": "small",
    }


def test_open_rows_of_sizes_have_no_end_whenever_they_are_loaded(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path, {})
    world.load("warehousedbudetails", DAY1)
    first = world.rows("warehousedbudetails")
    assert len(first) == 9
    assert {r["activeUntilEpochMillis"] for r in first} == {None}
    (small,) = [r for r in first if r["cluster_size"] == "Small"]
    assert (small["driver_compute_price"], small["worker_compute_price"], small["worker_vCPUs"]) == (1.248, 0.624, 8)
    again = world.load("warehousedbudetails", DAY2)
    assert not any(again.counts.get(n) for n in ("inserted", "updated", "deleted"))


def test_the_lists_are_loaded_and_seen_by_their_documented_names(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("table,key,contract_price,activeFrom\ndbu,interactive,0.6,2024-05-02\n")
    world = World(spark, tmp_path, {"prices": str(tmp_path / "prices.csv")})
    for name in ("instancedetails", "dbucostdetails", "photonfactors", "warehousedbudetails"):
        world.load(name, DAY1, DAY2)
    platform = Platform(Deployment(workspaces=(world.workspace,)), spark)
    query = "select sku, contract_price, activeFrom, activeUntil, isActive from dbuCostDetails order by sku, activeFrom"
    register(platform, ["123"], query=query)
    assert [tuple(r) for r in spark.sql(query).collect()] == [
        ("automated", 0.15, DAY1, None, True),
        ("interactive", 0.55, DAY1, DAY2, False),
        ("interactive", 0.6, DAY2, None, True),
        ("jobsLight", 0.1, DAY1, None, True),
        ("sqlCompute", 0.22, DAY1, None, True),
        ("sqlPro", 0.55, DAY1, None, True),
        ("sqlServerless", 0.7, DAY1, None, True),
    ]
    query = (
        "select vCPUs, Memory_GB, Compute_Contract_Price, Hourly_DBUs from instanceDetails where API_Name = 'i3.xlarge'"
    )
    register(platform, ["123"], query=query)
    assert [tuple(r) for r in spark.sql(query).collect()] == [(4, 30.5, 0.312, 1.0)]
    query = (
        "select driver_size, worker_count, total_dbus, cloud from warehouseDbuDetails where cluster_size = 'X-Large'"
    )
    register(platform, ["123"], query=query)
    assert [tuple(r) for r in spark.sql(query).collect()] == [("i3.16xlarge", 32, 80, "AWS")]
    assert len(world.rows("instancedetails")) == 220
    assert len(world.rows("photonfactors")) == 4
