"""Compare new rows with stored ones; record what changed, then write only that, in one MERGE."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, functions as F

from overwatch_assets.contract.table import Table
from overwatch_assets.errors import StorageError
from overwatch_assets.runner.changes import FOR_EVER, Record, day_window
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.kept import MANY, collected
from overwatch_assets.runner.window import Window
from overwatch_assets.storage.tables import TOMBSTONE

_ID = "_id"


def row_id(table: Table) -> Column:
    """Text that two rows share when they are the same row: keys and partition, nulls included."""
    names = dict.fromkeys([*table.keys, *([table.partition] if table.partition else [])])
    return F.to_json(F.struct(*(F.col(n) for n in names)))


def content_of(names: Iterable[str]) -> Column:
    """Hash of what some columns say. Through JSON, because nulls, maps and nested values must all count."""
    return F.xxhash64(F.to_json(F.struct(*(F.col(n) for n in names))))


def _sided(load: Load, rows: DataFrame, side: int) -> DataFrame:
    table = load.table
    extra = dict.fromkeys([*said_of(table), *([table.partition] if table.partition else [])])
    return rows.select(
        row_id(table).alias(_ID),
        content_of(table.compared).alias("_content"),
        (content_of(_head(table)) if _head(table) else F.lit(side)).alias("_head"),
        F.lit(side).alias("_side"),
        *(F.col(n).alias(f"_c_{n}") for n in extra),
    )


def recorded(table: Table) -> list[str]:
    """Columns whose values change records have: the partition among them, so that rows of an entity are found again."""
    return list(dict.fromkeys([*table.entity, *table.links, *([table.partition] if table.partition else [])]))


def said_of(table: Table) -> list[str]:
    """Columns of a row that its change records are made of."""
    return list(dict.fromkeys([*recorded(table), *_times(table)]))


def _times(table: Table) -> list[str]:
    """Columns with the bounds of a row's time."""
    return [] if table.interval is None else [c for c in (table.interval.start, table.interval.end) if c is not None]


def _head(table: Table) -> list[str]:
    """Columns that say how a row's time was before its end; none: all do."""
    if table.interval is None or not table.interval.tail:
        return []
    return [c for c in table.compared if c not in (*table.interval.tail, table.interval.end)]


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
    twice = changed.filter(pc.greater(changed.column("_news"), 1)).column(_ID)
    if len(twice):
        raise StorageError(f"{load.table.name}: {len(twice)} keys have several rows, {twice[0]} among them")
    return changed


def records(load: Load, changed: pa.Table, window: Window) -> Iterable[Record]:
    """Change records of compared rows: one of the row before, one of the row after; an entity's new rows have one."""
    names = recorded(load.table)
    is_new = pc.is_null(changed.column("_old"))
    new = changed.filter(is_new).select([f"_c_{n}_1" for n in said_of(load.table)])
    yield from records_of_new(load.table, new.rename_columns(said_of(load.table)), window)
    for row in changed.filter(pc.invert(is_new)).to_pylist():
        sides = [side for side, image in ((0, "_old"), (1, "_new")) if row[image] is not None]
        bounds = {side: _bounds(load.table, [row[f"_c_{n}_{side}"] for n in _times(load.table)]) for side in sides}
        ends = [end for _, end in bounds.values() if end is not None]
        if len(ends) == len(sides) > 1 and row["_same_head"]:  # only its end moved, with what lasts until there
            bounds = dict.fromkeys(sides, (min(ends) - 1, max(ends)))
        for side in sides:
            yield Record(window, {n: as_text(row[f"_c_{n}_{side}"]) for n in names}, *bounds[side])


def records_of_new(table: Table, rows: pa.Table, window: Window) -> Iterable[Record]:
    """Records of new rows, one for each entity: all their links, and the time from the first to the last.

    Args:
        table: the rows' table.
        rows: its columns `said_of`.
        window: the load's.
    """
    if not any(pa.types.is_nested(kind) for kind in rows.schema.types):
        rows = rows.group_by(rows.column_names, use_threads=False).aggregate([])  # most rows of an entity say the same
    values = {n: rows.column(n).to_pylist() for n in recorded(table)}
    times = [rows.column(n).to_pylist() for n in _times(table)]
    entities: dict[tuple[Any, ...], list[int]] = {}
    for at, entity in enumerate(zip(*(values[n] for n in table.entity), strict=True)):
        entities.setdefault(entity, []).append(at)
    for of_entity in entities.values():
        bounds = [_bounds(table, [column[at] for column in times]) for at in of_entity]
        starts, ends = ([bound[side] for bound in bounds] for side in (0, 1))
        yield Record(
            window,
            {
                name: tuple(dict.fromkeys(text for at in of_entity for text in as_text(column[at])))
                for name, column in values.items()
            },
            None if None in starts else min(s for s in starts if s is not None),
            None if None in ends else max(e for e in ends if e is not None),
        )


def _bounds(table: Table, times: Sequence[int | None]) -> tuple[int | None, int | None]:
    """What a record says of a row's time, given the values of its columns."""
    if table.interval is None:
        return None, None
    start, end, *_ = [*times, None]
    return (FOR_EVER, FOR_EVER) if start is None else (start, end)


def as_text(value: object) -> tuple[str, ...]:
    """A key's values as change records hold them."""
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(str(v) for v in value if v is not None)
    return (str(value),)


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
    if not update:
        changed = changed.filter(pc.is_null(changed.column("_old")))
    if not delete:
        changed = changed.filter(pc.is_valid(changed.column("_new")))
    if not changed.num_rows:
        return 0
    had, has = pc.is_valid(changed.column("_old")), pc.is_valid(changed.column("_new"))
    partition = table.partition
    dates: set[dt.date | None] | None = None
    if partition is not None:
        sides = [changed.filter(there).column(f"_c_{partition}_{side}") for side, there in ((0, had), (1, has))]
        dates = {day for side in sides for day in side.unique().to_pylist()}
    load.lease.check()
    if by_day:
        days = changed.column(f"_c_{partition}_1").unique().to_pylist()
        load.changes.append(table, [Record(day_window(d), {}) for d in sorted(days)])
    else:
        load.changes.append(table, records(load, changed, load.window))
    born, dead = changed.filter(has).select([_ID]), changed.filter(pc.invert(has)).select([_ID])

    def chosen(rows: DataFrame, ids: pa.Table, *, tombstone: bool) -> DataFrame:
        return (
            rows.withColumn(_ID, row_id(table))
            .join(store.spark.createDataFrame(ids), _ID, "leftsemi")
            .select(*table.schema.names, F.lit(tombstone).alias(TOMBSTONE))
        )

    def difference() -> DataFrame:
        parts = [chosen(new(), born, tombstone=False)] if born.num_rows else []
        if dead.num_rows:
            parts.append(chosen(stored(), dead, tombstone=True))
        return reduce(DataFrame.unionByName, parts)

    load.lease.check()
    # A MERGE computes its source anew for each of its steps.
    data = collected(store, difference) if changed.num_rows <= MANY else None
    store.merge(table, difference if data is None else data, dates=dates)
    load.counts["inserted"] += changed.num_rows - pc.sum(had).as_py()
    load.counts["updated"] += pc.sum(pc.and_(had, has)).as_py()
    load.counts["deleted"] += dead.num_rows
    return int(changed.num_rows)
