"""Tables of state that are followed: always as of the last commit, each file read once."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import deltalake
import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.table import ORGANIZATION, Column, Table
from overwatch_assets.errors import StorageError
from overwatch_assets.storage.followed import Followed, Following
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.maintenance import optimize
from overwatch_assets.storage.tables import TableStore

pytestmark = pytest.mark.engine

COLUMNS = (
    ORGANIZATION,
    Column("kind", "string", "Kind."),
    Column("id", "int", "Id."),
    Column("at", "timestamp", "When."),
    Column("read", "map<string,bigint>", "What was read."),
)
BY_PARTITION = Table(
    name="followed_state", layer="state", doc="One.", columns=COLUMNS, keys=("kind", "id"), partition="kind"
)
BY_BOUNDS = replace(BY_PARTITION, partition=None)
ALL = ("kind", "id", "at", "read")


@pytest.fixture
def store(spark: SparkSession, tmp_path: Path) -> TableStore:
    return TableStore(spark, Location(str(tmp_path)), "1")


def put(store: TableStore, table: Table, *rows: tuple[str, int]) -> None:
    """Append rows in one write."""
    given = [(store.organization_id, kind, number, None, {"a": number}) for kind, number in rows]
    store.append(table, lambda: store.frame(given, table.schema))


def ids(followed: Followed, *values: str | int) -> list[int]:
    return sorted(followed.rows(values or None).column("id").to_pylist())


@pytest.fixture
def opened(store: TableStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files that were read, by name."""
    names: list[str] = []
    fs = store.location.fs
    read: Callable[..., list[bytes]] = fs.cat_ranges

    def spy(paths: list[str], *more: Any, **how: Any) -> list[bytes]:
        names.extend(path.rsplit("/", 1)[-1] for path in paths)
        return read(paths, *more, **how)

    monkeypatch.setattr(fs, "cat_ranges", spy)
    yield names
    assert len(names) == len(set(names)), "a file was read twice"


@pytest.mark.parametrize("table", [BY_PARTITION, BY_BOUNDS], ids=["partition", "bounds"])
def test_rows_are_as_of_the_last_commit_and_each_file_is_read_once(
    store: TableStore, opened: list[str], table: Table
) -> None:
    followed = store.followed(Following(table, ALL, by="kind"))
    assert ids(followed) == []
    put(store, table, ("x", 1))
    put(store, table, ("y", 2))
    assert ids(followed, "x") == [1]
    assert len(opened) == 1  # that of y cannot have it
    assert ids(followed, "x", "z") == [1]
    put(store, table, ("x", 3))
    assert ids(followed, "x") == [1, 3]
    assert len(opened) == 2
    assert ids(followed) == [1, 2, 3]
    assert ids(followed, "z") == []
    assert followed.rows([]).num_rows == 0


def test_values_are_those_that_were_written(store: TableStore) -> None:
    put(store, BY_PARTITION, ("x", 1))
    (row,) = store.followed(Following(BY_PARTITION, ALL, by="id")).rows([1]).to_pylist()
    assert row == {"kind": "x", "id": 1, "at": None, "read": [("a", 1)]}
    made = store.spark.sql(
        "SELECT '1' AS organization_id, 'x' AS kind, 2 AS id, timestamp_millis(1714608000123) AS at, "
        "CAST(NULL AS map<string,bigint>) AS read"
    )
    store.append(BY_PARTITION, lambda: made)
    (row,) = store.followed(Following(BY_PARTITION, ALL, by="id")).rows([2]).to_pylist()
    assert (row["at"].timestamp(), row["at"].utcoffset().seconds, row["read"]) == (1714608000.123, 0, None)


def test_of_several_workspaces_in_a_folder_one_is_read(spark: SparkSession, tmp_path: Path) -> None:
    names = ("1", "2", "it's")
    stores = [TableStore(spark, Location(str(tmp_path)), name, shared=True) for name in names]
    for number, store in enumerate(stores):
        put(store, BY_BOUNDS, ("x", number), ("y", 10 + number))
    assert [ids(s.followed(Following(BY_BOUNDS, ALL, by="kind")), "x") for s in stores] == [[0], [1], [2]]
    assert [ids(s.followed(Following(BY_BOUNDS, ALL, by="kind"))) for s in stores] == [[0, 10], [1, 11], [2, 12]]


def test_a_workspace_that_was_put_into_the_folder_of_another_is_not_read(store: TableStore) -> None:
    put(store, BY_BOUNDS, ("x", 1))
    put(TableStore(store.spark, store.location, "2"), BY_BOUNDS, ("x", 2))
    assert ids(store.followed(Following(BY_BOUNDS, ALL, by="kind")), "x") == [1]


def test_what_is_kept_of_a_file_is_told(store: TableStore) -> None:
    put(store, BY_BOUNDS, ("x", 1), ("x", 2), ("x", 3))
    first = Following(BY_BOUNDS, ALL, by="kind", keep=lambda rows: rows.slice(0, 1))
    assert store.followed(first).rows().num_rows == 1


def test_a_column_of_a_newer_contract_is_null_in_older_files(store: TableStore) -> None:
    put(store, BY_BOUNDS, ("x", 1))
    newer = replace(BY_BOUNDS, columns=(*COLUMNS, Column("more", "bigint", "More.")))
    followed = Followed(store.location, "1", Following(newer, ("id", "more"), by="id"))
    assert followed.rows().to_pylist() == [{"id": 1, "more": None}]
    other = TableStore(store.spark, store.location, "1")
    other.append(newer, lambda: store.frame([("1", "x", 2, None, None, 7)], newer.schema))
    assert sorted((r["id"], r["more"]) for r in followed.rows().to_pylist()) == [(1, None), (2, 7)]


def test_files_written_together_by_maintenance_and_a_shortened_log_change_no_row(store: TableStore) -> None:
    followed = store.followed(Following(BY_BOUNDS, ALL, by="kind"))
    for number in range(4):
        put(store, BY_BOUNDS, ("x", number))
    assert ids(followed) == [0, 1, 2, 3]
    optimize(store.path(BY_BOUNDS), BY_BOUNDS)
    log = Path(store.path(BY_BOUNDS), "_delta_log")
    last = deltalake.DeltaTable(store.path(BY_BOUNDS)).version()
    for commit in log.glob("*.json"):
        if int(commit.stem) < last:
            commit.unlink(missing_ok=True)
    assert ids(followed) == [0, 1, 2, 3]
    put(store, BY_BOUNDS, ("x", 4))
    assert ids(followed) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("looked", [False, True])
def test_a_table_that_was_made_anew_is_another_one(store: TableStore, *, looked: bool) -> None:
    followed = Followed(store.location, "1", Following(BY_BOUNDS, ALL, by="kind"))
    for number in range(3):
        put(store, BY_BOUNDS, ("x", number))
    assert ids(followed) == [0, 1, 2]
    shutil.rmtree(store.path(BY_BOUNDS))
    if looked:
        assert ids(followed) == []
    put(TableStore(store.spark, store.location, "1"), BY_BOUNDS, ("x", 7))
    assert ids(followed) == [7]


def test_a_broken_log_is_one_clear_error(tmp_path: Path) -> None:
    followed = Followed(Location(str(tmp_path)), "1", Following(BY_BOUNDS, ALL, by="kind"))
    log = tmp_path / BY_BOUNDS.name / "_delta_log"
    log.mkdir(parents=True)
    assert ids(followed) == []  # as a killed process leaves it
    (log / f"{0:020}.json").write_text("no commit")
    with pytest.raises(StorageError, match=r"^followed_state of workspace 1 at .*/followed_state can't be read: "):
        ids(followed)
