"""Rows of some entities, or of some days, by predicates that let an engine skip files."""

import datetime as dt
from collections.abc import Callable, Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, functions as F

from overwatch_assets.contract.table import Table
from overwatch_assets.storage.tables import is_any

FEW = 64
"""So many values are written into a predicate; more are joined."""
FEW_FILES = 16
"""A table of more files is not looked through for the days of some entities where its records tell them."""
_FEW_DAYS = 400


def on_days(table: Table, frame: DataFrame, days: Collection[dt.date | None]) -> DataFrame:
    """The frame's rows of some days."""
    if table.partition is None:
        return frame
    on = is_any(F.col(table.partition), sorted(d for d in days if d is not None))
    return frame.where(on if None not in days else on | F.col(table.partition).isNull())


def of(frame: DataFrame, key: Sequence[str], entities: pa.Table, make: Callable[[pa.Table], DataFrame]) -> DataFrame:
    """The frame's rows of some entities, whose columns are in the order of the key."""
    rows = frame.where(near(key, entities))
    if len(key) == 1 and entities.num_rows <= FEW:
        return rows
    wanted = make(entities.rename_columns([f"_k{n}" for n in range(len(key))]))
    return rows.join(wanted, [F.col(k) == F.col(f"_k{n}") for n, k in enumerate(key)], "leftsemi")


def near(key: Sequence[str], entities: pa.Table) -> Column:
    """A predicate on plain columns that all wanted rows satisfy, for the engine to skip files by."""
    condition = F.lit(True)
    for column, values in zip(key, entities.columns, strict=True):
        distinct = pc.unique(values)
        few = _FEW_DAYS if pa.types.is_date(values.type) else FEW
        if len(distinct) <= few:
            condition = condition & F.col(column).isin(distinct.to_pylist())
        elif pa.types.is_integer(values.type) or pa.types.is_date(values.type):
            span = pc.min_max(values).as_py()
            condition = condition & F.col(column).between(span["min"], span["max"])
    return condition
