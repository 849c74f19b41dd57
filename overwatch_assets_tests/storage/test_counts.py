"""Row counts from the table's log, and small reads without Spark."""

import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.table import ORGANIZATION, Column, Table
from overwatch_assets.errors import StorageError
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.scan import scan
from overwatch_assets.storage.tables import TableStore

pytestmark = pytest.mark.engine

TABLE = Table(
    name="counted_bronze",
    layer="bronze",
    doc="One event.",
    columns=(ORGANIZATION, Column("id", "bigint", "Id."), Column("date", "date", "Day.")),
    keys=("id",),
    partition="date",
)
FIRST, SECOND, THIRD = (dt.date(2024, 5, day) for day in (1, 2, 3))


def put(store: TableStore, *rows: tuple[int, dt.date]) -> None:
    full = [(store.organization_id, number, day) for number, day in rows]
    store.append(TABLE, lambda: store.frame(full, TABLE.schema))


@pytest.mark.parametrize("shared", [False, True])
def test_rows_per_day(spark: SparkSession, tmp_path: Path, *, shared: bool) -> None:
    one = TableStore(spark, Location(str(tmp_path)), "1", shared=shared)
    assert one.rows_per_day(TABLE, [FIRST]) == {FIRST: 0}
    put(one, (1, FIRST), (2, FIRST), (3, THIRD))
    put(one, (4, FIRST))
    if shared:
        put(TableStore(spark, Location(str(tmp_path)), "2", shared=True), (1, FIRST), (2, SECOND))
    assert one.rows_per_day(TABLE, [FIRST, SECOND]) == {FIRST: 3, SECOND: 0}
    assert one.rows_per_day(TABLE, [THIRD]) == {THIRD: 1}
    assert one.row_count(TABLE) == 4


def test_scan_reads_one_workspace_without_a_session(spark: SparkSession, tmp_path: Path) -> None:
    location = Location(str(tmp_path))
    assert scan(location, TABLE, "id", organization_id="1") is None
    put(TableStore(spark, location, "1", shared=True), (1, FIRST), (2, SECOND))
    put(TableStore(spark, location, "it's", shared=True), (7, FIRST))
    found = scan(location, TABLE, "id", organization_id="1", tail="ORDER BY id DESC")
    assert found is not None
    assert found.to_pylist() == [{"id": 2}, {"id": 1}]
    quoted = scan(location, TABLE, "id", organization_id="it's")
    assert quoted is not None
    assert quoted.to_pylist() == [{"id": 7}]


def test_scan_of_a_log_without_a_commit_has_no_rows_and_of_a_broken_one_is_one_clear_error(tmp_path: Path) -> None:
    log = tmp_path / "counted_bronze" / "_delta_log"
    log.mkdir(parents=True)
    assert scan(Location(str(tmp_path)), TABLE, "id", organization_id="1") is None  # as a killed process leaves it
    (log / f"{0:020}.json").write_text("no commit")
    with pytest.raises(StorageError, match=r"^counted_bronze of workspace 1 at .*/counted_bronze can't be read: "):
        scan(Location(str(tmp_path)), TABLE, "id", organization_id="1")
