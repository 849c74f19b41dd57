"""The guards: what an engine would do silently wrong is refused, or made right."""

import datetime as dt
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession, functions as F

from overwatch_assets.contract.table import ORGANIZATION, Column, Table
from overwatch_assets.errors import StorageError
from overwatch_assets.storage import sql
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TOMBSTONE, TableStore, _retried

pytestmark = pytest.mark.engine

TABLE = Table(
    name="guarded_bronze",
    layer="bronze",
    doc="One event.",
    columns=(
        ORGANIZATION,
        Column("date", "date", "Day.", nullable=False),
        Column("id", "bigint", "Id."),
        Column("what", "struct<name:string,sizes:array<bigint>>", "What happened."),
        Column("note", "string", "A note."),
    ),
    keys=("id",),
    partition="date",
)
FIRST, SECOND = dt.date(2024, 5, 1), dt.date(2024, 5, 2)


@pytest.fixture
def store(spark: SparkSession, tmp_path: Path) -> TableStore:
    return TableStore(spark, Location(str(tmp_path)), "1")


def frame(store: TableStore, *rows: tuple[int, dt.date, str | None], dead: bool | None = None) -> DataFrame:
    made = store.frame([("1", day, number, ("n", [1]), note) for number, day, note in rows], TABLE.schema)
    return made if dead is None else made.withColumn(TOMBSTONE, F.lit(dead))


def rows(store: TableStore) -> list[tuple[int, dt.date, str | None]]:
    found = store.arrow(store.read(TABLE).select("id", "date", "note")).to_pylist()
    return sorted((r["id"], r["date"], r["note"]) for r in found)


def stored(store: TableStore) -> deltalake.DeltaTable:
    return deltalake.DeltaTable(store.path(TABLE))


def test_a_double_that_is_the_only_one_of_a_file_keeps_its_last_digit(store: TableStore) -> None:
    """Sail would read it from the file's statistics, as 100.40384333333331: it would be written again by each load."""
    table = replace(TABLE, columns=(*TABLE.columns, Column("hours", "double", "Hours.")))
    hours = 361_453_836 / 3_600_000
    assert str(hours) == "100.40384333333333"
    store.append(table, lambda: store.frame([("1", FIRST, 1, None, None, hours)], table.schema))
    assert store.arrow(store.read(table)).column("hours").to_pylist() == [hours]
    (added,) = pa.table(deltalake.DeltaTable(store.path(table)).get_add_actions(flatten=True)).to_pylist()
    assert (added["min.id"], added.get("min.hours")) == (1, None), "files are still skipped by other columns"


def test_columns_are_read_in_declared_order_and_none_is_stored_as_not_null(store: TableStore) -> None:
    """Sail would take NOT NULL from the literal; it does put the partition column last."""
    given = store.spark.range(1).select(
        F.lit("a note").alias("note"),
        F.struct(F.lit("n").alias("name"), F.array(F.lit(1)).cast("array<bigint>").alias("sizes")).alias("what"),
        F.col("id"),
        F.lit(FIRST).alias("date"),
        F.lit("1").alias("organization_id"),
    )
    store.append(TABLE, lambda: given)
    schema = json.loads(stored(store).schema().to_json())
    assert [f["name"] for f in schema["fields"]] == ["organization_id", "id", "what", "note", "date"]
    assert all(f["nullable"] for f in schema["fields"])
    assert store.read(TABLE).columns == ["organization_id", "date", "id", "what", "note"]
    store.append(TABLE, lambda: frame(store, (2, FIRST, None)))
    assert rows(store) == [(0, FIRST, "a note"), (2, FIRST, None)]


def test_an_extra_column_is_refused(store: TableStore) -> None:
    with pytest.raises(StorageError, match=r"guarded_bronze: .* lacks nothing and has \['other'\] that the contract"):
        store.append(TABLE, lambda: frame(store, (1, FIRST, None)).withColumn("other", F.lit(1)))
    assert rows(store) == []


def test_a_missing_column_is_refused(store: TableStore) -> None:
    with pytest.raises(StorageError, match=r"guarded_bronze: .* lacks \['note'\] and has nothing"):
        store.append(TABLE, lambda: frame(store, (1, FIRST, None)).drop("note"))


def test_another_type_is_cast_to_the_declared_one(store: TableStore) -> None:
    store.append(TABLE, lambda: frame(store, (7, FIRST, None)).withColumn("id", F.col("id").cast("int")))
    assert rows(store) == [(7, FIRST, None)]
    assert '"long"' in stored(store).schema().to_json()


def test_columns_of_a_newer_contract_are_added_and_rows_before_it_have_null(store: TableStore) -> None:
    store.append(TABLE, lambda: frame(store, (1, FIRST, "old")))
    newer = replace(TABLE, columns=(*TABLE.columns, Column("more", "array<struct<a:bigint,b:string>>", "More.")))
    other = TableStore(store.spark, store.location, "1")
    other.append(newer, lambda: frame(store, (2, FIRST, "new")).withColumn("more", _one_struct()))
    found = other.arrow(other.read(newer).select("id", "more")).to_pylist()
    assert sorted((r["id"], r["more"]) for r in found) == [(1, None), (2, [{"a": 1, "b": "x"}])]


def _one_struct() -> "object":
    return F.array(F.struct(F.lit(1).cast("bigint").alias("a"), F.lit("x").alias("b")))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (lambda c: (*c[:-1], replace(c[-1], type="bigint")), "note is string, not bigint"),
        (lambda c: c[:-1], "note is not in the contract"),
    ],
)
def test_a_table_of_another_contract_is_refused(
    store: TableStore, columns: Callable[[tuple[Column, ...]], tuple[Column, ...]], said: str
) -> None:
    store.append(TABLE, lambda: frame(store, (1, FIRST, None)))
    with pytest.raises(StorageError, match=re.escape(said)):
        TableStore(store.spark, store.location, "1").ensure(replace(TABLE, columns=columns(TABLE.columns)))


def test_a_log_without_a_commit_is_no_table(store: TableStore) -> None:
    """What a process leaves that is killed while it creates a table."""
    Path(store.path(TABLE), "_delta_log").mkdir(parents=True)
    assert not store.exists(TABLE)
    assert rows(store) == []
    store.append(TABLE, lambda: frame(store, (1, FIRST, None)))
    assert rows(store) == [(1, FIRST, None)]


def test_another_process_sees_a_table_as_soon_as_it_is_there(store: TableStore) -> None:
    other = TableStore(store.spark, store.location, "1")
    assert not other.exists(TABLE)
    store.append(TABLE, lambda: frame(store, (1, FIRST, None)))
    assert other.exists(TABLE)
    assert rows(other) == [(1, FIRST, None)]


def test_rows_are_collected_up_to_a_number_of_bytes(store: TableStore) -> None:
    wide = store.spark.range(3 * 8192, numPartitions=1).select("id", F.repeat(F.lit("x"), 100).alias("text"))
    every = store.arrow_up_to(4 * 2**20, wide)
    assert every is not None
    assert (every.num_rows, every.schema) == (3 * 8192, store.arrow(wide.limit(1)).schema)
    taken, client = [], store.spark.client
    parts = client.to_table_as_iterator

    def counted(*args: object) -> Iterator[object]:
        for part in parts(*args):
            taken.append(part)
            yield part

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(client, "to_table_as_iterator", counted)
        assert store.arrow_up_to(2**10, wide) is None
    assert len(taken) == 2, "the schema and the first part"
    none = store.arrow_up_to(0, wide.where("id < 0"))
    assert none is not None
    assert none.num_rows == 0


def test_a_table_that_was_restored_in_one_commit_is_not_empty(store: TableStore) -> None:
    """A deep clone has all rows in version 0, as an empty table has none there."""
    assert store.is_empty(TABLE)
    store.ensure(TABLE)
    assert store.version(TABLE) == 0
    assert store.is_empty(TABLE)
    data = store.arrow(frame(store, (1, FIRST, None)))
    shutil.rmtree(store.path(TABLE))
    deltalake.write_deltalake(store.path(TABLE), data, partition_by=["date"])
    assert store.version(TABLE) == 0
    assert not store.is_empty(TABLE)


Given = Callable[[Callable[[], DataFrame]], Callable[[], DataFrame] | pa.Table]


@pytest.fixture(params=["computed", "here"])
def given(request: pytest.FixtureRequest, store: TableStore) -> Given:
    """Rows of a MERGE as the engine computes them, or as they are in this process."""
    if request.param == "computed":
        return lambda rows: rows
    return lambda rows: store.arrow(rows())


def test_one_merge_inserts_updates_and_deletes(store: TableStore, given: Given) -> None:
    store.append(TABLE, lambda: frame(store, (1, FIRST, "a"), (2, FIRST, "b"), (3, SECOND, "c")))
    before = store.version(TABLE)

    def difference() -> DataFrame:
        new = frame(store, (2, FIRST, "changed"), (4, SECOND, "new"), dead=False)
        return new.unionByName(frame(store, (1, FIRST, "a"), (9, FIRST, "never there"), dead=True))

    store.merge(TABLE, given(difference), dates=[FIRST, SECOND])
    assert rows(store) == [(2, FIRST, "changed"), (3, SECOND, "c"), (4, SECOND, "new")]
    assert store.version(TABLE) == (before or 0) + 1


def test_a_row_that_moves_to_another_day_is_a_tombstone_here_and_a_row_there(store: TableStore, given: Given) -> None:
    store.append(TABLE, lambda: frame(store, (1, FIRST, "a")))
    store.merge(
        TABLE,
        given(lambda: frame(store, (1, SECOND, "a"), dead=False).unionByName(frame(store, (1, FIRST, "a"), dead=True))),
        dates=[FIRST, SECOND],
    )
    assert rows(store) == [(1, SECOND, "a")]


def test_a_merge_leaves_rows_of_other_days_and_null_keys_match(store: TableStore, given: Given) -> None:
    nameless = frame(store, (1, FIRST, "a")).withColumn("id", F.lit(None).cast("bigint"))
    store.append(TABLE, lambda: nameless.unionByName(frame(store, (1, SECOND, "other day"))))
    changed = nameless.withColumn("note", F.lit("b")).withColumn(TOMBSTONE, F.lit(False))
    store.merge(TABLE, given(lambda: changed), dates=[FIRST])
    found = store.arrow(store.read(TABLE).select("id", "note")).to_pylist()
    assert sorted((r["note"], r["id"]) for r in found) == [("b", None), ("other day", 1)]


def test_rows_that_are_there_stay_where_nothing_may_be_updated(store: TableStore, given: Given) -> None:
    store.append(TABLE, lambda: frame(store, (1, FIRST, "first")))
    new = given(lambda: frame(store, (1, FIRST, "again"), (2, FIRST, "x"), dead=False))
    store.merge(TABLE, new, dates=[FIRST], update=False)
    assert rows(store) == [(1, FIRST, "first"), (2, FIRST, "x")]


def test_a_merge_reads_only_the_days_that_it_names(store: TableStore, given: Given) -> None:
    """Said by literals in the ON clause: a file of another day that is gone is not missed."""
    for number, day in ((1, FIRST), (2, SECOND)):
        store.append(TABLE, lambda number=number, day=day: frame(store, (number, day, "a")))
    (second,) = Path(store.path(TABLE)).glob(f"date={SECOND}/*.parquet")
    second.unlink()
    store.merge(TABLE, given(lambda: frame(store, (1, FIRST, "b"), dead=False)), dates=[FIRST])
    found = store.read(TABLE).where(F.col("date") == FIRST).select("note")
    assert store.arrow(found).to_pylist() == [{"note": "b"}]


def test_a_workspace_in_a_shared_folder_sees_and_changes_its_own_rows_alone(
    spark: SparkSession, tmp_path: Path
) -> None:
    one, two = (TableStore(spark, Location(str(tmp_path)), n, shared=True) for n in ("1", "2"))
    for each in (one, two):
        made = frame(each, (1, FIRST, "a")).withColumn("organization_id", F.lit(each.organization_id))
        each.append(TABLE, lambda made=made: made)
    one.merge(TABLE, lambda: frame(one, (1, FIRST, "a"), dead=True), dates=[FIRST])
    assert rows(one) == []
    assert rows(two) == [(1, FIRST, "a")]
    assert stored(one).metadata().partition_columns == ["organization_id", "date"]


def test_a_lost_commit_is_written_again_from_what_is_then_stored(
    store: TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    store.append(TABLE, lambda: frame(store, (1, FIRST, "a")))
    read: list[int] = []

    def built_on_what_is_there() -> DataFrame:
        there = store.read(TABLE).count()
        read.append(there)
        return frame(store, (10 + there, FIRST, "b"))

    def write() -> None:
        made = built_on_what_is_there()
        if len(read) < 3:
            # Another writer's commit comes first.
            store.append(TABLE, lambda: frame(store, (read[-1] + 100, FIRST, "other")))
            raise PySparkException("Failed to commit transaction: 1")
        store.append(TABLE, lambda: made)

    _retried(TABLE, write)
    assert read == [1, 2, 3]
    assert [r[0] for r in rows(store)] == [1, 13, 101, 102]


def test_another_error_is_not_tried_again() -> None:
    tried: list[int] = []

    def write() -> None:
        tried.append(1)
        raise PySparkException("no such column")

    with pytest.raises(PySparkException, match="no such column"):
        _retried(TABLE, write)
    assert tried == [1]


def test_writers_at_the_same_time_lose_nothing(store: TableStore, given: Given) -> None:
    """Two threads on one table, as two runs of one shared folder are: Sail fails the later MERGE."""
    from concurrent.futures import ThreadPoolExecutor

    store.ensure(TABLE)

    def put(number: int) -> None:
        store.merge(TABLE, given(lambda: frame(store, (number, FIRST, "a"), dead=False)), dates=[FIRST])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(put, range(6)))
    assert [r[0] for r in rows(store)] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("folder", ["my tables", "50%", "tablés", "a#b"])
def test_a_folder_that_the_engine_would_name_otherwise_is_refused(spark: SparkSession, folder: str) -> None:
    with pytest.raises(StorageError, match=r"^Tables can't be stored under .* Choose a storage_prefix of"):
        TableStore(spark, Location(f"/data/{folder}"), "1")


@pytest.mark.parametrize(
    ("value", "rendered"),
    [
        ("it's", r"'it\'s'"),
        ("a\\b", r"'a\\b'"),
        ("'; DROP TABLE t --", r"'\'; DROP TABLE t --'"),
        ("a\\${env:HOME}", r"'a\\$\{env:HOME}'"),
        (7, "7"),
        (FIRST, "DATE'2024-05-01'"),
    ],
)
def test_literals_say_what_they_are(spark: SparkSession, value: str | int | dt.date, rendered: str) -> None:
    assert sql.literal(value) == rendered
    assert spark.sql(f"SELECT {sql.literal(value)} AS v").collect()[0]["v"] == value
    assert spark.sql(f"SELECT {sql.one_of('v', [value])} AS v FROM (SELECT {sql.literal(value)} AS v)").collect()[0][
        "v"
    ]


def test_one_of_nothing_is_false_and_names_are_quoted() -> None:
    assert sql.one_of("v", []) == "false"
    assert sql.name("a`b") == "`a``b`"
