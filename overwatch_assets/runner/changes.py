"""Change records: written before the rows, read by the tables downstream (docs/architecture.md)."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, functions as F, types as T

from overwatch_assets.contract.table import Table
from overwatch_assets.runner.known import Known
from overwatch_assets.runner.records import FOR_EVER, FROM_EVER
from overwatch_assets.runner.state import TABLE_CHANGES
from overwatch_assets.runner.window import Window
from overwatch_assets.storage.tables import TableStore

SINCE = "_since"


@dataclass
class Changes:
    """The change records of one workspace, as a load sees them: those of its own table nobody else writes meanwhile."""

    store: TableStore
    workspace_name: str
    now: dt.datetime
    run_id: str
    _highest: dict[str, int] = field(default_factory=dict)

    def _of(self, table: Table) -> DataFrame:
        return self.store.read(TABLE_CHANGES).where(F.col("table_name") == table.name)

    def append(self, table: Table, records: pa.Table) -> None:
        """Append the records of one write, schema `RECORD`, all with the next number."""
        if not records.num_rows:
            return
        if table.name not in self._highest:
            self._numbers([table])
        number = self._highest[table.name] + 1
        for start in range(0, records.num_rows, 50_000):  # one message of the client stays below its limit
            part = records.slice(start, 50_000)
            self.store.append(TABLE_CHANGES, partial(self._frame, table, number, part), conforms=True)
        self._highest[table.name] = number

    def _frame(self, table: Table, number: int, records: pa.Table) -> DataFrame:
        same = {
            "organization_id": F.lit(self.store.organization_id),
            "table_name": F.lit(table.name),
            "number": F.lit(number).cast("bigint"),
            "workspace_name": F.lit(self.workspace_name),
            "Pipeline_SnapTS": F.timestamp_millis(F.lit(round(self.now.timestamp() * 1000))),
            "Overwatch_RunID": F.lit(self.run_id),
        }
        frame = self.store.spark.createDataFrame(records)
        return frame.select(*(same[n].alias(n) if n in same else F.col(n) for n in TABLE_CHANGES.schema.names))

    def overlapping(self, table: Table, window: Window) -> DataFrame:
        """The table's records whose window meets this one."""
        return self._of(table).where(_overlaps(window))

    def seen(self, upstreams: Sequence[Table], window: Window) -> dict[str, int]:
        """Per table, by its name, the highest number among its records that overlap a window; without any: left out."""
        return self._numbers(upstreams, window)

    def _numbers(self, of: Sequence[Table], window: Window | None = None) -> dict[str, int]:
        """Look up the highest number of each table's records, and return that of the ones that overlap a window."""
        self._highest |= {t.name: 0 for t in of}
        wanted: dict[str, int] = {}
        for change in Known.of(self.store).changes(t.name for t in of):
            self._highest[change.table] = max(change.number, self._highest[change.table])
            if window is not None and change.window.meets(window):
                wanted[change.table] = max(change.number, wanted.get(change.table, 0))
        return wanted

    def keys(self, table: Table, window: Window, columns: Sequence[str]) -> DataFrame:
        """Distinct values of some key columns in the overlapping records, as text; lists are taken apart."""
        return _keys(self.overlapping(table, window), columns).select(*columns).distinct()

    def times(self, table: Table, window: Window, columns: Sequence[str]) -> DataFrame:
        """As `keys`, with `starts` and `ends` of the time in which rows with those values changed."""
        return (
            _keys(self.overlapping(table, window), columns)
            .groupBy(*columns)
            .agg(
                F.min(F.coalesce("starts", F.lit(FROM_EVER))).alias("starts"),
                F.max(F.coalesce("ends", F.lit(FOR_EVER))).alias("ends"),
            )
        )

    def keys_of(self, table: Table, columns: Sequence[str]) -> DataFrame:
        """Distinct values of some key columns in all of the table's records."""
        return _keys(self._of(table), columns).select(*columns).distinct()

    def days(self, table: Table, entities: pa.Table) -> set[dt.date]:
        """Days on which a bronze table has rows of some entities.

        Args:
            table: the bronze table.
            entities: a column with the values of one of its keys, and `SINCE`: days before that time do not count.
        """
        column = next(n for n in entities.column_names if n != SINCE)
        kind = T.StructType([T.StructField("_wanted", T.StringType()), T.StructField(SINCE, T.LongType())])
        since: dict[str, int] = {}
        for value, ms in zip(entities.column(column).to_pylist(), entities.column(SINCE).to_pylist(), strict=True):
            since[str(value)] = min(ms, since.get(str(value), ms))
        key = F.get(F.element_at(F.col("keys"), column), F.lit(0)).alias("_key")
        records = self._of(table).where(F.col("untilTS") > min(since.values(), default=0))
        wanted = self.store.frame(list(since.items()), kind)
        match = [F.col("_key") == F.col("_wanted"), F.col("untilTS") > F.col(SINCE)]
        met = records.select("fromTS", "untilTS", key).join(wanted, match, "leftsemi")
        found = self.store.arrow(met.select("fromTS", "untilTS").distinct()).to_pylist()
        return {d for r in found for d in Window(r["fromTS"], r["untilTS"]).days}

    def days_of(self, table: Table, key: str, values: Sequence[object]) -> set[dt.date]:
        """Days on which a bronze table ever had rows with some values of one of its keys."""
        ever = pa.array([FROM_EVER] * len(values), pa.int64())
        return self.days(table, pa.table({key: pa.array(values), SINCE: ever}))

    def partitions(self, table: Table, key: Sequence[str], entities: pa.Table) -> set[dt.date | None] | None:
        """Partitions in which a derived table has, or had, rows of some entities; None: its records do not tell.

        Args:
            table: the table.
            key: columns of its entity or its links, in the order of those of ``entities``.
            entities: their values.
        """
        assert table.partition is not None  # noqa: S101 - tells mypy
        if not {*key} <= {*table.entity, *table.links} or not self.store.exists(TABLE_CHANGES):
            return None
        names = {f"_{n}": F.element_at("keys", column) for n, column in enumerate(key)}
        records = self._of(table).select(
            F.element_at("keys", F.lit(table.partition)).alias("_days"), *(v.alias(n) for n, v in names.items())
        )
        for name in names:
            records = records.withColumn(name, F.explode(name))
        texts = [pc.cast(column, pa.string()) for column in entities.columns]
        wanted = self.store.spark.createDataFrame(pa.table(texts, names=[f"_of{name}" for name in names]))
        told = records.join(wanted, [F.col(name) == F.col(f"_of{name}") for name in names], "leftsemi")
        told = told.select(F.col("_days").isNull().alias("silent"), F.explode_outer("_days").alias("day")).distinct()
        found = self.store.arrow(told)
        if pc.any(found.column("silent")).as_py():
            return None  # written before records told it
        return {None if day is None else dt.date.fromisoformat(day) for day in found.column("day").to_pylist()} | {None}


def _overlaps(window: Window) -> Column:
    return (F.col("fromTS") < window.until_ms) & (F.col("untilTS") > window.from_ms)


def _keys(records: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Records by some key columns, as text; lists are taken apart."""
    picked = records.select(
        "starts", "ends", *(F.element_at(F.col("keys"), c).alias(f"_{n}") for n, c in enumerate(columns))
    )
    for n, column in enumerate(columns):
        picked = picked.withColumn(column, F.explode(f"_{n}")).drop(f"_{n}")
    return picked.select(*columns, "starts", "ends")
