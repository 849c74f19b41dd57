"""Insert: bronze rows go in by content key, each on its own day, and are never deleted (rebuild.md, 1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from overwatch_assets.contract.rebuild import Insert
from overwatch_assets.contract.registry import tables
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.difference import write_difference
from overwatch_assets.runner.state import QUARANTINE
from overwatch_assets.runner.window import day_of
from overwatch_assets.storage.tables import TOMBSTONE, is_any

_KEPT_BYTES = 65_536


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


@dataclass(frozen=True)
class Reading:
    """What a source gave for one window.

    Attributes:
        frames: the transform's inputs, one set for each write.
        rejects: what could not be read.
        side_rows: rows of the module's side tables (errors), in the order of their contract without common columns.
        empty: why there is nothing, when there are no frames.
        notes: counts for the report.
    """

    frames: Sequence[DataFrame] = ()
    rejects: Sequence[Reject] = ()
    side_rows: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)
    empty: str = ""
    notes: dict[str, int] = field(default_factory=dict)


def insert(load: Load, reading: Reading) -> None:
    """Insert what a source gave."""
    table, store = load.table, load.store
    assert isinstance(table.rebuild, Insert)  # noqa: S101 - tells mypy
    quarantine(load, reading.rejects)
    for name, rows in reading.side_rows.items():
        insert_side(load, name, rows)
    for key, count in reading.notes.items():
        load.counts[key] += count
    for frame in reading.frames:

        def new(frame: DataFrame = frame) -> DataFrame:
            return load.finish(table(frame)).dropDuplicates(["organization_id", *table.keys])

        days = store.arrow(new().select(table.partition or "").distinct()).column(0).to_pylist()

        def stored(days: Sequence[object] = tuple(days)) -> DataFrame:
            return store.read(table).where(is_any(F.col(table.partition or ""), days))

        write_difference(load, new, stored, delete=False, update=table.rebuild.replaces, by_day=True)


def quarantine(load: Load, rejects: Iterable[Reject]) -> None:
    """Put rejected input into quarantine; the same input goes in once."""
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
    if not rows:
        return
    schema = T.StructType([*QUARANTINE.schema.fields, T.StructField(TOMBSTONE, T.BooleanType())])
    unique = list({(r[1], r[2], r[3], r[8]): r for r in rows}.values())
    load.lease.check()
    load.store.merge(QUARANTINE, lambda: load.store.frame(unique, schema), dates=None, update=False)
    load.counts["quarantined"] += len(unique)


def insert_side(load: Load, name: str, rows: list[tuple[object, ...]]) -> None:
    """Upsert rows of a side table of the module."""
    if not rows:
        return
    side = tables()[name]
    schema = T.StructType([*side.schema.fields, T.StructField(TOMBSTONE, T.BooleanType())])
    full = [
        (load.workspace.workspace_id, *row, load.workspace.workspace_name, load.now, load.run_id, False) for row in rows
    ]
    load.lease.check()
    load.store.merge(side, lambda: load.store.frame(full, schema), dates=None)
    load.counts[f"{name} rows"] += len(rows)
