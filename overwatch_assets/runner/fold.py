"""Fold: read touched entities whole, and replace their rows (docs/architecture.md)."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, functions as F
from pyspark.sql.pandas.types import to_arrow_type

from overwatch_assets.contract.rebuild import Fold, Machine
from overwatch_assets.contract.table import Table
from overwatch_assets.runner import pruning
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.difference import records_of_new, said_of, write_difference
from overwatch_assets.runner.kept import collected, kept
from overwatch_assets.runner.pruning import near, of, on_days
from overwatch_assets.runner.reader import FROM, Reader, after
from overwatch_assets.runner.records import FROM_EVER
from overwatch_assets.runner.touched import AT, COUNT, Touch

_FEW_FRESH, _FEW_ROWS = 2_000, 5_000
_FEW_ENTITIES = 20_000
_PARTS, _PER_DAY = 60_000, 10
"""Rows of one commit of what is rebuilt in parts, about, and how many a day of something has."""


def fold(load: Load) -> None:
    """Rebuild the entities that the load's window touches."""
    assert isinstance(load.table.rebuild, Fold)  # noqa: S101 - tells mypy
    touch = Touch(load)
    touched = touch.entities()
    load.counts["entities"] += touched.num_rows
    if touched.num_rows == 0:
        return
    is_machine = isinstance(load.table.rebuild, Machine)
    touched = _resumed(load, touched) if is_machine else touched.drop([AT])
    own = touched.select(list(load.table.entity))
    stored, days = _stored_entities(load, own)
    # Named by a record of this table: a load that was killed, or one that found nothing to say of it.
    there = pa.concat_tables([stored, _recorded(load, own)]) if touch.is_recorded else stored
    is_known = _among(touched, there)
    known, fresh = touched.filter(is_known), touched.filter(pc.invert(is_known))
    reader = Reader(load, touch)
    limit = load.table.rebuild.batch_rows
    if load.table.days is not None:
        known, fresh = (_by_day(part, load.table.days) for part in (known, fresh))
    if load.table.days is not None or is_machine:
        limit = _PARTS
    elif limit is not None and pc.max(touched.column(COUNT)).as_py() == 0:
        counts = reader.counts(touched)
        known, fresh = (_with_counts(part, counts) for part in (known, fresh))
    few = load.table.days is not None or (pc.sum(fresh.column(COUNT)).as_py() or 0) <= _FEW_ROWS
    if known.num_rows and 0 < fresh.num_rows <= _FEW_FRESH and few:
        known, fresh = pa.concat_tables([known, fresh]), fresh.slice(0, 0)  # one comparison, and no append besides it
    done, total = 0, touched.num_rows
    for batch in _batches(fresh, limit):
        _append(load, batch, reader)
        done += batch.num_rows
        load.progress(load.table.name, done, total)
    for batch in _batches(known, limit):
        _replace(load, batch, reader, days)
        done += batch.num_rows
        load.progress(load.table.name, done, total)


def _append(load: Load, batch: pa.Table, reader: Reader) -> None:
    """Entities with nothing stored: no comparison, no MERGE."""
    table, store = load.table, load.store
    rows = _computed(load, batch, reader)
    data = None if is_volume(table) else collected(store, rows, to_append=True)
    load.lease.check()
    names = said_of(table)
    if names == list(table.entity):
        found = batch
    else:
        found = store.arrow(rows().select(*names)) if data is None else data.select(names)
    if not found.num_rows:
        return  # a load that changes nothing writes nothing
    load.changes.append(table, records_of_new(table, found, load.window))
    load.lease.check()
    store.append(table, _in_one_partition(table, rows, found) if data is None else data, conforms=True)
    load.counts["appended entities"] += batch.num_rows


def _in_one_partition(table: Table, rows: Callable[[], DataFrame], found: pa.Table) -> Callable[[], DataFrame]:
    """The rows with their partition as a literal where all have the same: Sail sorts by one that it computes."""
    partition = table.partition
    if partition is None:
        return rows
    days = pc.unique(found.column(partition)).to_pylist()
    if len(days) != 1 or days[0] is None:
        return rows
    return lambda: rows().withColumn(partition, F.lit(days[0]))


def _replace(load: Load, batch: pa.Table, reader: Reader, days: Sequence[dt.date | None]) -> None:
    """Entities with stored rows, on some days: compare, and write the difference."""
    rows = _computed(load, batch, reader)
    new = rows if is_volume(load.table) else kept(load.store, rows, load.table.schema)
    write_difference(load, new, _stored(load, batch, days))


def _stored(load: Load, batch: pa.Table, days: Sequence[dt.date | None]) -> Callable[[], DataFrame]:
    """The stored rows that the batch's new ones stand for."""
    table, store = load.table, load.store
    if FROM not in batch.column_names:
        own = batch.select(list(table.entity))
        return lambda: of(on_days(table, store.read(table), days), table.entity, own, store.spark.createDataFrame)
    assert table.interval is not None and table.partition is not None  # noqa: S101, PT018 - a machine has both
    match = F.col(table.interval.start) >= F.col(FROM)
    found = store.arrow(after(load, store.read(table), table.entity, batch, match).select(table.partition).distinct())
    own_days = found.column(0).to_pylist()
    return lambda: after(load, on_days(table, store.read(table), own_days), table.entity, batch, match)


def _resumed(load: Load, touched: pa.Table) -> pa.Table:
    """A machine's entities, each with the stored row from which it is rebuilt, and its start as `FROM`.

    That is the last one before its earliest change from which one may go on.
    """
    table, store, rebuild = load.table, load.store, load.table.rebuild
    assert isinstance(rebuild, Machine) and table.interval is not None  # noqa: S101, PT018 - tells mypy
    start = table.interval.start
    own = touched.select([*table.entity, AT])
    names = [f"_k{n}" for n in range(len(table.entity))]
    changed = store.spark.createDataFrame(own.rename_columns([*names, AT]))
    same = [F.col(e) == F.col(k) for e, k in zip(table.entity, names, strict=True)]
    rows = rebuild.stands(store.read(table)).where(near(table.entity, touched.select(list(table.entity))))
    carried = [c for c in rebuild.carried if c != start]
    found = store.arrow(
        rows.join(changed, [*same, F.col(start) < F.col(AT)])
        .groupBy(*table.entity)
        .agg(F.max(start).alias(FROM), *(F.max_by(c, start).alias(f"before_{c}") for c in carried))
    )
    found = found.cast(
        pa.schema(
            [
                *(touched.schema.field(e) for e in table.entity),
                (FROM, pa.int64()),
                *((f"before_{c}", to_arrow_type(table.schema[c].dataType)) for c in carried),
            ]
        )
    )
    joined = touched.drop([AT]).join(found, list(table.entity), join_type="left outer")
    joined = joined.append_column(f"before_{start}", joined.column(FROM))
    whole = joined.set_column(joined.column_names.index(FROM), FROM, pc.fill_null(joined.column(FROM), FROM_EVER))
    return whole.sort_by([(e, "ascending") for e in table.entity])


def _computed(load: Load, batch: pa.Table, reader: Reader) -> Callable[[], DataFrame]:
    """The batch's new rows, computed each time that they are asked for."""
    return lambda: load.finish(load.table(*reader.inputs(batch)))


def is_volume(table: Table) -> bool:
    """Whether the table's rows are too many to be held: they are rebuilt in batches, and computed anew at each step."""
    return isinstance(table.rebuild, Fold) and table.rebuild.batch_rows is not None


def _stored_entities(load: Load, touched: pa.Table) -> tuple[pa.Table, Sequence[dt.date | None]]:
    """Those of the touched entities that have stored rows, and the days of those."""
    table, store = load.table, load.store
    if store.is_empty(table):
        return touched.slice(0, 0), ()
    names = list(dict.fromkeys([*table.entity, *([table.partition] if table.partition else [])]))
    frame = store.read(table)
    is_spread = table.partition not in (None, *table.entity) and not isinstance(table.rebuild, Machine)
    if is_spread and store.file_count(table) > pruning.FEW_FILES:
        told = load.changes.partitions(table, table.entity, touched)
        frame = frame if told is None else on_days(table, frame, told)
    rows = of(frame.select(*names), table.entity, touched, store.spark.createDataFrame)
    found = store.arrow(rows.distinct())
    days = found.column(table.partition).unique().to_pylist() if table.partition else ()
    entities = found.select(list(table.entity)).group_by(list(table.entity)).aggregate([])
    return entities.cast(touched.schema), days


def _recorded(load: Load, touched: pa.Table) -> pa.Table:
    """Those of the touched entities that the table's own change records of the window name."""
    names = list(load.table.entity)
    kinds = {n: load.table.by_name[n].type for n in names}
    keys = load.changes.keys(load.table, load.window, names)
    keys = keys.select(*(F.col(n).cast(kinds[n]).alias(n) for n in names))
    return load.store.arrow(keys.where(near(names, touched))).cast(touched.schema)


def _among(rows: pa.Table, others: pa.Table) -> pa.Array:
    """Which rows' entities are among the others."""
    names = others.column_names
    distinct = others.group_by(names).aggregate([])
    marked = distinct.append_column("_hit", pa.array([True] * distinct.num_rows, pa.bool_()))
    numbered = rows.select(names).append_column("_row", pa.array(range(rows.num_rows)))
    joined = numbered.join(marked, names, join_type="left outer").sort_by("_row")
    return pc.fill_null(joined.column("_hit"), False)  # noqa: FBT003 - a value


def _with_counts(rows: pa.Table, counts: pa.Table) -> pa.Table:
    names = [n for n in rows.column_names if n != COUNT]
    joined = rows.select(names).join(counts.cast(rows.select([*names, COUNT]).schema), names, join_type="left outer")
    filled = pc.fill_null(joined.column(COUNT), 0)
    return joined.set_column(joined.column_names.index(COUNT), COUNT, filled).sort_by([(n, "ascending") for n in names])


def _by_day(entities: pa.Table, day: str) -> pa.Table:
    """Days of something in the order of the days, so that a batch is in few of them."""
    counts = pa.array([_PER_DAY] * entities.num_rows, pa.int64())
    counted = entities.set_column(entities.column_names.index(COUNT), COUNT, counts)
    return counted.sort_by([(day, "ascending"), *((n, "ascending") for n in entities.column_names if n != day)])


def _batches(entities: pa.Table, limit: int | None) -> Iterator[pa.Table]:
    """Runs of entities with at most ``limit`` rows together (one entity is never cut), else of so many entities."""
    if entities.num_rows == 0:
        return
    if limit is None:
        yield from (entities.slice(at, _FEW_ENTITIES) for at in range(0, entities.num_rows, _FEW_ENTITIES))
        return
    start, rows = 0, 0
    for at, count in enumerate(entities.column(COUNT).to_pylist()):
        if at > start and rows + count > limit:
            yield entities.slice(start, at - start)
            start, rows = at, 0
        rows += count
    yield entities.slice(start)
