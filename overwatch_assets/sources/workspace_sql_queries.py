"""SQL queries of a workspace, asked of its API or read from `system.query.history`."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from pyspark.sql import functions as F, types as T

from overwatch_assets.rules.days import DAY_MS, day_of
from overwatch_assets.rules.json_values import shaper
from overwatch_assets.rules.sql_queries import as_told_by_api, is_settled
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading, Reject
from overwatch_assets.runner.window import to_ms
from overwatch_assets.sources.registry import Reader
from overwatch_assets.sources.system_tables import source_table, told
from overwatch_assets.sources.workspace import ApiFactory, api_reader, parts, rejected, rows_schema
from overwatch_assets.sources.workspace_api import Times, WorkspaceApi

_COLUMNS = ("workspace_id", "statement_id", "start_time", "update_time")
_FIELD = "sql_query_history_path"
_HOUR_MS = 3_600_000
_KEPT_DAYS = 30  # so long the API knows a query
_FRAME_ROWS = 5_000  # queries of some KB
_ROW = rows_schema({"body": "string"})
_as_time = shaper(T.LongType())


def reader(api_factory: ApiFactory | None) -> Reader:
    """Return a reader of `workspace_sql_queries`: rows of body (JSON), a query each.

    With `sql_query_history_path` in the deployment file they come from that table: those that started or changed in the
    window. Else the API is asked for those that started in the window, and again for those, of whatever day, that had
    not ended when they were last asked for.

    Args:
        api_factory: connects to the workspace; None: its API is not configured.
    """
    of_api = api_reader(api_factory, "dbsql", _of_api, as_of_now=False)

    def read(load: Load) -> Reading:
        source = load.workspace.sql_query_table
        if source is None:
            return of_api(load)
        if "dbsql" not in load.workspace.scopes:
            return Reading(empty="the scope dbsql is excluded")
        return _of_table(load, source)

    return read


def _of_api(load: Load, api: WorkspaceApi) -> Reading:
    window = load.window
    slices = range(window.from_ms, window.until_ms, _HOUR_MS)
    unsettled = sorted(_unsettled(load))
    times = [
        *(Times(start, min(start + _HOUR_MS, window.until_ms)) for start in slices),
        *(Times(start, start + 1) for start in unsettled),
    ]
    latest_ms = to_ms(load.now) + DAY_MS  # clocks differ, but not by more
    bodies: dict[str, None] = {}
    rejects: list[Reject] = []
    for query in api.sql_queries(times):
        reason = _why_no_query(query, latest_ms)
        if reason is None:
            bodies[json.dumps(query, sort_keys=True)] = None
        else:
            rejects.append(rejected("sql/history/queries", None, reason, query))
    frames = [load.store.frame(part, _ROW) for part in parts(((body,) for body in bodies), _FRAME_ROWS)]
    return Reading(
        frames=frames,
        rejects=rejects,
        notes={"unfinished queries asked for again": len(unsettled)},
        empty="" if frames else f"no query started in {window}",
    )


def _unsettled(load: Load) -> set[int]:
    """When those queries outside the window started of which no answer was the last one, epoch ms.

    Older ones than the API keeps stay as they were told.
    """
    if not load.store.exists(load.table):
        return set()
    kept_from = day_of(to_ms(load.now)) - dt.timedelta(days=_KEPT_DAYS)
    rows = load.store.read(load.table).where(F.col("date") >= kept_from)
    by_query = rows.groupBy("warehouse_id", "query_id", "query_start_time_ms").agg(F.max(is_settled()).alias("settled"))
    found = load.store.arrow(by_query.where(~F.col("settled")).select("query_start_time_ms").distinct())
    starts = found.column(0).to_pylist()
    return {ms for ms in starts if not load.window.from_ms <= ms < load.window.until_ms}


def _why_no_query(query: Any, latest_ms: int) -> str | None:
    if not isinstance(query, Mapping):
        return "not a JSON object"
    if not isinstance(query.get("query_id"), str) or not query["query_id"].strip():
        return "no query_id"
    at = _as_time(query.get("query_start_time_ms"))
    if at is None:
        return "no query_start_time_ms"
    if at <= 0:
        return "query_start_time_ms not after 1970"
    return "query_start_time_ms in the future" if at > latest_ms else None


def _of_table(load: Load, source: str) -> Reading:
    history = source_table(load, source, _FIELD, _COLUMNS, times=("start_time", "end_time", "update_time"))
    own = history.where(F.col("workspace_id").cast("string") == load.workspace.workspace_id)
    began, until = (F.timestamp_millis(F.lit(ms)) for ms in (load.window.from_ms, load.window.until_ms))

    def in_window(column: str) -> Any:
        return (F.col(column) >= began) & (F.col(column) < until)

    timeless = F.col("start_time").isNull() & F.col("update_time").isNull()
    with told(source, _FIELD):
        wanted = own.where(in_window("start_time") | in_window("update_time") | timeless)
        rows = load.store.arrow(as_told_by_api(wanted)).to_pylist()
    bodies: list[tuple[str]] = []
    rejects: list[Reject] = []
    for row in rows:
        if not (row["query_id"] or "").strip():
            rejects.append(rejected(source, None, "no statement_id", json.loads(row["body"])))
        elif row["start_ms"] is None or row["start_ms"] <= 0:
            rejects.append(rejected(source, None, "no start_time that can be", json.loads(row["body"])))
        else:
            bodies.append((row["body"],))
    frames = [load.store.frame(part, _ROW) for part in parts(bodies, _FRAME_ROWS)]
    empty = "" if frames else f"{source} has no query that started or changed in {load.window}"
    return Reading(frames=frames, rejects=rejects, empty=empty)
