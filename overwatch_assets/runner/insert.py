"""Insert: bronze rows go in by content key, each on its own day, and are never deleted (docs/architecture.md)."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, functions as F, types as T

from overwatch_assets.contract.rebuild import Insert
from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import META
from overwatch_assets.errors import SourceError
from overwatch_assets.rules.days import day_of
from overwatch_assets.rules.windows import first_of
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.difference import content_of, row_id, write_difference
from overwatch_assets.runner.kept import collected, kept
from overwatch_assets.runner.records import change_records
from overwatch_assets.runner.state import QUARANTINE
from overwatch_assets.storage.tables import TOMBSTONE, is_any

_KEPT_BYTES = 65_536
_REJECTS = 10_000  # that one commit holds
_KEY = "_key"
_SAID = re.compile(rf"\b{SourceError.__name__}: (.+)")


@dataclass(frozen=True)
class Reject:
    """A piece of input that is no row: goes to `quarantine_bronze`."""

    location: str
    line: int | None
    position: int | None
    reason: str
    content: str | None
    content_bytes: bytes | None
    hash: int


def content_hash(content: bytes) -> int:
    """The `hash` of a `Reject`: Spark's `xxhash64`, since an engine may be what finds that a line is no row."""
    return int.from_bytes(xxhash.xxh64_digest(content, seed=42), "big", signed=True)


def file_reject(path: str, reason: str) -> Reject:
    """What is said of a whole file or folder."""
    return Reject(path, None, None, reason, None, None, content_hash(path.encode()))


@dataclass(frozen=True)
class Reading:
    """What a source gave for one window.

    Attributes:
        frames: the transform's inputs, one set for each write.
        rejects: what could not be read.
        side_rows: rows of the module's side tables (errors), in the order of their contract without common columns.
        empty: why there is nothing, when there are no frames.
        notes: counts for the report.
        whole: files that were read to their end: what is wrong with them is in `rejects`, and no more is.
        refused: places that the storage does not let be read now, each with why: the load fails once the rest is in.
        stored: told the number of each frame, from 0, once its rows are in: the source may forget what it kept for it.
    """

    frames: Sequence[DataFrame] = ()
    rejects: Sequence[Reject] = ()
    side_rows: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)
    empty: str = ""
    notes: dict[str, int] = field(default_factory=dict)
    whole: Collection[str] = ()
    refused: Sequence[str] = ()
    stored: Callable[[int], None] | None = None


def insert(load: Load, reading: Reading) -> None:
    """Insert what a source gave.

    Raises:
        SourceError: a part of it could not be read; what could is inserted.
    """
    table = load.table
    assert isinstance(table.rebuild, Insert)  # noqa: S101 - tells mypy
    quarantine(load, reading.rejects)
    _forget_rejects(load, reading)
    for key, count in reading.notes.items():
        load.counts[key] += count
    for number, frame in enumerate(reading.frames):
        with _told(load):
            (_replace if table.rebuild.replaces else _append)(load, frame)
        if reading.stored is not None:
            reading.stored(number)
    # After the rows, because they may say that what an earlier load could not read is there now.
    for name, rows in reading.side_rows.items():
        insert_side(load, name, rows)
    if reading.refused:
        more = f" (and {len(reading.refused) - 1} more)" if len(reading.refused) > 1 else ""
        raise _unread(load, f"{reading.refused[0]}{more}")


def _unread(load: Load, place: str) -> SourceError:
    return SourceError(
        f"{load.table.name} of workspace {load.workspace.workspace_id} lacks what could not be read for {load.window}: "
        f"{place}. Load that again"
    )


@contextmanager
def _told(load: Load) -> Iterator[None]:
    """Say of the engine's error what the reader said that raised it within."""
    try:
        yield
    except PySparkException as error:
        found = _SAID.search(str(error))
        if found is None:
            raise
        raise _unread(load, found[1]) from None


def _replace(load: Load, frame: DataFrame) -> None:
    """Insert rows of new keys, and put rows that say something else in the place of stored ones."""
    table, store = load.table, load.store
    assert table.partition is not None  # noqa: S101 - tables that grow have one
    partition = table.partition

    new = kept(store, lambda: load.finish(table(frame)), table.schema)
    days = store.arrow(new().select(partition).distinct()).column(0).to_pylist()

    def stored() -> DataFrame:
        return store.read(table).where(is_any(F.col(partition), days))

    write_difference(load, new, stored, delete=False, by_day=True)


def _append(load: Load, frame: DataFrame) -> None:
    """Append rows of new keys. Only keys are compared: rows of one key are the same record."""
    table, store = load.table, load.store
    assert table.partition is not None  # noqa: S101 - tables that grow have one
    partition = table.partition
    key = F.md5(row_id(table)).alias(_KEY)
    about = list(dict.fromkeys((*table.entity, *table.links)))

    def computed() -> DataFrame:
        return load.finish(table(frame))

    data = collected(store, computed)

    def new() -> DataFrame:
        rows = computed() if data is None else store.spark.createDataFrame(data, table.schema)
        return rows.select("*", key)

    found = store.arrow(new().select(_KEY, partition, *about))
    if not found.num_rows:
        return
    keys = found.group_by(_KEY).aggregate([(partition, "min"), (_KEY, "count")])
    if store.is_empty(table):
        fresh = keys
    else:
        days = found.column(partition).unique().to_pylist()
        stored = store.read(table).where(is_any(F.col(partition), days)).select(key)
        there = store.arrow(stored.join(store.spark.createDataFrame(keys.select([_KEY])), _KEY, "leftsemi"))
        fresh = keys.filter(pc.invert(pc.is_in(keys.column(_KEY), there.column(_KEY).combine_chunks())))
    if found.num_rows > keys.num_rows:
        load.counts["duplicates"] += found.num_rows - keys.num_rows
    if not fresh.num_rows:
        return

    def rows() -> DataFrame:
        picked = new().join(store.spark.createDataFrame(fresh.select([_KEY])), _KEY, "leftsemi")
        if pc.max(fresh.column(f"{_KEY}_count")).as_py() > 1:
            picked = first_of(picked, (_KEY,), ())
        return picked.drop(_KEY)

    load.lease.check()
    gained = found.filter(pc.is_in(found.column(_KEY), fresh.column(_KEY).combine_chunks()))
    load.changes.append(table, change_records(gained, about, partition))
    load.lease.check()
    are_all = data is not None and fresh.num_rows == found.num_rows
    store.append(table, data if are_all else rows, conforms=True)
    load.counts["inserted"] += fresh.num_rows


def quarantine(load: Load, rejects: Iterable[Reject]) -> None:
    """Put rejected input into quarantine; the same input goes in once."""
    rest = iter(rejects)
    while part := list(islice(rest, _REJECTS)):
        _quarantine(load, part)


def _quarantine(load: Load, rejects: Sequence[Reject]) -> None:
    rows = [
        (
            load.workspace.workspace_id,
            load.table.name,
            r.location,
            r.line,
            r.position,
            r.reason,
            r.content,
            None if r.content_bytes is None else r.content_bytes[:_KEPT_BYTES],
            r.hash,
            day_of(load.window.from_ms),
            load.workspace.workspace_name,
            load.now,
            load.run_id,
            False,
        )
        for r in rejects
    ]
    schema = T.StructType([*QUARANTINE.schema.fields, T.StructField(TOMBSTONE, T.BooleanType())])
    there = _quarantined(load, {r[2] for r in rows})
    unique = list({k: r for r in rows if (k := (r[2], r[3], r[8])) not in there}.values())
    if not unique:
        return
    load.lease.check()
    load.store.merge(QUARANTINE, lambda: load.store.frame(unique, schema), dates=None, update=False)
    load.counts["quarantined"] += len(unique)


def forget(load: Load, chosen: Callable[[DataFrame], DataFrame | None]) -> None:
    """Take out of quarantine what is chosen among the rows of the table's input; None: nothing."""
    store = load.store
    if not store.exists(QUARANTINE):
        return
    old = chosen(store.read(QUARANTINE).where(F.col("source") == load.table.name))
    if old is not None and store.arrow(old.agg(F.count(F.lit(1)).alias("n"))).column("n")[0].as_py():
        load.lease.check()
        store.merge(QUARANTINE, lambda: old.withColumn(TOMBSTONE, F.lit(True)), dates=None)


def _forget_rejects(load: Load, reading: Reading) -> None:
    """Take out of quarantine what is not so any more: a file that was damaged may be whole by now."""
    store = load.store
    if not reading.whole:
        return
    still = {(r.location, r.line, r.hash) for r in reading.rejects}

    def gone(rejects: DataFrame) -> DataFrame | None:
        whole = store.spark.createDataFrame(pa.table({"location": sorted(reading.whole)}))
        said = rejects.join(whole, "location", "leftsemi")
        there = store.arrow(said.select("location", "line", "hash"))
        over = there.filter(pa.array([tuple(row.values()) not in still for row in there.to_pylist()], pa.bool_()))
        if not over.num_rows:
            return None
        keys = store.spark.createDataFrame(over.rename_columns(["_location", "_line", "_hash"]))
        same = [F.col(name).eqNullSafe(F.col(f"_{name}")) for name in there.column_names]
        return said.join(keys, same, "leftsemi")

    forget(load, gone)


def _quarantined(load: Load, locations: set[str]) -> set[tuple[str, int | None, int]]:
    """Place and hash of what is in quarantine from some locations: what is there already is no news."""
    rows = load.store.read(QUARANTINE).where(
        (F.col("source") == load.table.name) & is_any(F.col("location"), sorted(locations))
    )
    found = load.store.arrow(rows.select("location", "line", "hash")).to_pylist()
    return {(r["location"], r["line"], r["hash"]) for r in found}


def insert_side(load: Load, name: str, rows: list[tuple[object, ...]]) -> None:
    """Upsert rows of a side table of the module, unless it says all of that already."""
    if not rows:
        return
    side = tables()[name]
    schema = T.StructType([*side.schema.fields, T.StructField(TOMBSTONE, T.BooleanType())])
    full = [
        (load.workspace.workspace_id, *row, load.workspace.workspace_name, load.now, load.run_id, False) for row in rows
    ]
    store = load.store
    data = store.arrow(store.frame(full, schema))
    there, dates = store.read(side), None
    if side.partition is not None and side.partition in side.keys:
        dates = data.column(side.partition).unique().to_pylist()
        there = there.where(is_any(F.col(side.partition), dates))
    said = content_of(c.name for c in side.columns if c not in META).alias("_said")
    fresh = store.spark.createDataFrame(data, schema).select(said).join(there.select(said), "_said", "leftanti")
    if not store.arrow(fresh.limit(1)).num_rows:
        return  # all of it is there, and a load that changes nothing writes nothing
    load.lease.check()
    store.merge(side, data, dates=dates)
    load.counts[f"{name} rows"] += len(rows)
