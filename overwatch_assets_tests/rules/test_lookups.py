"""timeseries-joins.md 2 and 3: what `lookup_when` and `asof_join` find, worked out by hand."""

import random
import subprocess
import sys
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets import asof_join
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
    with pytest.raises(ConfigurationError, match="lookup_when: there is no key"):
        lookup_when(left, right, [], "t", "at")
    with pytest.raises(ConfigurationError, match="two columns would be called id"):
        lookup_when(left, right, ["k"], "t", "at", by_row=True, found_at="id")
    with pytest.raises(ConfigurationError, match="two columns would be called id"):
        lookup_when(left, right.withColumnRenamed("a", "ID"), ["k"], "t", "at")


def test_names_with_dots_and_backticks(spark: SparkSession) -> None:
    left = spark.createDataFrame([("x", 5, "mine")], "`a.k` string, `at.ms` bigint, `o``dd` string")
    right = spark.createDataFrame(
        [("x", 4, 1, "v")], "`a.k` string, `when.ms` bigint, `turn.no` int, `the.value` string"
    )
    rows = lookup_when(left, right, ["a.k"], "at.ms", "when.ms", columns=["the.value"], order=["turn.no"])
    assert rows.collect()[0].asDict() == {"a.k": "x", "at.ms": 5, "o`dd": "mine", "the.value": "v"}
    both = asof_join(left, right, ["a.k"], "at.ms", "when.ms", order=["turn.no"])
    assert tuple(both.collect()[0]) == ("x", 5, "mine", 4, 1, "v")


def test_a_key_that_does_not_fit_matches_nothing(spark: SparkSession) -> None:
    left = spark.createDataFrame([(7, 5)], "k int, t bigint")
    right = spark.createDataFrame([(2**40 + 7, 3, "no"), (7, 4, "yes")], "k bigint, at bigint, v string")
    assert lookup_when(left, right, ["k"], "t", "at").collect()[0]["v"] == "yes"


def joined(
    spark: SparkSession, left: list[Any], right: list[Any] = HISTORY, **options: Any
) -> dict[str, tuple[Any, ...]]:
    """The right side of each left row by its id."""
    rows = asof_join(
        spark.createDataFrame(left, LEFT), spark.createDataFrame(right, RIGHT), ["k"], "t", "at", **options
    )
    assert rows.columns == ["id", "k", "t", "right_at", "right_a", "right_b"]
    got = {row["id"]: tuple(row)[3:] for row in rows.collect()}
    assert len(got) == len(left), "the rows of the right frame are no rows of the result, as they were in Overwatch"
    return got


def test_both_sides_of_an_asof_join(spark: SparkSession) -> None:
    left = [("before", "x", 1), ("at 4", "x", 4), ("5", "x", 5), ("late", "x", 99), ("other", "z", 5)]
    assert joined(spark, left) == {
        "before": (None, None, None),
        "at 4": (4, "a4", None),
        "5": (4, "a4", None),
        "late": (9, "a9", "b9"),
        "other": (None, None, None),
    }
    assert joined(spark, [("5", "x", 5)], by_row=False) == {"5": (4, "a4", "b2")}


def test_an_asof_join_in_both_directions_and_at_equal_times(spark: SparkSession) -> None:
    left = [("1", "x", 1), ("4", "x", 4), ("5", "x", 5), ("10", "x", 10)]
    two, four, nine = (2, "a2", "b2"), (4, "a4", None), (9, "a9", "b9")
    nothing = (None, None, None)
    assert joined(spark, left, look_ahead=True) == {"1": two, "4": four, "5": four, "10": nine}
    forward = {"look_back": False, "look_ahead": True}
    # By default a row of the same time is an earlier one, so that the next one is ahead.
    assert joined(spark, left, **forward) == {"1": two, "4": nine, "5": nine, "10": nothing}
    assert joined(spark, left, **forward, allow_equal=False) == {"1": two, "4": four, "5": nine, "10": nothing}
    assert joined(spark, left, allow_equal=False) == {"1": nothing, "4": two, "5": four, "10": nine}


def test_an_asof_join_reaches_as_far_as_it_may_in_time(spark: SparkSession) -> None:
    left = [("5", "x", 5), ("7", "x", 7), ("0", "x", 0), ("-1", "x", -1)]
    got = joined(spark, left, look_ahead=True, max_age=2, max_ahead=2)
    assert {name: at for name, (at, *_) in got.items()} == {"5": 4, "7": 9, "0": 2, "-1": None}


def test_null_keys_and_times_join_nothing(spark: SparkSession) -> None:
    right = [*HISTORY, (None, 1, "no key", "n"), ("x", None, "no time", "n")]
    got = joined(spark, [("no key", None, 5), ("no time", "x", None), ("5", "x", 5)], right)
    assert got == {"no key": (None, None, None), "no time": (None, None, None), "5": (4, "a4", None)}


def test_ties_of_an_asof_join_are_decided(spark: SparkSession) -> None:
    right = [("x", 4, "a", "2"), ("x", 4, "b", "1"), ("x", 4, "a", "1")]
    for shuffled in (right, right[::-1]):
        assert joined(spark, [("5", "x", 5)], shuffled, order=["b"]) == {"5": (4, "a", "2")}
        assert joined(spark, [("5", "x", 5)], shuffled, order=["a", "b"]) == {"5": (4, "b", "1")}
        assert joined(spark, [("5", "x", 5)], shuffled) == {"5": (4, "b", "1")}


@pytest.mark.parametrize("seed", range(3))
def test_one_key_that_has_nearly_all_rows(spark: SparkSession, seed: int) -> None:
    """Against a plain loop over all pairs: skew changes nothing."""
    rng = random.Random(seed)

    def key() -> str:
        return "hot" if rng.random() < 0.9 else rng.choice("abc")

    right = [(key(), at, f"a{at}", None) for at in rng.sample(range(2000), 300)]
    left = [(str(n), key(), rng.randrange(2000)) for n in range(400)]
    expected = {}
    for name, of, t in left:
        behind = max((r[1] for r in right if r[0] == of and t - 200 <= r[1] <= t), default=None)
        ahead = min((r[1] for r in right if r[0] == of and t < r[1] <= t + 50), default=None)
        expected[name] = behind if behind is not None else ahead
    got = joined(spark, left, right, look_ahead=True, max_age=200, max_ahead=50)
    assert {name: at for name, (at, *_) in got.items()} == expected


@pytest.mark.parametrize("seed", range(8))
def test_random_histories_against_a_plain_loop(spark: SparkSession, seed: int) -> None:
    rng = random.Random(seed)
    by_row, allow_equal, back = rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.8
    ahead = not back or rng.random() < 0.6
    max_age, max_ahead = rng.choice([None, 3, 12]), rng.choice([None, 3, 12])
    keys, times = ["x", "y", "z", "", None], [*range(40), None]

    def value(name: str) -> str | None:
        return None if rng.random() < 0.3 else f"{name}{rng.randrange(1000)}"

    places = [(key, at) for key in keys for at in times]
    right = [(key, at, value("a"), value("b")) for key, at in rng.sample(places, 40)]
    left = [(str(n), *rng.choice(places)) for n in range(60)]

    def nearest(key: Any, t: Any, member: int | None) -> Any:
        """The right row that serves a member of a left row; None: any member, so the whole row."""
        rows = [r for r in right if r[0] == key and None not in (key, r[1]) and (member is None or r[member])]
        earlier = [] if t is None else [r for r in rows if r[1] < t or (allow_equal and r[1] == t)]
        later = [r for r in rows if r not in earlier]
        near: list[Any] = []
        for found, limit, wanted, end in ((earlier, max_age, back, max), (later, max_ahead, ahead, min)):
            hit = end(found, key=lambda r: r[1], default=None)
            if wanted and hit and (limit is None or (t is not None and abs(t - hit[1]) <= limit)):
                near.append(hit)
        return near[0] if near else (None,) * 4

    expected = {
        name: tuple((nearest(key, t, None) if by_row else nearest(key, t, m))[m] for m in (2, 3))
        for name, key, t in left
    }
    options = {"look_back": back, "look_ahead": ahead, "max_age": max_age, "max_ahead": max_ahead, "by_row": by_row}
    rows = lookup_when(
        *(spark.createDataFrame(left, LEFT), spark.createDataFrame(right, RIGHT), ["k"], "t", "at"),
        **options,
        columns=["a", "b"],
        allow_equal=allow_equal,
    )
    assert {row["id"]: (row["a"], row["b"]) for row in rows.collect()} == expected


def test_prefixes_and_what_an_asof_join_refuses(spark: SparkSession) -> None:
    left = spark.createDataFrame([("1", "x", 5)], LEFT)
    right = spark.createDataFrame([("x", 4, "7")], "k string, t bigint, id string")
    rows = asof_join(left, right, ["k"], "t", "t", left_prefix="l_", right_prefix="")
    assert rows.columns == ["l_id", "k", "l_t", "t", "id"]
    assert [tuple(r) for r in rows.collect()] == [("1", "x", 5, 4, "7")]
    with pytest.raises(ConfigurationError, match="two columns would be called id, t: give other prefixes"):
        asof_join(left, right, ["k"], "t", "t", right_prefix="")
    with pytest.raises(ConfigurationError, match="the key k is string in the left frame, bigint in the right one"):
        asof_join(left, right.select(right.t.alias("k"), "t"), ["k"], "t", "t")
    with pytest.raises(ConfigurationError, match="asof_join: the right frame has no column at"):
        asof_join(left, right, ["k"], "t", "at")


def test_importing_the_package_imports_no_pyspark() -> None:
    code = (
        "import sys, overwatch_assets; assert 'pyspark' not in sys.modules;"
        "from overwatch_assets import lookup_when, asof_join; assert callable(lookup_when) and callable(asof_join);"
        "assert not hasattr(overwatch_assets, 'nothing')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
