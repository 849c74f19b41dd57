"""Events of SQL warehouses, from `system.compute.warehouse_events` or a Delta table like it."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from pyspark.sql import functions as F

from overwatch_assets.rules.days import DAY_MS
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading, Reject
from overwatch_assets.runner.window import to_ms
from overwatch_assets.sources.system_tables import source_table, told
from overwatch_assets.sources.workspace import parts, rejected, rows_schema

_SCOPE = "warehouseEvents"
_COLUMNS = ("workspace_id", "warehouse_id", "event_type", "event_time", "cluster_count")
_FRAME_ROWS = 40_000  # events of a quarter of a KB
_ROW = rows_schema({"warehouse_id": "string", "timestamp": "bigint", "body": "string"})


def read_warehouse_events(load: Load) -> Reading:
    """Read the workspace's events from a day before the window to its end: system tables come some hours late.

    The frames have a row for each event: warehouse_id, timestamp (epoch ms), body (the row as JSON, times in ISO 8601
    and UTC). What has no warehouse, type or time is rejected.

    Raises:
        SourceError: the table can't be read.
    """
    if _SCOPE not in load.workspace.scopes:
        return Reading(empty=f"the scope {_SCOPE} is excluded")
    source = load.workspace.warehouse_events_table
    if source is None:
        return Reading(empty="source not configured: warehouse_events_source is no table of events of SQL warehouses")
    table = source_table(load, source, "warehouse_events_source", _COLUMNS, times=("event_time",))
    at = F.col("event_time")
    start, end = (F.timestamp_millis(F.lit(ms)) for ms in (load.window.from_ms - DAY_MS, load.window.until_ms))
    own = F.col("workspace_id").cast("string") == load.workspace.workspace_id
    with told(source, "warehouse_events_source"):
        found = load.store.arrow(table.where(own & (at.isNull() | ((at >= start) & (at < end)))))
    rows: list[tuple[object, ...]] = []
    rejects: list[Reject] = []
    for event in found.to_pylist():
        body = {name: _plain(value) for name, value in event.items()}
        reason = _why_no_event(event)
        if reason is None:
            ms = to_ms(_utc(event["event_time"]))
            rows.append((str(event["warehouse_id"]), ms, json.dumps(body, sort_keys=True)))
        else:
            rejects.append(rejected(source, None, reason, body))
    frames = [load.store.frame(part, _ROW) for part in parts(rows, _FRAME_ROWS)]
    return Reading(frames=frames, rejects=rejects, empty="" if frames else f"no events until the end of {load.window}")


def _why_no_event(event: Mapping[str, Any]) -> str | None:
    for name, what in (("warehouse_id", "no warehouse_id"), ("event_type", "no event_type")):
        if not str(event[name] or "").strip():
            return what
    return None if isinstance(event["event_time"], dt.datetime) else "no event_time"


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _plain(value: Any) -> Any:
    """A value of an engine's row as JSON has it."""
    if isinstance(value, dt.datetime):
        return _utc(value).isoformat().replace("+00:00", "Z")
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
