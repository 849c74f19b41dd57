"""Which entities a load has to rebuild, and from when on (docs/architecture.md)."""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, functions as F
from pyspark.sql.pandas.types import to_arrow_type

from overwatch_assets.contract.inputs import AsOf, Events, Linked
from overwatch_assets.contract.rebuild import Insert, Machine
from overwatch_assets.contract.table import Interval, Table
from overwatch_assets.rules.days import day_of
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.pruning import near
from overwatch_assets.runner.records import FOR_EVER, FROM_EVER
from overwatch_assets.storage.tables import is_any

COUNT = "_n"
"""Column with the number of an entity's events in the window, where that is known; else 0."""
AT = "_at"
"""Column with the earliest time of which an entity changed, epoch ms; `FROM_EVER`: not bounded."""

_BEFORE = dt.timedelta(days=8)
"""How long before the window earlier snapshots are looked for."""


class Touch:
    """Finds the entities that a load touches.

    Attributes:
        is_recorded: the table has change records of the window; known after `entities`.
    """

    def __init__(self, load: Load) -> None:
        self.load = load
        self.table = load.table
        self.is_recorded = False

    @cached_property
    def _schema(self) -> pa.Schema:
        named = [(n, to_arrow_type(self.table.schema[n].dataType)) for n in self.table.entity]
        return pa.schema([*named, (COUNT, pa.int64()), (AT, pa.int64())])

    def entities(self) -> pa.Table:
        """The entities, in order, with `COUNT` and `AT`."""
        load, table = self.load, self.table
        found: list[pa.Table] = []
        seen = load.changes.seen([table, *(load.upstream(name) for name in table.inputs)], load.window)
        self.is_recorded = table.name in seen
        for name, roles in table.inputs.items():
            upstream = load.upstream(name)
            load.inputs_read[name] = seen.get(name, 0)
            for role in roles:
                if isinstance(role, Events):
                    found.append(self._of_events(upstream, role))
                if isinstance(role, Linked) and role.open is not None:
                    found.append(self._of_open_rows(upstream, role))
                if load.inputs_read[name] == 0:
                    continue
                if isinstance(role, Linked):
                    found.append(self._of_records(upstream, role))
                elif isinstance(role, AsOf) and load.store.exists(table):
                    found.append(self._of_look_ups(upstream, role))
        if isinstance(table.rebuild, Machine) and load.store.exists(table):
            found.append(self._of_own_open_rows(table.rebuild))
        schema = self._schema
        whole = pa.concat_tables([f.select(schema.names).cast(schema) for f in found] or [schema.empty_table()])
        for name in table.entity:  # a record without its id belongs to nothing
            whole = whole.filter(pc.is_valid(whole.column(name)))
        summed = whole.group_by(list(table.entity)).aggregate([(COUNT, "sum"), (AT, "min")])
        names = {f"{COUNT}_sum": COUNT, f"{AT}_min": AT}
        plain = summed.rename_columns([names.get(n, n) for n in summed.column_names]).select(schema.names)
        return plain.sort_by([(n, "ascending") for n in table.entity])

    def loaded_until(self) -> Mapping[str, int]:
        """How far each input that is a module is loaded, epoch ms."""
        modules = [t for t in map(self.load.upstream, self.table.upstreams) if t.module_id is not None]
        return {t.name: self.load.loaded_until(t) for t in modules}

    def _before(self, name: str) -> int:
        """How far an input was loaded when the table's last load looked."""
        own = [r for r in self.load.report if r.module_id == self.table.module_id and r.is_effective]
        return max((r.inputs_until.get(name, 0) for r in own), default=0)

    def _of_events(self, upstream: Table, role: Events) -> pa.Table:
        if role.taken is not None and self.load.store.exists(self.table):
            return self._of_snapshots(upstream, role)
        at = F.lit(FROM_EVER) if role.time is None else F.min(role.time)
        rows = in_window(self.load, upstream, role).groupBy(*self._named(role.key))
        return self.load.store.arrow(rows.agg(F.count(F.lit(1)).alias(COUNT), at.cast("bigint").alias(AT)))

    def _of_snapshots(self, upstream: Table, role: Events) -> pa.Table:
        """Entities of which the window's snapshots may say something new: no earlier one is after all of their rows."""
        assert role.taken is not None and self.table.interval is not None  # noqa: S101, PT018 - tells mypy
        load, days = self.load, self.load.window.days
        day, start = F.col(upstream.partition or ""), F.col(self.table.interval.start)
        recent = load.store.read(upstream).where(day.between(days[0] - _BEFORE, days[-1]))
        snapshots = recent.groupBy(*self._named(role.key)).agg(
            F.count(F.when(is_any(day, days), F.lit(1))).alias(COUNT),
            F.max(F.when(day < days[0], F.unix_millis(role.taken))).alias("_taken"),
        )
        own = load.store.read(self.table).groupBy(*(F.col(e).alias(f"_{e}") for e in self.table.entity))
        rows = own.agg(F.max(F.when(start.isNull(), F.lit(FOR_EVER)).otherwise(start)).alias("_last"))
        known = [F.col(e) == F.col(f"_{e}") for e in self.table.entity]
        shown = snapshots.where(F.col(COUNT) > 0).join(rows, [*known, F.col("_last") <= F.col("_taken")], "leftanti")
        return load.store.arrow(shown.select(*self.table.entity, COUNT, F.lit(FROM_EVER).alias(AT)))

    def _of_own_open_rows(self, rebuild: Machine) -> pa.Table:
        """Entities with a row that ends where their inputs are loaded to: it may have to end later."""
        assert self.table.interval is not None  # noqa: S101 - tells mypy
        start = F.col(self.table.interval.start)
        open_rows = self.load.store.read(self.table).where(F.col(rebuild.open) & (start < self.load.window.until_ms))
        grouped = open_rows.groupBy(*self.table.entity).agg((F.min(start) + 1).alias(AT))
        return self.load.store.arrow(grouped.withColumn(COUNT, _none()))

    def _of_records(self, upstream: Table, role: Linked) -> pa.Table:
        """Entities in the records of what changed of an input."""
        changed = self.load.changes.times(upstream, self.load.window, role.key)
        if role.reach is not None:
            return self._meeting(changed, role.key, self.load.upstream(role.reach))
        if role.earlier is not None:
            changed = self._bounded(changed, upstream, role.key, role.earlier)
        if len(role.key) == len(self.table.entity):
            named = changed.select(*self._named(role.key), F.col("starts").alias(AT), _none())
            return self.load.store.arrow(named)
        return self._days(changed, role.key, known=role.earlier is None)

    def _meeting(self, changed: DataFrame, key: Sequence[str], reach: Table) -> pa.Table:
        """Entities with a row of an input that meets a time which changed: the row lies on the entity's day."""
        assert reach.interval is not None and reach.partition is not None  # noqa: S101, PT018 - tells mypy
        found = self.load.store.arrow(changed)
        if not found.num_rows:
            return self._schema.empty_table()
        since = max(pc.min(found.column("starts")).as_py(), 0)
        rows = self.load.store.read(reach).where(F.col(reach.partition) >= F.lit(day_of(since)))
        times = self.load.store.spark.createDataFrame(found.rename_columns([f"_{n}" for n in found.column_names]))
        match = [F.col(k) == F.col(f"_{k}") for k in key]
        met = rows.join(times, [*match, meets(reach.interval, F.col("_starts"), F.col("_ends"))], "leftsemi")
        named = self._named((*key, reach.partition))
        return self.load.store.arrow(met.select(*named).distinct().select("*", _none(), F.lit(FROM_EVER).alias(AT)))

    def _of_open_rows(self, upstream: Table, role: Linked) -> pa.Table:
        """Days by which open rows of an input have grown since the table's last load."""
        assert role.open is not None and upstream.interval is not None  # noqa: S101, PT018 - tells mypy
        self.load.inputs_until[upstream.name] = self.load.loaded_until(upstream)
        start = F.col(upstream.interval.start)
        grew = self.load.store.read(upstream).where(F.col(role.open) & start.isNotNull())
        since = F.greatest(start, F.lit(self._before(upstream.name)))
        return self._days(
            grew.select(
                *(F.col(k) for k in role.key),
                since.cast("bigint").alias("starts"),
                F.lit(self.load.inputs_until[upstream.name]).cast("bigint").alias("ends"),
            ),
            role.key,
            known=True,
        )

    def _of_look_ups(self, upstream: Table, role: AsOf) -> pa.Table:
        """Entities with stored rows that used a look-up which changed, as of its time or later."""
        load, table = self.load, self.table
        used = [F.explode(role.stored).alias("_used"), *([F.col(role.since).alias("_day")] if role.since else [])]
        uses = load.store.read(table).select(*table.entity, *used)
        if isinstance(upstream.rebuild, Insert):
            keys = in_window(load, upstream, role).select(F.col(role.key).cast("string").alias("_changed")).distinct()
            match = [F.col("_used") == F.col("_changed")]
        elif role.since is None:
            keys = load.changes.keys(upstream, load.window, (role.key,)).withColumnRenamed(role.key, "_changed")
            match = [F.col("_used") == F.col("_changed")]
        else:
            times = load.changes.times(upstream, load.window, (role.key,))
            if role.earlier is not None:
                times = self._bounded(times, upstream, (role.key,), role.earlier)
            changed = times.select(F.col(role.key).alias("_changed"), _day_of(F.col("starts")).alias("_from"))
            known = load.store.arrow(changed)
            if not known.num_rows:
                return self._schema.empty_table()
            uses = uses.where(~(F.col("_day") < F.lit(pc.min(known.column("_from")).as_py())))
            keys = load.store.spark.createDataFrame(known)
            match = [F.col("_used") == F.col("_changed"), ~(F.col("_day") < F.col("_from"))]
        using = uses.join(keys, match, "leftsemi")
        return load.store.arrow(using.select(*table.entity, _none(), F.lit(FROM_EVER).alias(AT)).distinct())

    def _bounded(self, changed: DataFrame, upstream: Table, key: Sequence[str], known: str) -> DataFrame:
        """Changes of rows that hold on until the next; the first of its key serves earlier times too."""
        assert upstream.interval is not None  # noqa: S101 - tells mypy
        firsts = (
            self.load.store.read(upstream)
            .where(F.col(known).isNotNull())
            .groupBy(*(F.col(k).cast("string").alias(f"_{k}") for k in key))
            .agg(F.min(upstream.interval.start).alias("_first"))
        )
        joined = changed.join(firsts, [F.col(k) == F.col(f"_{k}") for k in key], "left")
        later = F.col("starts") > F.col("_first")
        starts = F.when(later, F.col("starts")).otherwise(F.lit(FROM_EVER))
        return joined.select(*key, starts.alias("starts"), F.lit(FOR_EVER).alias("ends"))

    def _days(self, changed: DataFrame, key: Sequence[str], *, known: bool) -> pa.Table:
        """The days that each time meets, as far as the inputs are loaded and from where they begin.

        Args:
            changed: times with their keys.
            key: names of those.
            known: every time has a start.
        """
        starts = F.col("starts")
        ever = self.load.store.arrow(changed.where(starts == FROM_EVER).select(*key)) if not known else None
        if ever is not None and ever.num_rows:
            begins = self._begins(key, ever)
            changed = changed.join(begins, [F.col(k) == F.col(f"_{k}") for k in key], "left")
            starts = F.when(starts == FROM_EVER, F.col("_begins")).otherwise(starts)
        last = max(self.loaded_until().values(), default=0)
        ends = F.least(F.col("ends"), F.lit(last))
        # A sequence runs backwards if it ends before it starts, wherever the engine takes the condition.
        days = F.sequence(_day_of(starts), _day_of(F.greatest(ends - 1, starts)))
        met = changed.where(starts < ends).select(*self._named(key), F.explode(days).alias(self.table.entity[-1]))
        return self.load.store.arrow(met.select("*", _none(), F.lit(FROM_EVER).alias(AT)).distinct())

    def _begins(self, key: Sequence[str], of: pa.Table) -> DataFrame:
        """When the rows begin of which the table's are made: of the input that is declared first."""
        name, (role, *_) = next(iter(self.table.inputs.items()))
        assert isinstance(role, Linked)  # noqa: S101 - tells mypy
        first, columns = self.load.upstream(name), role.key[: len(key)]
        assert first.interval is not None  # noqa: S101 - tells mypy
        kinds = pa.schema([(k, self._schema.field(e).type) for k, e in zip(key, self.table.entity, strict=False)])
        rows = self.load.store.read(first).where(near(columns, of.cast(kinds)))
        named = (F.col(column).cast("string").alias(f"_{k}") for column, k in zip(columns, key, strict=True))
        return rows.groupBy(*named).agg(F.min(first.interval.start).alias("_begins"))

    def _named(self, key: Sequence[str]) -> list[Column]:
        kinds = self.table.by_name
        return [F.col(k).cast(kinds[e].type).alias(e) for k, e in zip(key, self.table.entity, strict=False)]


def _none() -> Column:
    return F.lit(0).cast("bigint").alias(COUNT)


def in_window(load: Load, upstream: Table, role: Events | AsOf) -> DataFrame:
    """Rows of a bronze table on the window's days."""
    return only(load.store.read(upstream), role).where(is_any(F.col(upstream.partition or ""), load.window.days))


def meets(interval: Interval, start: Column, end: Column) -> Column:
    """Whether a row's time meets `[start, end)`. One without a start has no time."""
    ends = F.lit(True) if interval.end is None else F.col(interval.end).isNull() | (F.col(interval.end) > start)
    return (F.col(interval.start) < end) & ends


def only(frame: DataFrame, role: Events | AsOf) -> DataFrame:
    """Rows with the values that a role asks for."""
    for column, values in role.only.items():
        frame = frame.where(F.col(column).isin(list(values)))
    return frame


def _day_of(ms: Column) -> Column:
    return F.to_date(F.timestamp_millis(F.greatest(ms, F.lit(0))))
