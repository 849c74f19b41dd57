"""The sensor on new cluster logs: new bytes become one run for each workspace and range of days.

For each workspace the cursor holds a watermark, the newest (modification time, path) that was looked at, and the days
that were found and not requested yet. Those wait while a run of the workspace is under way and for a least time
between two requests, so that a file that grows all day does not mean a run a minute. Once an hour every file is
compared with what was read (`spark_events_processedfiles`), so that a late file with an old time is seen.
"""

import contextlib
import datetime as dt
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile

import dagster as dg

from overwatch_assets.config.deployment import Deployment, Workspace
from overwatch_assets.contract.registry import modules
from overwatch_assets.errors import ConfigurationError, OverwatchError, SourceError
from overwatch_assets.orchestration import settings
from overwatch_assets.orchestration.partitions import WORKSPACE_TAG, range_tags
from overwatch_assets.orchestration.state import ReadFile, files_read, log_folders
from overwatch_assets.rules.days import day_of
from overwatch_assets.sources.event_logs.listing import LogFile, find_logs
from overwatch_assets.sources.event_logs.reader import peek

INTERVAL_VARIABLE = "OVERWATCH_SENSOR_MIN_MINUTES"
LOGS_TAG = "overwatch/logs"
_COMPARE_EVERY_MS = 3_600_000
_MOST_FILES = 2_000  # of a workspace in one tick; the cursor continues with the next
_MOST_SECONDS = 30.0  # of a tick, half of what Dagster gives it
_LEAST_FILES = 10  # of a workspace in one tick, however long it took to list them
_SETTLED_MS = 2_000  # a younger file may change again within the same time stamp
_TRIES = 3  # of one set of files whose run fails
_FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


Range = tuple[str, str]  # first and last day, ISO


@dataclass(frozen=True)
class Seen:
    """How far one workspace's logs were looked at, and what waits to be requested.

    Attributes:
        modified_ms: with ``path`` the watermark.
        compared_ms: when the watermark last began at the oldest file again.
        requested_ms: when a run was last requested.
        waiting: ranges of days that wait, disjoint and in order.
        newest_ms: newest modification time of the files that wait.
        digest: of their paths, sizes and times.
        unfinished: files were left for the next tick.
    """

    modified_ms: int = -1
    path: str = ""
    compared_ms: int = 0
    requested_ms: int = 0
    waiting: tuple[Range, ...] = ()
    newest_ms: int = 0
    digest: str = ""
    unfinished: bool = False

    @classmethod
    def parsed(cls, cursor: str | None) -> "dict[str, Seen]":
        """Read the cursor."""
        stored = json.loads(cursor or "{}")
        return {w: cls(**{**seen, "waiting": tuple((a, b) for a, b in seen["waiting"])}) for w, seen in stored.items()}

    def holding(self, log: LogFile, days: Range) -> "Seen":
        """Return the same with one more file that waits."""
        told = f"{self.digest}|{log.tracked_path}|{log.size}|{log.modified_ms}"
        return replace(
            self,
            waiting=_merged((*self.waiting, days)),
            newest_ms=max(self.newest_ms, log.modified_ms or 0),
            digest=hashlib.blake2b(told.encode(), digest_size=8).hexdigest(),
        )

    def requested(self, ms: int) -> "Seen":
        """Return the same with nothing waiting."""
        return replace(self, requested_ms=ms, waiting=(), newest_ms=0, digest="")


@dataclass(frozen=True)
class Tick:
    """What a tick knows.

    Attributes:
        now: the clock's time, for days.
        ms: the machine's time, for waiting.
        interval_ms: least time between two requests of a workspace.
        deadline: when no further file is looked at, in `time.monotonic()`.
    """

    now: dt.datetime
    ms: int
    interval_ms: int
    deadline: float = field(default_factory=lambda: time.monotonic() + _MOST_SECONDS)


def new_cluster_logs(deployment: Deployment) -> dg.SensorDefinition:
    """Make the sensor of a deployment; switch it on in the web UI.

    It looks once a minute, or more often if the least time between two requests is shorter.
    """

    @dg.sensor(
        name="new_cluster_logs",
        target=dg.AssetSelection.assets(*selection()),
        minimum_interval_seconds=min(60, max(5, _interval_ms() // 1000)),
        description="Requests the audit logs, the cluster snapshot and the Spark tables for days with new event logs.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cursor = Seen.parsed(context.cursor)
        moment = Tick(settings.now(), time.time_ns() // 1_000_000, _interval_ms())
        requests: list[dg.RunRequest] = []
        unfinished: list[str] = []
        for workspace in deployment.active_workspaces:
            name = workspace.workspace_id
            busy = _is_busy(context.instance, name)
            try:
                seen = looked(deployment, workspace, cursor.get(name, Seen()), moment, busy=busy)
            except OverwatchError as error:  # one workspace's storage must not hide the others' logs
                context.log.warning(f"workspace {name}: {error}")  # noqa: G004 - shown with the tick
                continue
            if seen.waiting and not busy and moment.ms - seen.requested_ms >= moment.interval_ms:
                requests += _requests(context.instance, workspace, seen)
                seen = seen.requested(moment.ms)
            cursor[name] = seen
            unfinished += [f"workspace {name}"] if seen.unfinished else []
        reason = "no new event logs, or a run for them is under way"
        if unfinished:
            reason += f"; the next tick looks at more files of {', '.join(unfinished)}"
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(reason),
            cursor=json.dumps({name: asdict(seen) for name, seen in sorted(cursor.items())}),
        )

    return tick


def selection() -> list[str]:
    """Name the tables that new event logs concern: the logs, what they need, and what can be loaded from them."""
    logs = "spark_events_bronze"
    chosen, chain = {logs}, {logs}
    for table in reversed(modules()):
        if any(table.name in other.upstreams for other in modules() if other.name in chosen):
            chosen.add(table.name)
    for table in modules():
        if chain.intersection(table.upstreams) and chosen.issuperset(table.required):
            chain.add(table.name)
            chosen.add(table.name)
    return [t.name for t in modules() if t.name in chosen]


def looked(deployment: Deployment, workspace: Workspace, seen: Seen, tick: Tick, *, busy: bool) -> Seen:
    """Look at a workspace's logs, and return what is known then: the watermark moved on, new days waiting.

    Raises:
        SourceError: a folder of logs is missing or cannot be reached, and others have none.
    """
    if tick.ms - seen.compared_ms >= _COMPARE_EVERY_MS and not busy and not seen.unfinished:
        seen = replace(seen, modified_ms=-1, path="", compared_ms=tick.ms)
    seen = replace(seen, unfinished=False)
    logs = sorted(_listed(deployment, workspace, tick.now), key=_mark)
    after = [log for log in logs if _mark(log) > (seen.modified_ms, seen.path)]
    settled = list(takewhile(lambda log: not tick.ms - _SETTLED_MS < (log.modified_ms or 0) <= tick.ms, after))
    if not settled:
        return seen
    read = files_read(deployment, workspace.workspace_id)
    opened = 0
    for log in settled:
        before = read.get(log.tracked_path)
        if before is None or (before.size, before.modified_ms) != (log.size, log.modified_ms or 0):
            if opened >= (_LEAST_FILES if time.monotonic() > tick.deadline else _MOST_FILES):
                return replace(seen, unfinished=True)  # the next tick continues here
            opened += 1
            days = _days(log, before, workspace, tick.now.date())
            if days is not None:
                seen = seen.holding(log, days)
        seen = replace(seen, modified_ms=_mark(log)[0], path=log.path)
    return seen


def _listed(deployment: Deployment, workspace: Workspace, now: dt.datetime) -> list[LogFile]:
    """List the logs under all of the workspace's folders, each once; a cluster's folder comes with its first log.

    Raises:
        SourceError: there are none, and a folder of the deployment file is missing. Beside others a load says so.
    """
    logs: dict[str, LogFile] = {}
    missing: list[SourceError] = []
    for folder in log_folders(deployment, workspace, now):
        try:
            listing = find_logs(folder)
        except SourceError as error:
            missing += [error] if folder in workspace.cluster_log_prefixes else []
            continue
        logs |= {log.tracked_path: log for log in listing.logs}
    if missing and not logs:
        raise missing[0]
    return list(logs.values())


def _days(log: LogFile, before: ReadFile | None, workspace: Workspace, today: dt.date) -> Range | None:
    """Tell the days that a file's new records can be of, within the partitions; None: they are of none."""
    newest = today if log.modified_ms is None else day_of(log.modified_ms)
    oldest = newest  # where the file cannot be opened, the load of this day puts it into quarantine
    if before is not None and before.until_ms is not None and log.size > before.size:
        oldest = day_of(before.until_ms)
    else:
        with contextlib.suppress(SourceError):
            first_ms = peek(log).first_ms
            oldest = newest if first_ms is None else day_of(first_ms)
    first = max(min(oldest, newest), workspace.primordial_date)
    last = min(max(oldest, newest), today)
    return (first.isoformat(), last.isoformat()) if first <= last else None


def _requests(instance: dg.DagsterInstance, workspace: Workspace, seen: Seen) -> Iterator[dg.RunRequest]:
    """Request each range that waits. The same bytes are asked for again only if their run failed."""
    for first, last in seen.waiting:
        key = f"{workspace.workspace_id}|{first}|{last}|{seen.newest_ms}|{seen.digest}"
        tried = instance.get_runs(dg.RunsFilter(tags={LOGS_TAG: key}))
        if len(tried) < _TRIES and all(run.status in _FAILED for run in tried):
            yield dg.RunRequest(
                run_key=f"{key}|{len(tried)}" if tried else key,
                tags={
                    **range_tags(workspace.workspace_id, dt.date.fromisoformat(first), dt.date.fromisoformat(last)),
                    LOGS_TAG: key,
                },
            )


def _is_busy(instance: dg.DagsterInstance, workspace_id: str) -> bool:
    under_way = dg.RunsFilter(tags={WORKSPACE_TAG: workspace_id}, statuses=_UNDER_WAY)
    return bool(instance.get_runs(under_way, limit=1))


def _mark(log: LogFile) -> tuple[int, str]:
    return log.modified_ms or 0, log.path


def _merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return ranges of days with those that touch made one."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and dt.date.fromisoformat(first) <= dt.date.fromisoformat(merged[-1][1]) + dt.timedelta(days=1):
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def _interval_ms() -> int:
    stated = os.environ.get(INTERVAL_VARIABLE, "15")
    try:
        return round(float(stated) * 60_000)
    except ValueError:
        raise ConfigurationError(f"{INTERVAL_VARIABLE} must be a number of minutes, not {stated!r}") from None
