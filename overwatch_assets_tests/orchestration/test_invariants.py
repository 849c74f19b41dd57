"""The checks that tables bring along: each says nothing of good rows, and names what is wrong with bad ones."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.bronze.dbucostdetails import dbucostdetails
from overwatch_assets.contract import Table
from overwatch_assets.gold.clustercostdaily_gold import clustercostdaily_gold
from overwatch_assets.rules.cost_segments import AMOUNTS
from overwatch_assets.silver.cluster_cost_segments_silver import cluster_cost_segments_silver
from overwatch_assets_tests.literal_rows import rows_of

pytestmark = pytest.mark.engine


def found(spark: SparkSession, table: Table, name: str, *rows: dict[str, Any]) -> list[str]:
    (invariant,) = (i for i in table.invariants if i.name == name)
    return sorted(r[0] for r in invariant.find(rows_of(spark, table, *rows)).collect())


def amounts(**told: int) -> dict[str, int]:
    return {**dict.fromkeys(AMOUNTS, 0), **told}


def segment(whole: int, idle: int, *shares: int) -> dict[str, Any]:
    return {
        "amounts": amounts(driver_dbus=whole),
        "idle": amounts(driver_dbus=idle),
        "shares": [{"run_id": n, "amounts": amounts(driver_dbus=s)} for n, s in enumerate(shares)],
        "cost_status": "priced",
    }


def test_money_is_conserved(spark: SparkSession) -> None:
    good = [segment(10, 10), segment(10, 0, 5, 5), segment(0, 0)]
    assert found(spark, cluster_cost_segments_silver, "conserved", *good) == []
    assert found(spark, cluster_cost_segments_silver, "conserved", *good, segment(10, 1, 5, 5)) == ["driver_dbus"]


def test_what_has_no_price_is_named(spark: SparkSession) -> None:
    unpriced = {**segment(1, 1), "cost_status": "missing price of driver node x"}
    assert found(spark, cluster_cost_segments_silver, "priced", segment(1, 1), unpriced) == [
        "missing price of driver node x"
    ]


def test_a_day_is_no_longer_than_it_is(spark: SparkSession) -> None:
    day = {"cluster_id": "c", "date": dt.date(2024, 5, 1)}
    good, bad = {**day, "state_hours": {"a": 20.0, "b": 4.0}}, {**day, "state_hours": {"a": 20.0, "b": 4.1}}
    assert found(spark, clustercostdaily_gold, "a_day_has_24_hours", good, bad) == ["c 2024-05-01"]


def test_prices_follow_each_other(spark: SparkSession) -> None:
    def price(sku: str, since: int, until: int | None) -> dict[str, Any]:
        day = dt.date(2024, 5, 1)
        ends = None if until is None else day + dt.timedelta(until)
        return {"sku": sku, "activeFrom": day + dt.timedelta(since), "activeUntil": ends}

    good = [price("good", 0, 5), price("good", 5, None)]
    bad = [
        price("gap", 0, 5),
        price("gap", 6, None),
        price("over", 0, 5),
        price("over", 4, None),
        price("two", 0, None),
        price("two", 4, None),
        price("none", 0, 5),
    ]
    assert found(spark, dbucostdetails, "dated", *good, *bad) == [
        "gap a gap after 2024-05-01",
        "none no active row after 2024-05-01",
        "over an overlap after 2024-05-01",
        "two an overlap after 2024-05-01",
    ]
