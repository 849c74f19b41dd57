"""timeseries-joins.md 2: what `lookup_when` finds, worked out by hand."""

from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.errors import ConfigurationError
from overwatch_assets.rules.lookups import lookup_when

pytestmark = pytest.mark.engine

LEFT = "id string, k string, t bigint"
RIGHT = "k string, at bigint, a string, b string"
HISTORY = [("x", 2, "a2", "b2"), ("x", 4, "a4", None), ("x", 9, "a9", "b9"), ("y", 4, "ya", "yb")]


def found(
    spark: SparkSession, left: list[Any], right: list[Any] = HISTORY, **options: Any
) -> dict[str, tuple[Any, ...]]:
    """The looked-up values of each left row by its id."""
    rows = lookup_when(
        spark.createDataFrame(left, LEFT), spark.createDataFrame(right, RIGHT), ["k"], "t", "at", **options
    )
    assert rows.columns[:3] == ["id", "k", "t"]
    assert "at" not in rows.columns, "the right frame's time does not leak"
    got = {row["id"]: tuple(row)[3:] for row in rows.collect()}
    assert len(got) == len(left)
    return got


def test_the_last_value_at_or_before(spark: SparkSession) -> None:
    left = [("before", "x", 1), ("at 4", "x", 4), ("5", "x", 5), ("late", "x", 99), ("other", "z", 5)]
    assert found(spark, left) == {
        "before": (None, None),
        "at 4": ("a4", "b2"),
        "5": ("a4", "b2"),
        "late": ("a9", "b9"),
        "other": (None, None),
    }


def test_overwatch_took_the_value_strictly_before(spark: SparkSession) -> None:
    assert found(spark, [("at 4", "x", 4)], allow_equal=False) == {"at 4": ("a2", "b2")}
    ahead = found(spark, [("at 2", "x", 2)], allow_equal=False, look_ahead=True)
    assert ahead == {"at 2": ("a2", "b2")}, "a row at the same time is then a later one"


def test_a_row_is_taken_whole_where_null_means_something(spark: SparkSession) -> None:
    left = [("5", "x", 5), ("before", "x", 1)]
    assert found(spark, left, by_row=True) == {"5": ("a4", None), "before": (None, None)}
    assert found(spark, left, by_row=True, look_ahead=True, found_at="seen") == {
        "5": ("a4", None, 4),
        "before": ("a2", "b2", 2),
    }


def test_ahead_only_where_nothing_is_behind(spark: SparkSession) -> None:
    right = [("x", 4, "a4", None), ("x", 6, "a6", "b6")]
    assert found(spark, [("1", "x", 1), ("5", "x", 5)], right, look_ahead=True) == {
        "1": ("a4", "b6"),
        "5": ("a4", "b6"),
    }
    assert found(spark, [("5", "x", 5)], right, look_back=False, look_ahead=True) == {"5": ("a6", "b6")}


def test_how_far(spark: SparkSession) -> None:
    left = [("6", "x", 6), ("7", "x", 7), ("0", "x", 0)]
    assert found(spark, left, columns=["a"], max_age=2, look_ahead=True, max_ahead=1) == {
        "6": ("a4",),
        "7": (None,),
        "0": (None,),
    }


def test_ties_are_decided_by_the_given_order_then_by_content(spark: SparkSession) -> None:
    tied = [("x", 4, "1", "z"), ("x", 4, "2", "y"), ("x", 4, "2", "x")]
    for right in (tied, tied[::-1], [*tied, *tied]):
        assert found(spark, [("5", "x", 5)], right, by_row=True, order=["a"]) == {"5": ("2", "y")}
        assert found(spark, [("5", "x", 5)], right, by_row=True, order=["b"]) == {"5": ("1", "z")}


def test_null_keys_and_times(spark: SparkSession) -> None:
    right = [(None, 1, "a", "b"), ("x", 4, "a4", "b4"), ("x", None, "never", "never")]
    left = [("no key", None, 5), ("no time", "x", None), ("5", "x", 5)]
    assert found(spark, left, right) == {"no key": (None, None), "no time": (None, None), "5": ("a4", "b4")}
    assert found(spark, left[1:2], right, look_ahead=True) == {"no time": ("a4", "b4")}
    assert found(spark, left[1:2], right, look_ahead=True, max_ahead=100) == {"no time": (None, None)}


def test_a_shared_column_is_only_filled(spark: SparkSession) -> None:
    left = spark.createDataFrame([("1", "x", 5, "own"), ("2", "x", 5, None)], LEFT + ", a string")
    rows = lookup_when(left, spark.createDataFrame(HISTORY, RIGHT), ["k"], "t", "at", columns=["a"])
    assert sorted(map(tuple, rows.collect())) == [("1", "x", 5, "own"), ("2", "x", 5, "a4")]


def test_equal_left_rows_stay_and_keys_take_the_left_type(spark: SparkSession) -> None:
    left = spark.createDataFrame([(7, 5), (7, 5)], "k bigint, t bigint")
    right = spark.createDataFrame([("7", 4, {"m": "1"})], "k string, at int, tags map<string,string>")
    rows = lookup_when(left, right, ["k"], "t", "at").collect()
    assert [tuple(row) for row in rows] == [(7, 5, {"m": "1"})] * 2


def test_timestamps_and_dates(spark: SparkSession) -> None:
    at = "timestamp'2024-05-01 00:00:00.5'"
    left = spark.sql(f"SELECT 'x' k, {at} t, DATE'2024-05-03' d")
    right = spark.sql(f"SELECT 'x' k, {at} - INTERVAL 1 SECOND at, DATE'2024-05-01' day, 'v' v")
    assert lookup_when(left, right.drop("day"), ["k"], "t", "at", max_age=1_000_000).collect()[0]["v"] == "v"
    assert lookup_when(left, right.drop("day"), ["k"], "t", "at", max_age=999_999).collect()[0]["v"] is None
    assert lookup_when(left, right.drop("at"), ["k"], "d", "day", max_age=2).collect()[0]["v"] == "v"


def test_what_is_refused(spark: SparkSession) -> None:
    left, right = spark.createDataFrame([("1", "x", 5)], LEFT), spark.createDataFrame(HISTORY, RIGHT)
    with pytest.raises(ConfigurationError, match="the left frame has no column nothing"):
        lookup_when(left, right, ["k"], "nothing", "at")
    with pytest.raises(ConfigurationError, match="a is neither whole number nor timestamp nor date"):
        lookup_when(left, right, ["k"], "t", "a")
    with pytest.raises(ConfigurationError, match="found_at needs by_row"):
        lookup_when(left, right, ["k"], "t", "at", found_at="seen")
