"""Compare new rows with stored ones; record what changed, then write only that, in one MERGE."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, functions as F

from overwatch_assets.contract.table import Table
from overwatch_assets.errors import StorageError
from overwatch_assets.runner.changes import FOR_EVER, Record, day_window
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.window import Window
from overwatch_assets.storage.tables import TOMBSTONE

_ID = "_id"
_FEW, _LIGHT = 1_000, 16 * 2**20  # rows and bytes that one message of the client carries easily


def row_id(table: Table) -> Column:
    """Text that two rows share when they are the same row: keys and partition, nulls included."""
    names = dict.fromkeys([*table.keys, *([table.partition] if table.partition else [])])
    return F.to_json(F.struct(*(F.col(n) for n in names)))


def content_of(names: Iterable[str]) -> Column:
    """Hash of what some columns say. Through JSON, because nulls, maps and nested values must all count."""
    return F.xxhash64(F.to_json(F.struct(*(F.col(n) for n in names))))


def _sided(load: Load, rows: DataFrame, side: int) -> DataFrame:
    table = load.table
    extra = dict.fromkeys(
        [*table.entity, *table.links, *([table.partition] if table.partition else []), *_times(table)]
    )
    return rows.select(
        row_id(table).alias(_ID),
        content_of(table.compared).alias("_content"),
        (content_of(_head(table)) if _head(table) else F.lit(side)).alias("_head"),
        F.lit(side).alias("_side"),
        *(F.col(n).alias(f"_c_{n}") for n in extra),
    )


def _times(table: Table) -> list[str]:
    """Columns with the bounds of a row's time."""
    return [] if table.interval is None else [c for c in (table.interval.start, table.interval.end) if c is not None]


def _head(table: Table) -> list[str]:
    """Columns that say how a row's time was before its end; none: all do."""
    if table.interval is None or not table.interval.tail:
        return []
    return [c for c in table.compared if c not in (*table.interval.tail, table.interval.end)]


def starts_and_ends(table: Table) -> list[Column]:
    """A row's time as two columns, `starts` and `ends`: what change records say of it."""
    none = F.lit(None).cast("bigint")
    if table.interval is None:
        return [none.alias("starts"), none.alias("ends")]
    start = F.col(table.interval.start).cast("bigint")
    end = none if table.interval.end is None else F.col(table.interval.end).cast("bigint")
    known = F.when(start.isNotNull(), end).otherwise(F.lit(FOR_EVER))  # without a start it has no time
    return [F.coalesce(start, F.lit(FOR_EVER)).alias("starts"), known.alias("ends")]


def compare(load: Load, new: DataFrame, stored: DataFrame) -> pa.Table:
    """Rows that differ: their id, whether they are new and were stored, partition, entity and links of both images.

    Raises:
        StorageError: the transform returned two rows with one key.
    """
    both = _sided(load, new, 1).unionByName(_sided(load, stored, 0))
    carried = [n for n in both.columns if n.startswith("_c_")]

    def of(side: int, column: str) -> Column:
        return F.when(F.col("_side") == side, F.col(column))

    folded = both.groupBy(_ID).agg(
        F.sum("_side").alias("_news"),
        F.max(of(1, "_content")).alias("_new"),
        F.max(of(0, "_content")).alias("_old"),
        F.min("_head").eqNullSafe(F.max("_head")).alias("_same_head"),
        *(F.first(of(side, c), ignorenulls=True).alias(f"{c}_{side}") for c in carried for side in (0, 1)),
    )
    changed = load.store.arrow(
        folded.where(~F.col("_new").eqNullSafe(F.col("_old")) | (F.col("_news") > 1)).drop("_content")
    )
    twice = [
        i for i, n in zip(changed.column(_ID).to_pylist(), changed.column("_news").to_pylist(), strict=True) if n > 1
    ]
    if twice:
        raise StorageError(f"{load.table.name}: {len(twice)} keys have several rows, {twice[0]} among them")
    return changed


def records(load: Load, changed: pa.Table, window: Window) -> Iterable[Record]:
    """Change records of compared rows: one of the row before, one of the row after."""
    names = dict.fromkeys([*load.table.entity, *load.table.links])
    for row in changed.to_pylist():
        sides = [side for side, image in ((0, "_old"), (1, "_new")) if row[image] is not None]
        bounds = {side: _bounds(load.table, row, side) for side in sides}
        ends = [end for _, end in bounds.values() if end is not None]
        if (
            len(ends) == len(sides) > 1 and row["_same_head"]
        ):  # it grew, or shrank: what lasts until its end changed too
            bounds = dict.fromkeys(sides, (min(ends) - 1, max(ends)))
        for side in sides:
            yield Record(window, {n: as_text(row[f"_c_{n}_{side}"]) for n in names}, *bounds[side])


def _bounds(table: Table, row: Mapping[str, Any], side: int) -> tuple[int | None, int | None]:
    if table.interval is None:
        return None, None
    start, end, *_ = [*(row[f"_c_{n}_{side}"] for n in _times(table)), None]
    return (FOR_EVER, FOR_EVER) if start is None else (start, end)


def as_text(value: object) -> tuple[str, ...]:
    """A key's values as change records hold them."""
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(str(v) for v in value if v is not None)
    return (str(value),)


def _carried(load: Load, rows: DataFrame) -> DataFrame:
    """A few rows as a literal: a MERGE computes its source anew for each of its steps (docs/architecture.md)."""
    data = load.store.arrow(rows)
    return load.store.spark.createDataFrame(data, rows.schema) if data.nbytes <= _LIGHT else rows


def write_difference(
    load: Load,
    new: Callable[[], DataFrame],
    stored: Callable[[], DataFrame],
    *,
    delete: bool = True,
    update: bool = True,
    by_day: bool = False,
) -> int:
    """Bring the stored rows to what the new ones say, and return how many rows were written.

    Args:
        load: the load.
        new: the complete rows of what is rebuilt.
        stored: the rows that stand for it now.
        delete: remove stored rows that are not among the new ones.
        update: rewrite stored rows that differ.
        by_day: record the days that gained rows (bronze), not the load's window.
    """
    table, store = load.table, load.store
    changed = compare(load, new(), stored())
    rows = changed.to_pylist()
    if not update:
        rows = [r for r in rows if r["_old"] is None]
    if not delete:
        rows = [r for r in rows if r["_new"] is not None]
    if not rows:
        return 0
    kept = changed.filter(pc.is_in(changed.column(_ID), pa.array([r[_ID] for r in rows])))
    partition = table.partition
    dates = None
    if partition is not None:
        dates = {r[f"_c_{partition}_{side}"] for r in rows for side in (0, 1) if r[("_old", "_new")[side]] is not None}
    load.lease.check()
    if by_day:
        days = {r[f"_c_{partition}_1"] for r in rows}
        load.changes.append(table, [Record(day_window(d), {}) for d in sorted(days)])
    else:
        load.changes.append(table, records(load, kept, load.window))
    born = kept.filter(pc.is_valid(kept.column("_new"))).select([_ID])
    dead = kept.filter(pc.is_null(kept.column("_new"))).select([_ID])

    def difference() -> DataFrame:
        parts = []
        if born.num_rows:
            fresh = new()
            parts.append(
                fresh.withColumn(_ID, row_id(table))
                .join(store.spark.createDataFrame(born), _ID, "leftsemi")
                .select(*fresh.columns, F.lit(False).alias(TOMBSTONE))
            )
        if dead.num_rows:
            old = stored()
            parts.append(
                old.withColumn(_ID, row_id(table))
                .join(store.spark.createDataFrame(dead), _ID, "leftsemi")
                .select(*old.columns, F.lit(True).alias(TOMBSTONE))
            )
        return parts[0] if len(parts) == 1 else parts[0].unionByName(parts[1])

    load.lease.check()
    store.merge(table, (lambda: _carried(load, difference())) if len(rows) <= _FEW else difference, dates=dates)
    load.counts["inserted"] += sum(r["_old"] is None for r in rows)
    load.counts["updated"] += sum(r["_old"] is not None and r["_new"] is not None for r in rows)
    load.counts["deleted"] += sum(r["_new"] is None for r in rows)
    return len(rows)
