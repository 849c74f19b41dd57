"""Sums of cost segments: what is not known is null, and what is free says nothing of it."""

import pytest
from pyspark.sql import SparkSession, functions as F, types as T

from overwatch_assets.rules.cost_segments import AMOUNTS, COSTS, UNIT
from overwatch_assets.rules.money import dollars, money, sums

pytestmark = pytest.mark.engine

SCHEMA = T.StructType([T.StructField("amounts", T.StructType([T.StructField(n, T.LongType()) for n in AMOUNTS]))])
DRIVER, DRIVER_DBU = "driver_compute_cost", "driver_dbu_cost"


def costs(spark: SparkSession, *segments: dict[str, int | None]) -> dict[str, float | None]:
    """The money of segments, of which each part is 0 unless it is given."""
    rows = [(tuple(segment.get(n, 0) for n in AMOUNTS),) for segment in segments]
    frame = spark.createDataFrame(rows, SCHEMA)
    summed = frame.agg(*sums(F.col("amounts")), dollars(F.col("amounts")).alias("known"))
    (found,) = summed.select("known", *(value.alias(name) for name, value in money().items())).toArrow().to_pylist()
    return dict(found)


def test_a_price_that_is_not_known_is_null_although_the_cluster_costs_nothing_while_it_is_off(
    spark: SparkSession,
) -> None:
    found = costs(spark, {}, {DRIVER: None, DRIVER_DBU: None})
    assert (found[DRIVER], found["total_driver_cost"]) == (None, None)
    assert (found["total_worker_cost"], found["total_compute_cost"], found["total_cost"]) == (0.0, None, None)
    assert found["known"] is None


def test_what_is_known_besides_is_in_the_totals(spark: SparkSession) -> None:
    found = costs(spark, {DRIVER: None, DRIVER_DBU: 2 * UNIT}, {DRIVER: 3 * UNIT, DRIVER_DBU: UNIT})
    assert (found[DRIVER], found[DRIVER_DBU]) == (None, 3.0)
    assert (found["total_driver_cost"], found["total_cost"], found["known"]) == (6.0, 6.0, 6.0)


def test_what_is_free_is_0_where_all_is_known(spark: SparkSession) -> None:
    found = costs(spark, {}, {})
    assert {found[name] for name in (*COSTS, "total_driver_cost", "total_cost", "known")} == {0.0}


def test_sums_of_more_than_nine_million_dollars_are_right(spark: SparkSession) -> None:
    # In trillionths of a dollar they are more than a bigint holds.
    found = costs(spark, {DRIVER: 6_000_000 * UNIT}, {DRIVER: 6_000_000 * UNIT, DRIVER_DBU: 6_000_000 * UNIT})
    assert (found[DRIVER], found["total_driver_cost"], found["total_cost"], found["known"]) == (12e6, 18e6, 18e6, 18e6)
