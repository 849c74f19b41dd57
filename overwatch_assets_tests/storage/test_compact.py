"""Small files of the runner's own tables are written together, and say the same."""

import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.runner.changes import Changes, Record
from overwatch_assets.runner.state import TABLE_CHANGES
from overwatch_assets.runner.window import Window
from overwatch_assets.silver.pools_silver import pools_silver
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore

pytestmark = pytest.mark.engine


def test_files_are_written_together_when_there_are_too_many(spark: SparkSession, tmp_path: Path) -> None:
    store = TableStore(spark, Location(str(tmp_path)), "1")
    changes = Changes(store, "w", dt.datetime(2024, 5, 1, tzinfo=dt.UTC), "run")
    for day in range(5):
        changes.append(pools_silver, [Record(Window(day, day + 1), {"instance_pool_id": (f"p{day}",)}, day, None)])
    before = sorted(store.read(TABLE_CHANGES).collect())
    store.compact(TABLE_CHANGES, most=5)
    assert store.file_count(TABLE_CHANGES) == 5
    store.compact(TABLE_CHANGES, most=4)
    assert store.file_count(TABLE_CHANGES) == 1
    again = dataclasses.replace(changes, store=TableStore(spark, Location(str(tmp_path)), "1"))
    assert sorted(again.store.read(TABLE_CHANGES).collect()) == before
    assert again.last_number(pools_silver) == 5
    assert again.seen([pools_silver], Window(1, 3)) == {"pools_silver": 3}
    assert [r["instance_pool_id"] for r in again.keys(pools_silver, Window(1, 2), ["instance_pool_id"]).collect()] == [
        "p1"
    ]
