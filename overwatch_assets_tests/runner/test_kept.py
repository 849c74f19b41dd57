"""Rows are kept where they are few, by number and by bytes."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession, functions as F

from overwatch_assets.runner import kept
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore

pytestmark = pytest.mark.engine


def test_few_rows_are_collected_and_others_are_not(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TableStore(spark, Location(str(tmp_path)), "1")
    rows = spark.range(10).select(F.repeat(F.lit("x"), 1_000).alias("text"))  # 10 kB
    data = kept.collected(store, lambda: rows)
    assert data is not None
    assert data.num_rows == 10
    with monkeypatch.context() as narrow:
        narrow.setattr(kept, "_BYTES", 9_000)
        assert kept.collected(store, lambda: rows) is None
    for name in ("_MANY", "_MANY_HERE"):
        monkeypatch.setattr(kept, name, 9)
    assert kept.collected(store, lambda: rows) is None
