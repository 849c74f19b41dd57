"""Events of a workspace's clusters, asked of its API."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import functions as F, types as T

from overwatch_assets.contract.table import META, ORGANIZATION
from overwatch_assets.rules.cluster_states import TERMINATING
from overwatch_assets.rules.days import DAY_MS, day_of, day_start_ms
from overwatch_assets.rules.json_secrets import cut_from_json
from overwatch_assets.rules.json_values import shaper
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.runner.window import to_ms
from overwatch_assets.sources.registry import Reader
from overwatch_assets.sources.workspace import (
    ApiFactory,
    api_reader,
    clusters_of_audit,
    latest_snapshots,
    parts,
    rejected,
    rows_schema,
)
from overwatch_assets.sources.workspace_api import ApiFailure, Span, WorkspaceApi

_ERRORS = "cluster_events_errors_bronze"
_FRAME_ROWS = 40_000  # events of half a KB
_ROW = rows_schema({"cluster_id": "string", "body": "string"})
_COMMON = {column.name for column in (ORGANIZATION, *META)}
_as_time = shaper(T.LongType())

_Row = Mapping[str, Any]


def reader(api_factory: ApiFactory | None) -> Reader:
    """Return a reader of `workspace_cluster_events`: rows of cluster_id and body (JSON), an event each.

    Asked for are events from a day before the window to its end, because some come late: those of the clusters that
    audit logs name in that time, of those that the snapshots say were up in it or still are, of those that were on by
    their last known event, from there, and of those whose events an earlier load could not read, from when that load
    asked for them. A cluster whose first snapshot is of the window is asked for all since the primordial date: loads of
    earlier days may not have known it; one without events after the window, to where later days are loaded. What cannot
    be read goes to `cluster_events_errors_bronze`.

    Args:
        api_factory: connects to the workspace; None: its API is not configured.
    """
    return api_reader(api_factory, "clusterEvents", _read, as_of_now=False)


def _read(load: Load, api: WorkspaceApi) -> Reading:
    failed = _Failures(load)
    from_ms, until_ms = load.window.from_ms - DAY_MS, load.window.until_ms
    told = _told(load)
    on = {c: min(from_ms, ms) for c, (ms, is_on, _) in told.items() if is_on and not failed.is_gone(c)}
    named = dict.fromkeys([*clusters_of_audit(load), *failed.open], from_ms)
    begins = named | on | _of_snapshots(load, failed, from_ms)
    if not begins:
        return Reading(empty=f"no clusters: neither the audit logs nor the snapshots name any for {load.window}")
    rows: list[tuple[object, ...]] = []
    rejects = []
    errors: list[tuple[object, ...]] = []
    latest_ms = to_ms(load.now) + DAY_MS  # clocks differ, but not by more
    incomplete = 0
    loaded_ms = max(until_ms, load.loaded_until(load.table))
    ends = dict.fromkeys(begins, loaded_ms) | {c: until_ms for c, (*_, later) in told.items() if later}
    spans = (failed.span(Span(cluster_id, begin, ends[cluster_id])) for cluster_id, begin in sorted(begins.items()))
    for found in api.cluster_events(spans):
        for number, page in enumerate(found.pages, start=1):
            for event in page:
                reason = _why_no_event(event, latest_ms)
                if reason is None:
                    rows.append((_cluster_of(event, found.span), json.dumps(event, sort_keys=True)))
                else:
                    rejects.append(rejected(f"clusters/events of {found.span.cluster_id}", number, reason, event))
        if found.failure is None:
            errors += failed.recovered(found.span.cluster_id)
        else:
            errors.append(_error_row(found.span, found.failure, load))
            incomplete += 1
    frames = [load.store.frame(part, _ROW) for part in parts(rows, _FRAME_ROWS)]
    return Reading(
        frames=frames,
        rejects=rejects,
        side_rows={_ERRORS: errors},
        notes={"clusters asked": len(begins), "clusters not read to their end": incomplete},
        empty="" if frames else f"no events of {len(begins)} clusters",
    )


def _told(load: Load) -> dict[str, tuple[int, bool, bool]]:
    """Per cluster its last known event before the window's end: when, whether it is no end, and whether more follow."""
    until_ms = load.window.until_ms
    ms, is_end = F.col("timestamp"), F.col("type") == TERMINATING
    rows = (
        load.store.read(load.table)
        .groupBy("cluster_id")
        .agg(
            F.max(F.when(ms < until_ms, ms)).alias("last"),
            F.max(F.when((ms < until_ms) & ~is_end, ms)).alias("last_on"),
            (F.max(ms) >= until_ms).alias("later"),
        )
    )
    found = load.store.arrow(rows.where(F.col("last").isNotNull()))
    return {r["cluster_id"]: (r["last"], r["last"] == r["last_on"], r["later"]) for r in found.to_pylist()}


def _why_no_event(event: Any, latest_ms: int) -> str | None:
    if not isinstance(event, dict):
        return "not a JSON object"
    kind, at = event.get("type"), _as_time(event.get("timestamp"))
    if not isinstance(kind, str) or not kind.strip():
        return "no type"
    if at is None:
        return "no timestamp"
    if at <= 0:
        return "timestamp not after 1970"
    return "timestamp in the future" if at > latest_ms else None


def _cluster_of(event: _Row, span: Span) -> str:
    said = event.get("cluster_id")
    return said if isinstance(said, str) and said else span.cluster_id


def _of_snapshots(load: Load, failed: "_Failures", from_ms: int) -> dict[str, int]:
    """Clusters that were up in the time, that still are as far as is known, or are new; and from when each is asked."""
    first_ms = min(from_ms, day_start_ms(load.workspace.primordial_date) - DAY_MS)
    begins = {}
    for row in latest_snapshots(load, from_ms, load.window.until_ms):
        cluster_id, new = row["cluster_id"], row["first_date"] in load.window.days
        if row["alive"] or ((new or row["state"] != "TERMINATED") and not failed.is_gone_since(row)):
            begins[cluster_id] = first_ms if new else from_ms
    return begins


class _Failures:
    """What earlier loads could not read.

    `open` has per cluster the failures that are to be made good: those that no later load did, and after which the
    workspace did not say that there is no such cluster.
    """

    def __init__(self, load: Load) -> None:
        self._now = load.now
        self._names = [c.name for c in load.upstream(_ERRORS).columns if c.name not in _COMMON]
        rows = _stored(load)
        self._gone: dict[str, _Row] = {}
        for row in sorted(rows, key=lambda r: r["Pipeline_SnapTS"]):
            if _says_gone(row["message"]):
                self._gone[row["cluster_id"]] = row
        self.open: dict[str, list[_Row]] = defaultdict(list)
        for row in rows:
            gone = self._gone.get(row["cluster_id"])
            if gone is None or row["Pipeline_SnapTS"] > gone["Pipeline_SnapTS"]:
                self.open[row["cluster_id"]].append(row)

    def span(self, asked: Span) -> Span:
        """What to ask for: a time, and that of the cluster's failures."""
        failures: Iterable[_Row] = self.open.get(asked.cluster_id, ())
        return Span(
            asked.cluster_id,
            min([asked.from_ms, *(row["from_epoch"] for row in failures)]),
            max([asked.until_ms, *(row["until_epoch"] for row in failures)]),
        )

    def is_gone_since(self, snapshot: _Row) -> bool:
        """Whether the workspace said on that day or later that there is no such cluster."""
        gone = self._gone.get(snapshot["cluster_id"])
        return gone is not None and bool(gone["snapshot_date"] >= snapshot["snapshot_date"])

    def is_gone(self, cluster_id: str) -> bool:
        """Whether the workspace ever said that there is no such cluster."""
        return cluster_id in self._gone

    def recovered(self, cluster_id: str) -> list[tuple[object, ...]]:
        """Rows of a cluster's failures, now that all was read."""
        rows = ({**row, "recovered_ts": self._now} for row in self.open.get(cluster_id, ()))
        return [tuple(row[name] for name in self._names) for row in rows]


def _stored(load: Load) -> list[dict[str, Any]]:
    errors = load.upstream(_ERRORS)
    if not load.store.exists(errors):
        return []
    return list(load.store.arrow(load.store.read(errors).where(F.col("recovered_ts").isNull())).to_pylist())


def _says_gone(message: str | None) -> bool:
    return "does not exist" in (message or "").lower()


def _error_row(span: Span, failure: ApiFailure, load: Load) -> tuple[object, ...]:
    raw, _ = cut_from_json(failure.raw_response)
    return (
        span.cluster_id,
        span.from_ms,
        span.until_ms,
        f"{failure.error_code} {failure.message}".strip(),
        _utc(span.from_ms),
        _utc(span.until_ms),
        day_of(to_ms(load.now)),
        failure.http_code,
        failure.error_code,
        failure.message,
        raw,
        None,
    )


def _utc(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
