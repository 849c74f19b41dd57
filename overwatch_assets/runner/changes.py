"""Change records: written before the rows, read by the tables downstream (docs/architecture.md)."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from pyspark.sql import DataFrame, functions as F, types as T

from overwatch_assets.contract.table import Table
from overwatch_assets.runner.state import TABLE_CHANGES
from overwatch_assets.runner.window import DAY_MS, Window, day_of, day_start_ms
from overwatch_assets.storage.tables import TableStore, is_any

Keys = Mapping[str, Sequence[str]]
_FEW = 500


@dataclass
class Changes:
    """The change records of one workspace."""

    store: TableStore
    workspace_name: str
    now: dt.datetime
    run_id: str

    def _of(self, table: Table) -> DataFrame:
        return self.store.read(TABLE_CHANGES).where(F.col("table_name") == table.name)

    def last_number(self, table: Table) -> int:
        """The table's highest number so far; 0: none."""
        if not self.store.exists(TABLE_CHANGES):
            return 0
        found = self.store.arrow(self._of(table).agg(F.max("number").alias("n"))).column("n")[0].as_py()
        return int(found or 0)

    def append(self, table: Table, records: Iterable[tuple[Window, Keys]]) -> None:
        """Append the records of one write, all with the next number."""
        distinct = {(w, tuple((k, tuple(v)) for k, v in sorted(keys.items()))) for w, keys in records}
        if not distinct:
            return
        number = self.last_number(table) + 1
        rows: list[tuple[object, ...]] = [
            (
                self.store.organization_id,
                table.name,
                number,
                window.from_ms,
                window.until_ms,
                {name: list(values) for name, values in keys},
                self.workspace_name,
                self.now,
                self.run_id,
            )
            for window, keys in sorted(distinct)
        ]
        for start in range(0, len(rows), 50_000):  # one message of the client stays below its limit
            part = rows[start : start + 50_000]
            self.store.append(TABLE_CHANGES, partial(self.store.frame, part, TABLE_CHANGES.schema))

    def overlapping(self, table: Table, window: Window) -> DataFrame:
        """The table's records whose window meets this one."""
        return self._of(table).where((F.col("fromTS") < window.until_ms) & (F.col("untilTS") > window.from_ms))

    def seen(self, table: Table, window: Window) -> int:
        """Highest number among the overlapping records; 0: none."""
        if not self.store.exists(TABLE_CHANGES):
            return 0
        found = self.store.arrow(self.overlapping(table, window).agg(F.max("number").alias("n")))
        return int(found.column("n")[0].as_py() or 0)

    def keys(self, table: Table, window: Window, columns: Sequence[str]) -> DataFrame:
        """Distinct values of some key columns in the overlapping records, as text; lists are taken apart."""
        return _keys(self.overlapping(table, window), columns)

    def keys_of(self, table: Table, columns: Sequence[str]) -> DataFrame:
        """Distinct values of some key columns in all of the table's records."""
        return _keys(self._of(table), columns)

    def days(self, table: Table, entities: pa.Table) -> set[dt.date]:
        """Days on which a bronze table has rows of some entities."""
        name = entities.column_names[-1]
        values = [str(v) for v in entities.column(name).unique().to_pylist() if v is not None]
        key = F.get(F.element_at(F.col("keys"), name), F.lit(0))
        records = self._of(table).select("fromTS", "untilTS", key.alias("_key"))
        if len(values) <= _FEW:
            records = records.where(is_any(F.col("_key"), values))
        else:
            wanted = self.store.frame([(v,) for v in values], T.StructType([T.StructField("_wanted", T.StringType())]))
            records = records.join(wanted, F.col("_key") == F.col("_wanted"), "leftsemi")
        found = self.store.arrow(records.select("fromTS", "untilTS").distinct()).to_pylist()
        return {d for r in found for d in Window(r["fromTS"], r["untilTS"]).days}


def _keys(records: DataFrame, columns: Sequence[str]) -> DataFrame:
    picked = records.select(*(F.element_at(F.col("keys"), c).alias(f"_{n}") for n, c in enumerate(columns)))
    for n, column in enumerate(columns):
        picked = picked.withColumn(column, F.explode(f"_{n}")).drop(f"_{n}")
    return picked.distinct()


def day_window(day: dt.date) -> Window:
    """The window of one whole day."""
    return Window(day_start_ms(day), day_start_ms(day) + DAY_MS)


__all__ = ["Changes", "Keys", "day_of", "day_window"]
