"""A load reads the latest rows, from one opening of the log for each version."""

import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.contract.table import ORGANIZATION, Column, Table
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.snapshots import latest_version
from overwatch_assets.storage.tables import TOMBSTONE, TableStore

pytestmark = pytest.mark.engine

TABLE = Table(
    name="kept_bronze",
    layer="bronze",
    doc="One event.",
    columns=(ORGANIZATION, Column("date", "date", "Day.", nullable=False), Column("id", "bigint", "Id.")),
    keys=("id",),
    partition="date",
)
DAY = dt.date(2024, 5, 1)


def frame(store: TableStore, *ids: int) -> DataFrame:
    return store.frame([("1", DAY, number) for number in ids], TABLE.schema)


def ids(store: TableStore) -> list[int]:
    return sorted(store.arrow(store.read(TABLE).select("id")).column("id").to_pylist())


def test_rows_that_anyone_adds_are_seen_at_the_next_reading(spark: SparkSession, tmp_path: Path) -> None:
    store, other = (TableStore(spark, Location(str(tmp_path)), "1") for _ in range(2))
    with store.snapshots():
        assert ids(store) == [], "no table yet"
        store.append(TABLE, lambda: frame(store, 1, 2))
        assert ids(store) == ids(store) == [1, 2]
        other.append(TABLE, lambda: frame(store, 3))
        dead = other.arrow(frame(other, 1).selectExpr("*", f"true AS {TOMBSTONE}"))
        other.merge(TABLE, dead, dates=[DAY])
        assert ids(store) == [2, 3]
    assert ids(store) == [2, 3]


def test_nothing_stays_in_the_session(spark: SparkSession, tmp_path: Path) -> None:
    def kept() -> list[str]:
        return [t.name for t in spark.catalog.listTables() if t.name.startswith("snapshot_")]

    store = TableStore(spark, Location(str(tmp_path)), "1")
    with store.snapshots():
        store.append(TABLE, lambda: frame(store, 1))
        assert ids(store) == [1]
        assert [name.removeprefix("snapshot_")[32:] for name in kept()] == ["_kept_bronze"]
    assert kept() == []


def test_a_log_without_a_commit_is_no_table(tmp_path: Path) -> None:
    place = Location(str(tmp_path))
    assert latest_version(place, "kept_bronze") is None
    log = tmp_path / "kept_bronze" / "_delta_log"
    log.mkdir(parents=True)
    (log / "_last_checkpoint").write_text("{}", encoding="utf-8")
    assert latest_version(place, "kept_bronze") is None
    for name in ("00000000000000000010.checkpoint.parquet", "00000000000000000012.json"):
        (log / name).touch()
    assert latest_version(place, "kept_bronze") == 12
