"""What a transform gets: the entities to rebuild, and of each input the rows that they are made of."""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, functions as F, types as T

from overwatch_assets.contract.inputs import AsOf, Events, Linked
from overwatch_assets.contract.rebuild import Insert, Machine
from overwatch_assets.contract.table import Table
from overwatch_assets.rules.days import DAY_MS, day_of, day_start_ms
from overwatch_assets.runner import pruning
from overwatch_assets.runner.changes import SINCE
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.pruning import FEW, near, of, on_days
from overwatch_assets.runner.records import FOR_EVER, FROM_EVER
from overwatch_assets.runner.touched import COUNT, Touch, meets, only
from overwatch_assets.storage.tables import is_any

FROM = "_from"
"""Column of a machine's batch: start of the stored row from which the entity is rebuilt; `FROM_EVER`: there is none."""


class Reader:
    """Reads a batch's inputs, pruned to the partitions in which its entities have rows."""

    def __init__(self, load: Load, touch: Touch) -> None:
        self.load = load
        self._store = load.store
        roles = [role for roles in load.table.inputs.values() for role in roles]
        depends = any(isinstance(r, Linked) and r.open for r in roles) or isinstance(load.table.rebuild, Machine)
        self._loaded_until = touch.loaded_until() if depends else None
        self._begins: dict[tuple[str, tuple[str, ...]], int | None] = {}

    def inputs(self, batch: pa.Table) -> list[DataFrame]:
        """Spans, then the inputs in the contract's order."""
        load = self.load
        hidden = [n for n in (COUNT, FROM) if n in batch.column_names]
        self._begins = {}
        spans = self._store.spark.createDataFrame(batch.drop(hidden))
        if self._loaded_until is not None:
            until = F.struct(*(F.lit(ms).cast("bigint").alias(name) for name, ms in self._loaded_until.items()))
            longest = F.lit(load.workspace.max_state_days).cast("bigint")
            spans = spans.withColumn("loaded_until", until).withColumn("max_state_days", longest)
        frames: dict[str, DataFrame] = {}
        for name in load.table.inputs:
            frames[name] = self._input(name, batch, frames)
        return [spans, *frames.values()]

    def counts(self, touched: pa.Table) -> pa.Table:
        """Rows of the first input per entity."""
        name, (role, *_) = next(iter(self.load.table.inputs.items()))
        assert isinstance(role, Events | Linked)  # noqa: S101 - tells mypy
        upstream = self.load.upstream(name)
        rows = self._of(self._store.read(upstream), role.key, touched, upstream)
        pairs = zip(role.key, self.load.table.entity, strict=True)
        return self._store.arrow(
            rows.groupBy(*(F.col(k).alias(e) for k, e in pairs)).agg(F.count(F.lit(1)).alias(COUNT))
        )

    def _input(self, name: str, batch: pa.Table, before: Mapping[str, DataFrame]) -> DataFrame:
        load = self.load
        upstream = load.upstream(name)
        frame = self._store.read(upstream)
        parts: list[DataFrame] = []
        for role in load.table.inputs[name]:
            if isinstance(role, Events):
                parts.append(self._events(frame, role, batch, upstream))
            elif isinstance(role, Linked) and len(role.key) < len(load.table.entity):
                parts.append(self._meeting(frame, role, batch, upstream))
            elif isinstance(role, Linked):
                around = frame if role.on is None else self._on(frame, upstream, role.on, before)
                if role.lasting:
                    around = _lasting(around, upstream, role, batch)
                parts.append(self._of(around, role.key, batch, upstream))
            elif isinstance(role, AsOf) and role.uses is None:
                parts.append(only(frame, role))
            elif isinstance(role, AsOf):
                served = _looked_up(load, upstream, role, parts[0] if parts else None, before)
                parts.append(_same(served, parts[0], upstream, "leftanti") if parts else served)
        return reduce(DataFrame.unionByName, parts)

    def _events(self, frame: DataFrame, role: Events, batch: pa.Table, upstream: Table) -> DataFrame:
        days = self._days(upstream, role, batch)
        if days is not None:
            frame = frame.where(is_any(F.col(upstream.partition or ""), days))
        frame = only(frame, role)
        if role.taken is not None:  # on nearly every day
            return of(frame, role.key, batch.select(list(self.load.table.entity)), self._store.spark.createDataFrame)
        if FROM not in batch.column_names or role.time is None:
            return self._of(frame, role.key, batch, upstream)
        return after(self.load, frame, role.key, batch, F.col(role.time) > F.col(FROM))

    def _days(self, upstream: Table, role: Events, batch: pa.Table) -> list[dt.date] | None:
        """The days on which the entities have events of those that are read; None: not known, read all."""
        by = next((k for k in upstream.links if k in role.key), None)
        keys = upstream.entity if upstream.entity and set(upstream.entity) <= set(role.key) else (by,) if by else ()
        if not keys:
            return None
        ever = pa.array([FROM_EVER] * batch.num_rows)
        since = batch.column(FROM) if FROM in batch.column_names else ever
        own = batch.column(self.load.table.entity[role.key.index(keys[-1])])
        days = self.load.changes.days(upstream, pa.table({keys[-1]: own, SINCE: since}))
        return sorted(days | set(self.load.window.days))

    def _on(self, frame: DataFrame, upstream: Table, on: str, before: Mapping[str, DataFrame]) -> DataFrame:
        """Rows on days that rows of an input declared before have or meet."""
        name, _, column = on.partition(".")
        if column:
            days = self._store.arrow(before[name].select(column).distinct()).column(0).to_pylist()
            return on_days(upstream, frame, days)
        interval = self.load.upstream(name).interval
        assert interval is not None and interval.end is not None  # noqa: S101, PT018 - tells mypy
        start, end = F.col(interval.start), F.coalesce(interval.end, F.lit(FOR_EVER))
        bounds = before[name].where(start.isNotNull()).agg(F.min(start).alias("first"), F.max(end).alias("last"))
        (found,) = self._store.arrow(bounds).to_pylist()
        if found["first"] is None:
            return frame.where(F.lit(False))
        day = F.col(upstream.partition or "")
        since = frame.where(day >= F.lit(day_of(found["first"])))
        return since if found["last"] == FOR_EVER else since.where(day <= F.lit(day_of(found["last"])))

    def _of(self, frame: DataFrame, key: Sequence[str], batch: pa.Table, upstream: Table) -> DataFrame:
        if isinstance(upstream.schema[key[0]].dataType, T.ArrayType):
            for column, name in list(zip(key, self.load.table.entity, strict=True))[1:]:
                frame = frame.where(near([column], batch.select([name])))
            return _holding(self.load, frame, upstream, key[0], pc.unique(batch.column(0)).to_pylist())
        return narrowed(self.load, upstream, frame, key, batch.select(list(self.load.table.entity)))

    def _meeting(self, frame: DataFrame, role: Linked, batch: pa.Table, upstream: Table) -> DataFrame:
        """Rows of the batch's entities that meet one of its days; all of them if they hold on until the next."""
        assert upstream.interval is not None  # noqa: S101 - tells mypy
        entity, day = self.load.table.entity[: len(role.key)], self.load.table.entity[-1]
        whole = batch.select(list(entity)).group_by(list(entity)).aggregate([])
        if role.earlier is not None:
            return of(frame, role.key, whole, self._store.spark.createDataFrame)
        days = batch.column(day)
        first, last = (day_start_ms(pc.min(days).as_py()), day_start_ms(pc.max(days).as_py()) + DAY_MS)
        if role.reach is not None:
            first = min(first, self._begin(self.load.upstream(role.reach), role.key, batch))
        around = frame.where(meets(upstream.interval, F.lit(first), F.lit(last)))
        if role.reach is not None:
            return of(around, role.key, whole, self._store.spark.createDataFrame)
        starts = F.unix_millis(F.col("_day").cast("timestamp"))
        names = [*(f"_k{n}" for n in range(len(role.key))), "_day"]
        wanted = self._store.spark.createDataFrame(batch.select([*entity, day]).rename_columns(names))
        wanted = wanted.withColumn("_start", starts).withColumn("_end", starts + DAY_MS)
        match = [F.col(k) == F.col(f"_k{n}") for n, k in enumerate(role.key)]
        return around.join(wanted, [*match, meets(upstream.interval, F.col("_start"), F.col("_end"))], "leftsemi")

    def _begin(self, table: Table, key: Sequence[str], batch: pa.Table) -> int:
        """When the first row of a table begins that ends on a day of the batch, epoch ms."""
        what = (table.name, tuple(key))
        if what not in self._begins:
            assert table.interval is not None and table.partition is not None  # noqa: S101, PT018 - tells mypy
            entities = batch.select(list(self.load.table.entity))
            own = of(self._store.read(table), (*key, table.partition), entities, self._store.spark.createDataFrame)
            found = self._store.arrow(own.agg(F.min(table.interval.start).alias("first")))
            self._begins[what] = found.column("first")[0].as_py()
        began = self._begins[what]
        return FOR_EVER if began is None else began


def narrowed(load: Load, table: Table, frame: DataFrame, key: Sequence[str], entities: pa.Table) -> DataFrame:
    """The frame's rows of some entities, on the days that have any.

    Where there are many days, they are found first: rows are wide, and an engine reads all of a file's columns. Where
    another day is part of the key, the engine finds them by the bounds of its files.
    """
    store = load.store
    rows = of(frame, key, entities, store.spark.createDataFrame)
    has_day = table.partition in key or any(pa.types.is_date(kind) for kind in entities.schema.types)
    if table.partition is None or has_day or store.file_count(table) <= pruning.FEW_FILES:
        return rows
    days = None if isinstance(table.rebuild, Insert) else load.changes.partitions(table, key, entities)
    if days is None:
        keys = of(frame.select(*key, table.partition), key, entities, store.spark.createDataFrame)
        days = set(store.arrow(keys.select(table.partition).distinct()).column(0).to_pylist())
    return of(on_days(table, frame, days), key, entities, store.spark.createDataFrame)


def after(load: Load, frame: DataFrame, key: Sequence[str], batch: pa.Table, match: Column) -> DataFrame:
    """The frame's rows of a machine's entities that stand in a relation to `FROM`."""
    names = [*(f"_k{n}" for n in range(len(key))), FROM]
    wanted = load.store.spark.createDataFrame(batch.select([*load.table.entity, FROM]).rename_columns(names))
    same = [F.col(k) == F.col(f"_k{n}") for n, k in enumerate(key)]
    return frame.where(near(key, batch.select(list(load.table.entity)))).join(wanted, [*same, match], "leftsemi")


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
    rows = only(load.store.read(upstream), role)
    if role.key in upstream.links and isinstance(upstream.rebuild, Insert):
        rows = on_days(upstream, rows, load.changes.days_of(upstream, role.key, asked))
    return _holding(load, rows, upstream, role.key, asked)


def _holding(load: Load, frame: DataFrame, upstream: Table, column: str, wanted: Sequence[object]) -> DataFrame:
    """Rows in which a column is, or an array holds, one of some values."""
    kind = upstream.schema[column].dataType
    element = kind.elementType if isinstance(kind, T.ArrayType) else kind
    if len(wanted) <= FEW:
        few = sorted(wanted, key=str)
        if not isinstance(kind, T.ArrayType):
            return frame.where(is_any(F.col(column), few))
        return frame.where(F.arrays_overlap(column, F.array(*(F.lit(v) for v in few)).cast(T.ArrayType(element))))
    values = load.store.frame([(v,) for v in wanted], T.StructType([T.StructField("_k", element)]))
    if not isinstance(kind, T.ArrayType):
        return frame.join(values, F.col(column) == F.col("_k"), "leftsemi")
    found = frame.select(*upstream.keys, F.explode(column).alias("_k")).join(values, "_k", "leftsemi")
    return _same(frame, found, upstream, "leftsemi")


def _lasting(frame: DataFrame, upstream: Table, role: Linked, batch: pa.Table) -> DataFrame:
    """Rows without those that ended before a machine's batch goes on: whole days of them are not looked through."""
    assert upstream.interval is not None and upstream.interval.end is not None  # noqa: S101, PT018 - tells mypy
    goes_on = pc.greater(batch.column(FROM), FROM_EVER)
    known, fresh = batch.filter(goes_on), batch.filter(pc.invert(goes_on))
    if not known.num_rows:
        return frame
    end = F.col(upstream.interval.end)
    wanted = end.isNull() | (end > F.lit(pc.min(known.column(FROM)).as_py()))
    if fresh.num_rows:
        wanted = wanted | near(role.key, fresh.select(fresh.column_names[: len(role.key)]))
    return frame.where(wanted)


def _same(rows: DataFrame, others: DataFrame, table: Table, how: str) -> DataFrame:
    """Choose rows that are, or are not, among others of the table, by its key: whole rows are wide to compare."""
    keys = others.select(*(F.col(k).alias(f"_{k}") for k in table.keys))
    return rows.join(keys, [F.col(k).eqNullSafe(F.col(f"_{k}")) for k in table.keys], how)


__all__ = ["FROM", "Reader", "after"]
