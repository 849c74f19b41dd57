"""Compare new rows with stored ones; record what changed, then write only that, in one commit."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, functions as F

from overwatch_assets.contract.table import Table
from overwatch_assets.errors import StorageError
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.kept import collected
from overwatch_assets.runner.records import FOR_EVER, FROM_EVER, change_records, merged
from overwatch_assets.runner.window import Window
from overwatch_assets.storage.tables import TOMBSTONE

_ID = "_id"
_START, _END = "_start", "_end"


def row_id(table: Table) -> Column:
    """Text that two rows share when they are the same row: keys and partition, nulls included."""
    names = dict.fromkeys([*table.keys, *([table.partition] if table.partition else [])])
    return F.to_json(F.struct(*(F.col(n) for n in names)))


def content_of(names: Iterable[str]) -> Column:
    """Hash of what some columns say. Through JSON, because nulls, maps and nested values must all count."""
    return F.xxhash64(F.to_json(F.struct(*(F.col(n) for n in names))))


def _sided(load: Load, rows: DataFrame, side: int) -> DataFrame:
    table = load.table
    return rows.select(
        row_id(table).alias(_ID),
        content_of(table.compared).alias("_content"),
        (content_of(_head(table)) if _head(table) else F.lit(side)).alias("_head"),
        F.lit(side).alias("_side"),
        *(F.col(n).alias(f"_c_{n}") for n in said_of(table)),
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


def compare(load: Load, new: DataFrame, stored: DataFrame | None) -> pa.Table:
    """Rows that differ: their id, whether they are new and were stored, partition, entity and links of both images.

    Raises:
        StorageError: the transform returned two rows with one key.
    """
    both = _sided(load, new, 1)
    if stored is not None:
        both = both.unionByName(_sided(load, stored, 0))
    carried = [f"_c_{n}" for n in said_of(load.table)]

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


def records(table: Table, changed: pa.Table, window: Window) -> pa.Table:
    """Change records of compared rows: one of the row before, one of the row after; an entity's new rows have one."""
    is_new = pc.is_null(changed.column("_old"))
    new = changed.filter(is_new).select([f"_c_{n}_1" for n in said_of(table)])
    of_new = records_of_new(table, new.rename_columns(said_of(table)), window)
    stored = changed.filter(pc.invert(is_new))
    if not stored.num_rows:
        return of_new
    return merged([of_new, change_records(_images(table, stored), recorded(table), window, times=(_START, _END))])


def records_of_new(table: Table, rows: pa.Table, window: Window) -> pa.Table:
    """Records of new rows, one for each entity: all their links, and the time from the first to the last.

    Args:
        table: the rows' table.
        rows: its columns `said_of`.
        window: the load's.
    """
    bounds = _bounds(table, [rows.column(name) for name in _times(table)], rows.num_rows)
    rows = rows.select(recorded(table)).append_column(_START, bounds[0]).append_column(_END, bounds[1])
    return change_records(rows, recorded(table), window, per=table.entity, times=(_START, _END))


def _images(table: Table, changed: pa.Table) -> pa.Table:
    """The rows before and the rows after, with the time that each tells of."""
    times = [
        _bounds(table, [changed.column(f"_c_{n}_{side}") for n in _times(table)], changed.num_rows) for side in (0, 1)
    ]
    (_, before), (_, after) = times
    ends = pc.and_(pc.less(before, FOR_EVER), pc.less(after, FOR_EVER))
    there = [pc.is_valid(changed.column(image)) for image in ("_old", "_new")]
    # Only its end moved, with what lasts until there.
    moved = pc.and_(pc.and_(*there), pc.and_(ends, changed.column("_same_head")))
    parts = []
    for side, (start, end) in enumerate(times):
        rows = changed.select([f"_c_{n}_{side}" for n in recorded(table)]).rename_columns(recorded(table))
        rows = rows.append_column(_START, pc.if_else(moved, pc.subtract(pc.min_element_wise(before, after), 1), start))
        rows = rows.append_column(_END, pc.if_else(moved, pc.max_element_wise(before, after), end))
        parts.append(rows.filter(there[side]))
    return pa.concat_tables(parts)


def _bounds(table: Table, times: Sequence[pa.ChunkedArray], count: int) -> tuple[pa.Array, pa.Array]:
    """What records say of the time of rows, given the columns that bound it: of a row without a start, of no time."""
    if table.interval is None:
        return pa.repeat(FROM_EVER, count), pa.repeat(FOR_EVER, count)
    start, *end = times
    until = pc.fill_null(end[0], FOR_EVER) if end else pa.repeat(FOR_EVER, count)
    return pc.fill_null(start, FOR_EVER), pc.if_else(pc.is_valid(start), until, FOR_EVER)


def write_difference(
    load: Load,
    new: Callable[[], DataFrame],
    stored: Callable[[], DataFrame],
    *,
    delete: bool = True,
    by_day: bool = False,
) -> None:
    """Bring the stored rows to what the new ones say.

    Rows of which none was stored are appended: a MERGE would look for them.

    Args:
        load: the load.
        new: the complete rows of what is rebuilt.
        stored: the rows that stand for it now.
        delete: remove stored rows that are not among the new ones.
        by_day: record the days that gained rows (bronze), not the load's window.
    """
    table, store = load.table, load.store
    changed = compare(load, new(), None if store.is_empty(table) else stored())
    if not delete:
        changed = changed.filter(pc.is_valid(changed.column("_new")))
    if not changed.num_rows:
        return
    had, has = pc.is_valid(changed.column("_old")), pc.is_valid(changed.column("_new"))
    partition = table.partition
    dates: set[dt.date | None] | None = None
    if partition is not None:
        sides = [changed.filter(there).column(f"_c_{partition}_{side}") for side, there in ((0, had), (1, has))]
        dates = {day for side in sides for day in side.unique().to_pylist()}
    load.lease.check()
    if by_day:
        days = changed.column(f"_c_{partition}_1").unique()
        load.changes.append(table, change_records(pa.table({"day": days}), (), "day"))
    else:
        load.changes.append(table, records(table, changed, load.window))
    born, dead = changed.filter(has).select([_ID]), changed.filter(pc.invert(has)).select([_ID])

    def chosen(rows: DataFrame, ids: pa.Table) -> DataFrame:
        wanted = store.spark.createDataFrame(ids)
        return rows.withColumn(_ID, row_id(table)).join(wanted, _ID, "leftsemi").select(*table.schema.names)

    def gained() -> DataFrame:
        return chosen(new(), born)

    def difference() -> DataFrame:
        parts = [gained().withColumn(TOMBSTONE, F.lit(False))] if born.num_rows else []
        if dead.num_rows:
            parts.append(chosen(stored(), dead).withColumn(TOMBSTONE, F.lit(True)))
        return reduce(DataFrame.unionByName, parts)

    merges = pc.any(had).as_py()
    rows = difference if merges else gained
    # A MERGE computes its source anew for each of its steps.
    data = collected(store, rows, count=changed.num_rows)
    load.lease.check()
    if merges:
        store.merge(table, rows if data is None else data, dates=dates)
    else:
        store.append(table, rows if data is None else data, conforms=True)
    load.counts["inserted"] += changed.num_rows - pc.sum(had).as_py()
    load.counts["updated"] += pc.sum(pc.and_(had, has)).as_py()
    load.counts["deleted"] += dead.num_rows
