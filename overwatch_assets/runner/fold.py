"""Fold: read touched entities whole, and replace their rows (docs/architecture.md)."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, functions as F, types as T

from overwatch_assets.contract.inputs import AsOf, Events, Linked
from overwatch_assets.contract.rebuild import Fold, Insert
from overwatch_assets.contract.table import Table
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.difference import as_text, write_difference
from overwatch_assets.runner.report import loaded_until_ms, read_report
from overwatch_assets.storage.tables import is_any

_COUNT = "_n"
_FEW = 64
_FEW_FRESH, _FEW_ROWS = 500, 5_000
_KEPT_ROWS, _KEPT_BYTES = 5_000, 16 * 2**20


def fold(load: Load) -> None:
    """Rebuild the entities that the load's window touches."""
    assert isinstance(load.table.rebuild, Fold)  # noqa: S101 - tells mypy
    touched = _touched(load)
    load.counts["entities"] += touched.num_rows
    if touched.num_rows == 0:
        return
    stored = _stored_entities(load, touched)
    # Named by a record of this table: a load that was killed, or one that found nothing to say of it.
    there = pa.concat_tables([stored, _recorded(load, touched)])
    known = touched.filter(_among(touched, there)) if there.num_rows else touched.slice(0, 0)
    fresh = touched.filter(pc.invert(_among(touched, there))) if there.num_rows else touched
    reader = _Reader(load, touched)
    limit = load.table.rebuild.batch_rows
    if limit is not None and pc.max(touched.column(_COUNT)).as_py() == 0:
        counts = reader.counts(touched)
        known, fresh = (_with_counts(part, counts) for part in (known, fresh))
    if known.num_rows and 0 < fresh.num_rows <= _FEW_FRESH and pc.sum(fresh.column(_COUNT)).as_py() <= _FEW_ROWS:
        known, fresh = pa.concat_tables([known, fresh]), fresh.slice(0, 0)  # one comparison, and no append besides it
    done, total = 0, touched.num_rows
    for batch in _batches(fresh, limit):
        _append(load, batch, reader)
        done += batch.num_rows
        load.progress(load.table.name, done, total)
    for batch in _batches(known, limit):
        _replace(load, batch, reader)
        done += batch.num_rows
        load.progress(load.table.name, done, total)


def _append(load: Load, batch: pa.Table, reader: "_Reader") -> None:
    """Entities with nothing stored: no comparison, no MERGE."""
    table, store = load.table, load.store

    rows = _rows(load, batch, reader)
    load.lease.check()
    names = dict.fromkeys([*table.entity, *table.links])
    if table.links:
        found = store.arrow(rows().select(*names)).to_pylist()
    else:
        found = batch.select(list(table.entity)).to_pylist()
    load.changes.append(table, [(load.window, {n: as_text(r[n]) for n in names}) for r in found])
    load.lease.check()
    store.append(table, rows)
    load.counts["appended entities"] += batch.num_rows


def _replace(load: Load, batch: pa.Table, reader: "_Reader") -> None:
    """Entities with stored rows: compare, and write the difference."""
    table, store = load.table, load.store
    write_difference(
        load,
        _rows(load, batch, reader),
        lambda: _of(store.read(table), table.entity, batch, table, store.spark.createDataFrame),
    )


def _rows(load: Load, batch: pa.Table, reader: "_Reader") -> Callable[[], DataFrame]:
    """The batch's new rows, for each time that they are needed.

    Few rows are computed once and kept: they are compared, recorded and written, and each time their plan would be
    analysed and run anew, which is most of what a load of few rows costs. Tables of volume are always computed anew.
    """
    table, store = load.table, load.store
    assert isinstance(table.rebuild, Fold)  # noqa: S101 - tells mypy

    def rows() -> DataFrame:
        return load.finish(table(*reader.inputs(batch)))

    if table.rebuild.batch_rows is not None or batch.num_rows > _KEPT_ROWS:
        return rows
    try:
        data = store.arrow(rows().limit(_KEPT_ROWS + 1))
    except pa.ArrowInvalid:  # Sail may call a member of a struct nullable and send it as not null, which can't be cast
        return rows
    if data.num_rows > _KEPT_ROWS or data.nbytes > _KEPT_BYTES:
        return rows
    return lambda: store.spark.createDataFrame(data, table.schema)


class _Reader:
    """Reads a batch's inputs, pruned to the partitions in which its entities have rows."""

    def __init__(self, load: Load, touched: pa.Table) -> None:
        self.load = load
        self.touched = touched
        self.loaded_until = _loaded_until(load)
        self.days = {
            name: self._days(load.upstream(name), role)
            for name, roles in load.table.inputs.items()
            for role in roles
            if isinstance(role, Events)
        }

    def _days(self, upstream: Table, role: Events) -> list[dt.date] | None:
        """The days on which the touched entities have events; None: not known, read all."""
        by = next((k for k in upstream.links if k in role.key), None)
        keys = upstream.entity if upstream.entity and set(upstream.entity) <= set(role.key) else (by,) if by else ()
        if not keys:
            return None
        position = [role.key.index(c) for c in keys]
        entities = self.touched.select([self.load.table.entity[p] for p in position]).rename_columns(list(keys))
        days = self.load.changes.days(upstream, entities)
        return sorted(days | set(self.load.window.days))

    def inputs(self, batch: pa.Table) -> list[DataFrame]:
        """Spans, then the inputs in the contract's order."""
        load = self.load
        spans = load.store.spark.createDataFrame(batch.select(list(load.table.entity)))
        if self.loaded_until is not None:
            longest = F.lit(load.workspace.max_state_days).cast("bigint")
            spans = spans.withColumn("loaded_until", self.loaded_until).withColumn("max_state_days", longest)
        frames: dict[str, DataFrame] = {}
        for name in load.table.inputs:
            frames[name] = self._input(name, batch, frames)
        return [spans, *frames.values()]

    def _input(self, name: str, batch: pa.Table, before: Mapping[str, DataFrame]) -> DataFrame:
        load = self.load
        upstream = load.upstream(name)
        frame = load.store.read(upstream)
        parts: list[DataFrame] = []
        for role in load.table.inputs[name]:
            if isinstance(role, Events):
                parts.append(self._of(self._events(name, frame, role), role.key, batch, upstream))
            elif isinstance(role, Linked):
                parts.append(self._of(frame, role.key, batch, upstream))
            elif isinstance(role, AsOf) and role.uses is None:
                parts.append(_only(frame, role))
            elif isinstance(role, AsOf):
                served = _looked_up(load, upstream, role, parts[0] if parts else None, before)
                parts.append(_same(served, parts[0], upstream, "leftanti") if parts else served)
        return reduce(DataFrame.unionByName, parts)

    def _events(self, name: str, frame: DataFrame, role: Events) -> DataFrame:
        days = self.days[name]
        if days is not None:
            frame = frame.where(is_any(F.col(self.load.upstream(name).partition or ""), days))
        return _only(frame, role)

    def _of(self, frame: DataFrame, key: Sequence[str], batch: pa.Table, upstream: Table) -> DataFrame:
        if isinstance(upstream.schema[key[0]].dataType, T.ArrayType):
            return _holding(self.load, frame, upstream, key[0], batch.column(self.load.table.entity[0]).to_pylist())
        return _of(frame, key, batch, self.load.table, self.load.store.spark.createDataFrame)

    def counts(self, touched: pa.Table) -> pa.Table:
        """Rows of the first input per entity."""
        load = self.load
        name, roles = next(iter(load.table.inputs.items()))
        role = roles[0]
        assert isinstance(role, Events | Linked)  # noqa: S101 - tells mypy
        rows = self._of(load.store.read(load.upstream(name)), role.key, touched, load.upstream(name))
        pairs = zip(role.key, load.table.entity, strict=True)
        return load.store.arrow(
            rows.groupBy(*(F.col(k).alias(e) for k, e in pairs)).agg(F.count(F.lit(1)).alias(_COUNT))
        )


def _loaded_until(load: Load) -> Column | None:
    """How far each input is loaded, epoch ms, as a struct; None: the table has no open rows."""
    assert isinstance(load.table.rebuild, Fold)  # noqa: S101 - tells mypy
    if load.table.rebuild.open is None:
        return None
    modules = {name: load.upstream(name).module_id for name in load.table.inputs}
    report = read_report(load.store, [m for m in modules.values() if m is not None])
    ends = {n: loaded_until_ms(report, m) for n, m in modules.items() if m is not None}
    return F.struct(*(F.lit(ms).cast("bigint").alias(name) for name, ms in ends.items()))


def _open(load: Load) -> pa.Table | None:
    """Entities with a row that is open and began before the window's end; None: the table has no open rows."""
    table, store = load.table, load.store
    assert isinstance(table.rebuild, Fold)  # noqa: S101 - tells mypy
    if table.rebuild.open is None or table.rebuild.since is None or not store.exists(table):
        return None
    rows = _still_open(store.read(table), table.rebuild.open, table.rebuild.since, load)
    return store.arrow(rows.select(*table.entity, F.lit(0).cast("bigint").alias(_COUNT)).distinct())


def _still_open(rows: DataFrame, is_open: str, since: str, load: Load) -> DataFrame:
    return rows.where(F.col(is_open) & (F.col(since) < load.window.until_ms))


def _only(frame: DataFrame, role: Events | AsOf) -> DataFrame:
    for column, values in role.only.items():
        frame = frame.where(F.col(column).isin(list(values)))
    return frame


def _touched(load: Load) -> pa.Table:
    """Entities to rebuild, with the number of their events in the window where that is known (else 0)."""
    table, store = load.table, load.store
    kinds = {n: table.by_name[n].type for n in table.entity}
    found: list[pa.Table] = []
    none = F.lit(0).cast("bigint").alias(_COUNT)

    def entity(role: Events | Linked) -> list[Column]:
        return [F.col(k).cast(kinds[e]).alias(e) for k, e in zip(role.key, table.entity, strict=True)]

    for name, roles in table.inputs.items():
        upstream = load.upstream(name)
        load.inputs_read[name] = load.changes.seen(upstream, load.window)
        for role in roles:
            if isinstance(role, Linked) and role.open is not None and role.since is not None:
                frame = _still_open(store.read(upstream), role.open, role.since, load)
                found.append(store.arrow(frame.select(*entity(role), none).distinct()))
            if isinstance(role, Events):
                frame = _in_window(load, upstream, role)
                found.append(store.arrow(frame.groupBy(*entity(role)).agg(F.count(F.lit(1)).alias(_COUNT))))
            elif load.inputs_read[name] == 0:
                continue
            elif isinstance(role, Linked):
                changed = load.changes.keys(upstream, load.window, role.key)
                found.append(store.arrow(changed.select(*entity(role), none)))
            elif isinstance(role, AsOf) and store.exists(table):
                changed_keys = _changed_keys(load, upstream, role).withColumnRenamed(role.key, "_changed")
                uses = store.read(table).select(*table.entity, F.explode(role.stored).alias("_used"))
                using = uses.join(changed_keys, F.col("_used") == F.col("_changed"), "leftsemi")
                found.append(store.arrow(using.select(*table.entity, none).distinct()))
    if (still_open := _open(load)) is not None:
        found.append(still_open)
    if not found:
        return pa.table({n: pa.array([], pa.string()) for n in (*table.entity, _COUNT)})
    whole = pa.concat_tables([f.cast(_plain(found[0].schema)) for f in found])
    whole = whole.filter(_complete(whole, table.entity))
    summed = whole.group_by(list(table.entity)).aggregate([(_COUNT, "sum")])
    return summed.rename_columns([n.removesuffix("_sum") for n in summed.column_names]).sort_by(
        [(n, "ascending") for n in table.entity]
    )


def _in_window(load: Load, upstream: Table, role: Events | AsOf) -> DataFrame:
    """Rows of a bronze table on the window's days."""
    return _only(load.store.read(upstream), role).where(is_any(F.col(upstream.partition or ""), load.window.days))


def _changed_keys(load: Load, upstream: Table, role: AsOf) -> DataFrame:
    """Keys of the look-up rows that may have changed, as text: bronze says days, derived tables say which rows."""
    if isinstance(upstream.rebuild, Insert):
        return _in_window(load, upstream, role).select(F.col(role.key).cast("string").alias(role.key)).distinct()
    return load.changes.keys(upstream, load.window, (role.key,))


def _plain(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(f.name, pa.string() if pa.types.is_large_string(f.type) else f.type) for f in schema])


def _complete(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """Rows whose entity has no null: a record without its id belongs to nothing."""
    mask = pc.is_valid(rows.column(names[0]))
    for name in names[1:]:
        mask = pc.and_(mask, pc.is_valid(rows.column(name)))
    return mask


def _stored_entities(load: Load, touched: pa.Table) -> pa.Table:
    """Those of the touched entities that have stored rows."""
    table, store = load.table, load.store
    if not store.exists(table) or store.version(table) == 0:
        return touched.slice(0, 0).select(list(table.entity))
    rows = store.read(table).select(*table.entity).where(_near(table.entity, touched, table)).distinct()
    return store.arrow(rows).cast(touched.select(list(table.entity)).schema)


def _recorded(load: Load, touched: pa.Table) -> pa.Table:
    """Those of the touched entities that the table's own change records of the window name."""
    names = list(load.table.entity)
    wanted = touched.select(names)
    if load.changes.seen(load.table, load.window) == 0:
        return wanted.slice(0, 0)
    kinds = {n: load.table.by_name[n].type for n in names}
    keys = load.changes.keys(load.table, load.window, names)
    keys = keys.select(*(F.col(n).cast(kinds[n]).alias(n) for n in names))
    return load.store.arrow(keys.where(_near(names, touched, load.table))).cast(wanted.schema)


def _among(rows: pa.Table, others: pa.Table) -> pa.Array:
    """Which rows' entities are among the others."""
    names = others.column_names
    distinct = others.group_by(names).aggregate([])
    marked = distinct.append_column("_hit", pa.array([True] * distinct.num_rows))
    numbered = rows.select(names).append_column("_at", pa.array(range(rows.num_rows)))
    joined = numbered.join(marked, names, join_type="left outer").sort_by("_at")
    return pc.fill_null(joined.column("_hit"), False)  # noqa: FBT003 - a value


def _with_counts(rows: pa.Table, counts: pa.Table) -> pa.Table:
    names = [n for n in rows.column_names if n != _COUNT]
    joined = rows.select(names).join(counts.cast(rows.select([*names, _COUNT]).schema), names, join_type="left outer")
    filled = pc.fill_null(joined.column(_COUNT), 0)
    return joined.set_column(joined.column_names.index(_COUNT), _COUNT, filled).sort_by(
        [(n, "ascending") for n in names]
    )


def _batches(entities: pa.Table, limit: int | None) -> Iterator[pa.Table]:
    """Runs of entities with at most ``limit`` rows together (one entity is never cut)."""
    if entities.num_rows == 0:
        return
    if limit is None:
        yield entities
        return
    start, rows = 0, 0
    for at, count in enumerate(entities.column(_COUNT).to_pylist()):
        if at > start and rows + count > limit:
            yield entities.slice(start, at - start)
            start, rows = at, 0
        rows += count
    yield entities.slice(start)


def _near(key: Sequence[str], entities: pa.Table, table: Table):  # type: ignore[no-untyped-def]
    """A predicate on plain columns that all wanted rows satisfy, for the engine to skip files by."""
    condition = F.lit(True)
    for column, name in zip(key, table.entity, strict=True):
        values = entities.column(name)
        distinct = pc.unique(values)
        if len(distinct) <= _FEW:
            condition = condition & F.col(column).isin(distinct.to_pylist())
        elif pa.types.is_integer(values.type):
            span = pc.min_max(values).as_py()
            condition = condition & F.col(column).between(span["min"], span["max"])
    return condition


def _of(
    frame: DataFrame,
    key: Sequence[str],
    entities: pa.Table,
    table: Table,
    make: Callable[[pa.Table], DataFrame],
) -> DataFrame:
    """The frame's rows of some entities."""
    near = frame.where(_near(key, entities, table))
    if len(key) == 1 and entities.num_rows <= _FEW:
        return near
    wanted = make(entities.select(list(table.entity)).rename_columns([f"_k{n}" for n in range(len(key))]))
    match = [F.col(k) == F.col(f"_k{n}") for n, k in enumerate(key)]
    return near.join(wanted, match, "leftsemi")


def _looked_up(
    load: Load, upstream: Table, role: AsOf, own: DataFrame | None, before: Mapping[str, DataFrame]
) -> DataFrame:
    """Rows of all time that serve the keys which other rows ask for: the entities' own, or those of another input."""
    assert role.uses is not None  # noqa: S101 - tells mypy
    table, _, column = role.uses.partition(".")
    asking, uses = (before[table], column) if table in before else (own, role.uses)
    assert asking is not None  # noqa: S101 - a look-up follows its own rows
    kind = asking.select(uses).schema[0].dataType
    keys = asking.select((F.explode(uses) if isinstance(kind, T.ArrayType) else F.col(uses)).alias("k"))
    asked = load.store.arrow(keys.where(F.col("k").isNotNull()).distinct()).column("k").to_pylist()
    return _holding(load, _only(load.store.read(upstream), role), upstream, role.key, asked)


def _holding(load: Load, frame: DataFrame, upstream: Table, column: str, wanted: Sequence[object]) -> DataFrame:
    """Rows in which a column is, or an array holds, one of some values."""
    kind = upstream.schema[column].dataType
    element = kind.elementType if isinstance(kind, T.ArrayType) else kind
    if len(wanted) <= _FEW:
        few = sorted(wanted, key=str)
        if not isinstance(kind, T.ArrayType):
            return frame.where(is_any(F.col(column), few))
        return frame.where(F.arrays_overlap(column, F.array(*(F.lit(v) for v in few)).cast(T.ArrayType(element))))
    values = load.store.frame([(v,) for v in wanted], T.StructType([T.StructField("_k", element)]))
    if not isinstance(kind, T.ArrayType):
        return frame.join(values, F.col(column) == F.col("_k"), "leftsemi")
    found = frame.select(*upstream.keys, F.explode(column).alias("_k")).join(values, "_k", "leftsemi")
    return _same(frame, found, upstream, "leftsemi")


def _same(rows: DataFrame, others: DataFrame, table: Table, how: str) -> DataFrame:
    """Choose rows that are, or are not, among others of the table, by its key: whole rows are wide to compare."""
    keys = others.select(*(F.col(k).alias(f"_{k}") for k in table.keys))
    return rows.join(keys, [F.col(k).eqNullSafe(F.col(f"_{k}")) for k in table.keys], how)
