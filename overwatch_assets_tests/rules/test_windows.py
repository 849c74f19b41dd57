"""Rows in their order among those that agree in some columns, worked out by hand and by a plain loop."""

import random
from collections import defaultdict

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.rules.windows import first_of, numbered

pytestmark = pytest.mark.engine

SCHEMA = "a string, b bigint, at bigint, id string"
ROWS = [
    ("x", 1, 3, "x3"),
    ("x", 1, 1, "x1"),
    ("x", 2, 9, "other b"),
    ("x", None, 5, "no b, later"),
    ("x", None, 4, "no b"),
    (None, None, 7, "no keys, later"),
    (None, None, 6, "no keys"),
    ("", 1, 2, "empty"),
]


def test_numbers_begin_anew_with_each_key_and_null_is_a_key(spark: SparkSession) -> None:
    rows = numbered(spark.createDataFrame(ROWS, SCHEMA), "nth", ("a", "b"), ("at",))
    assert rows.columns == ["a", "b", "at", "id", "nth"]
    assert {r["id"]: r["nth"] for r in rows.collect()} == {
        **dict.fromkeys(("x1", "other b", "no b", "no keys", "empty"), 0),
        **dict.fromkeys(("x3", "no b, later", "no keys, later"), 1),
    }


def test_the_first_of_each_key_is_kept_whole(spark: SparkSession) -> None:
    frame = spark.createDataFrame(ROWS, SCHEMA)
    rows = first_of(frame, ("a", "b"), ("at",))
    assert rows.columns == ["a", "b", "at", "id"]
    assert {r["id"] for r in rows.collect()} == {"x1", "other b", "no b", "no keys", "empty"}
    last = first_of(frame, ("a", "b"), (frame["at"].desc(),))
    assert {r["id"] for r in last.collect()} == {"x3", "other b", "no b, later", "no keys, later", "empty"}
    assert len(first_of(frame, ("a", "b"), ()).collect()) == 5


def test_no_rows_and_one_row(spark: SparkSession) -> None:
    frame = spark.createDataFrame(ROWS, SCHEMA)
    assert numbered(frame.where("at < 0"), "nth", ("a",), ("at",)).collect() == []
    assert [r["nth"] for r in numbered(frame.where("at = 9"), "nth", ("a", "b"), ("at",)).collect()] == [0]
    assert [r["id"] for r in first_of(frame.where("a = 'x' and b = 2"), ("a", "b"), ("at",)).collect()] == ["other b"]


@pytest.mark.parametrize("seed", range(3))
def test_many_keys_in_one_part(spark: SparkSession, seed: int) -> None:
    """More keys than parts, some with many rows."""
    rng = random.Random(seed)
    keys = [(rng.choice(["p", "q", None]), rng.choice([None, *range(400)])) for _ in range(600)]
    rows = [(*rng.choice(keys[: rng.choice([3, 600])]), at, str(at)) for at in rng.sample(range(10_000), 2_000)]
    by_key = defaultdict(list)
    for a, b, at, _ in rows:
        by_key[a, b].append(at)
    places = {str(at): place for found in by_key.values() for place, at in enumerate(sorted(found))}
    frame = spark.createDataFrame(rows, SCHEMA)
    assert {r["id"]: r["nth"] for r in numbered(frame, "nth", ("a", "b"), ("at",)).collect()} == places
    assert {r["id"] for r in first_of(frame, ("a", "b"), ("at",)).collect()} == {i for i, n in places.items() if n == 0}
