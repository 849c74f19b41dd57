"""Audit records in tables: a Delta table of delivered records, or `system.access.audit`."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, functions as F

from overwatch_assets.errors import SourceError
from overwatch_assets.rules.audit_shapes import of_row, of_system
from overwatch_assets.rules.days import DAY_MS, day_start_ms
from overwatch_assets.rules.json_values import text_of
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.sources.audit_logs.records import Read, batches_of, lines_of, looked_through
from overwatch_assets.sources.system_tables import source_table, told

_DAY = "_day"
_WHAT = "The audit logs in"
_COLUMNS = ("workspace_id", "event_time", "service_name", "action_name")


def read_delta(load: Load, path: str) -> Reading:
    """Read the rows of a Delta table whose `date`, or else whose `timestamp`, is in the window's days.

    Raises:
        SourceError: it is no Delta table, or has neither column.
    """
    rows = source_table(load, path, "auditlogprefix_source_path", what=_WHAT)
    columns = {name.lower(): name for name in rows.columns}
    if "date" in columns:
        day = F.col(columns["date"]).try_cast("date")
        wanted = rows.where(day.between(*_ends(load)) | day.isNull()).select("*", day.alias(_DAY))
    elif "timestamp" in columns:
        at, kind = F.col(columns["timestamp"]), dict(rows.dtypes)[columns["timestamp"]]
        ms = F.unix_millis(at) if kind.startswith("timestamp") else at.try_cast("bigint")
        wanted = rows.where(_within(load, ms) | ms.isNull()).select("*", _day_of(ms))
    else:
        raise SourceError(f"{path} has no column date or timestamp: auditlogprefix_source_path must hold audit logs.")
    with told(path, "auditlogprefix_source_path", what=_WHAT):
        return _reading(load, wanted, path, of_row)


def read_system(load: Load, name: str) -> Reading:
    """Read the workspace's rows of `system.access.audit`, or of a table like it, of the window's days.

    Args:
        load: the load.
        name: a table of the engine, or a Delta table's path.

    Raises:
        SourceError: there is no such table, or it has other columns.
    """
    rows = source_table(load, name, "audit_log_table", _COLUMNS, times=("event_time",), what=_WHAT)
    at = F.unix_millis("event_time")
    own = F.col("workspace_id").cast("string") == load.workspace.workspace_id
    wanted = rows.where(own & (_within(load, at) | at.isNull()))
    if "event_date" in rows.columns:  # its partitions
        day = F.col("event_date").try_cast("date")
        wanted = wanted.where(day.between(*_ends(load)) | day.isNull())
    with told(name, "audit_log_table", what=_WHAT):
        return _reading(load, wanted.select("*", _day_of(at)), name, of_system)


def _day_of(ms: Column) -> Column:
    return F.to_date(F.timestamp_millis(ms)).alias(_DAY)


def _ends(load: Load) -> tuple[dt.date, dt.date]:
    return load.window.days[0], load.window.days[-1]


def _within(load: Load, ms: Column) -> Column:
    """In the window's days; they are read whole, as folders are: what is later than the window is early, not wrong."""
    first, last = _ends(load)
    return (ms >= day_start_ms(first)) & (ms < day_start_ms(last) + DAY_MS)


def _reading(
    load: Load, rows: DataFrame, place: str, shape: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Reading:
    days = load.store.arrow(rows.select(_DAY).distinct()).column(0).to_pylist()
    if not days:
        return Reading(empty=f"no row of {load.window} in {place}")
    read = _read_rows(place, shape)
    parts = [rows.where(F.col(_DAY).eqNullSafe(F.lit(day))) for day in sorted(days, key=lambda day: (day is None, day))]
    rejects = [reject for part in parts for reject in looked_through(load, part, read)[0]]
    return Reading(frames=[lines_of(part, read) for part in parts], rejects=rejects, notes={"days read": len(days)})


def _read_rows(place: str, shape: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Read:
    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = ((row.pop(_DAY), row) for row in batch.to_pylist())
            yield from batches_of({"file": place, "day": day, "value": text_of(shape(row))} for day, row in rows)

    return read
