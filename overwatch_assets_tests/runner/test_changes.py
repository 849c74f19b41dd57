"""Change records as loads write and read them."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.rules.days import day_start_ms
from overwatch_assets.runner.changes import Changes
from overwatch_assets.runner.records import change_records
from overwatch_assets.runner.state import TABLE_CHANGES
from overwatch_assets.runner.window import Window
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore

pytestmark = pytest.mark.engine

DAY1, DAY2, DAY3 = (dt.date(2024, 5, n) for n in (1, 2, 3))
JOBS, RUNS = tables()["jobs_snapshot_bronze"], tables()["job_runs_snapshot_bronze"]


@pytest.fixture
def store(spark: SparkSession, tmp_path: Path) -> TableStore:
    return TableStore(spark, Location(str(tmp_path)), "1")


def load(store: TableStore) -> Changes:
    """The records as a new load sees them."""
    return Changes(store, "prod", dt.datetime(2024, 5, 4, tzinfo=dt.UTC), "run")


def of(day: dt.date) -> pa.Table:
    return change_records(pa.table({"day": [day]}), (), "day")


def window(first: dt.date, last: dt.date) -> Window:
    return Window(day_start_ms(first), day_start_ms(last + dt.timedelta(1)))


def test_each_write_of_a_table_has_the_next_number_and_readers_are_told_the_highest_of_their_days(
    store: TableStore,
) -> None:
    assert load(store).seen([JOBS, RUNS], window(DAY1, DAY3)) == {}
    first = load(store)
    first.append(JOBS, of(DAY1))
    first.append(JOBS, of(DAY3))
    second = load(store)
    assert second.seen([JOBS], window(DAY2, DAY2)) == {}  # looked for on other days, the numbers go on
    second.append(JOBS, of(DAY2))
    second.append(RUNS, of(DAY2))
    rows = store.read(TABLE_CHANGES).select("table_name", "number").collect()
    assert sorted(map(tuple, rows)) == [(RUNS.name, 1), (JOBS.name, 1), (JOBS.name, 2), (JOBS.name, 3)]
    seen = load(store).seen([JOBS, RUNS], window(DAY1, DAY2))
    assert seen == {JOBS.name: 3, RUNS.name: 1}
    assert load(store).seen([JOBS, RUNS], window(DAY3, DAY3)) == {JOBS.name: 2}


def test_a_write_without_records_takes_no_number(store: TableStore) -> None:
    empty = load(store)
    empty.append(JOBS, of(DAY1).slice(0, 0))
    assert store.version(TABLE_CHANGES) is None
    empty.append(JOBS, of(DAY1))
    assert [r.number for r in store.read(TABLE_CHANGES).collect()] == [1]
