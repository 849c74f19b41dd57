"""Load a table of a workspace for a window, and say so in `pipeline_report`."""

import datetime as dt
import json
import logging
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from overwatch_assets import __version__
from overwatch_assets.config.deployment import Workspace
from overwatch_assets.contract.rebuild import Fold, Insert, Mirror
from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import Table
from overwatch_assets.errors import IneligibleError, OverwatchError
from overwatch_assets.runner.changes import Changes
from overwatch_assets.runner.context import Load, Progress, silent
from overwatch_assets.runner.fold import fold, is_volume
from overwatch_assets.runner.insert import insert
from overwatch_assets.runner.mirror import mirror
from overwatch_assets.runner.report import (
    EMPTY,
    FAILED,
    INELIGIBLE,
    SUCCESS,
    append_report,
    effective,
)
from overwatch_assets.runner.staleness import on_top
from overwatch_assets.runner.tracked import load_event_logs
from overwatch_assets.runner.window import Window, covers, to_ms, windows_of
from overwatch_assets.sources.cluster_logs import UNREACHABLE
from overwatch_assets.sources.registry import Sources
from overwatch_assets.storage.lease import Lease, lease
from overwatch_assets.storage.tables import TableStore

logger = logging.getLogger(__name__)

_LANES = 2  # tables that are loaded side by side
_NO_ROWS = ("inserted", "updated", "deleted", "appended entities")


@dataclass(frozen=True)
class Result:
    """What one load did.

    Attributes:
        status: as in `pipeline_report`.
        counts: rows inserted, updated, deleted, quarantined; entities touched; whatever else the load counted.
        seconds: how long it took.
    """

    table: str
    window: Window
    status: str
    counts: dict[str, int]
    seconds: float


@dataclass
class Runner:
    """Loads the tables of one workspace as of one `now`.

    Attributes:
        workspace: the workspace.
        store: its tables.
        sources: readers of what is outside the tables.
        now: the clock; nothing below reads another.
        run_id: Overwatch_RunID of everything that is written.
        progress: told (table, done, total) while a load runs.
    """

    workspace: Workspace
    store: TableStore
    sources: Sources
    now: dt.datetime
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    progress: Progress = silent

    def windows(self, days: Iterable[dt.date]) -> list[Window]:
        """Days as contiguous windows, split at the workspace's ``max_days``, cut at `now` and its primordial date."""
        own = [d for d in days if d >= self.workspace.primordial_date]
        return list(windows_of(own, now_ms=to_ms(self.now), max_days=self.workspace.max_days))

    def load(self, table: Table, window: Window) -> Result:
        """Bring a table up to date for a window, holding the workspace's lease.

        Raises:
            IneligibleError: a required upstream table has not been loaded for the window.
            LeaseError: another process is loading the workspace.
            OverwatchError: the load failed; what it had committed stays, and loading again ends in the right rows.
        """
        with lease(self.store.location) as held, self.store.snapshots():
            return self._load(table, window, held)

    def load_side_by_side(self, wanted: Iterable[Table], window: Window) -> Iterator[Result]:
        """Load several tables for a window, upstreams first, two at a time where neither needs the other.

        A load of few rows waits for its engine and its storage more than it computes. Tables of volume begin as soon as
        they can, so that the others are loaded beside them; then those that the longest chain of tables waits for.

        Raises:
            OverwatchError: as `load`, of the first that failed; the one that was running beside it ends first.
        """
        waiting = list(wanted)
        chains = _chains(waiting)
        waiting.sort(key=lambda t: (not is_volume(t), -chains[t.name]))
        unloaded = {t.name for t in waiting}
        running: dict[Future[Result], str] = {}
        with lease(self.store.location) as held, self.store.snapshots(), ThreadPoolExecutor(_LANES) as lanes:
            while waiting or running:
                ready = [t for t in waiting if unloaded.isdisjoint(t.upstreams)]
                for table in ready[: _LANES - len(running)]:
                    waiting.remove(table)
                    running[lanes.submit(self._load, table, window, held)] = table.name
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    unloaded.remove(running.pop(ended))
                    yield ended.result()

    def _load(self, table: Table, window: Window, held: Lease) -> Result:
        began = time.monotonic()
        load = Load(
            table=table,
            window=window,
            workspace=self.workspace,
            store=self.store,
            changes=Changes(self.store, self.workspace.workspace_name, self.now, self.run_id),
            lease=held,
            now=self.now,
            run_id=self.run_id,
            progress=self.progress,
        )
        started_ms = time.time_ns() // 1_000_000
        before = self.store.version(table)
        try:
            self._require_upstreams(load)
            for name in (table.name, *table.side_tables):
                self.store.ensure(tables()[name])
            empty = self._run(load)
        except IneligibleError as error:
            self._report(load, f"{INELIGIBLE}: {error}", started_ms, before)
            raise
        except BaseException as error:
            if isinstance(error, Exception):
                self._report(load, f"{FAILED} --> {type(error).__name__}: {error}"[:4000], started_ms, before)
            raise
        changed = any(load.counts[name] for name in _NO_ROWS)
        status = f"{EMPTY}: {empty}" if empty and not changed else SUCCESS
        self._report(load, status, started_ms, before)
        result = Result(table.name, window, status, dict(load.counts), time.monotonic() - began)
        logger.info("%s %s %s: %s %s", self.workspace.workspace_id, table.name, window, status, result.counts)
        return result

    def load_all(self, wanted: Iterable[Table], days: Iterable[dt.date]) -> Iterator[Result]:
        """Load several tables, upstreams first, for some days."""
        days = list(days)
        for table in wanted:
            for window in self.windows(days):
                yield self.load(table, window)

    def _run(self, load: Load) -> str:
        """Do the load; return why there was nothing to do, or an empty text."""
        table = load.table
        if isinstance(table.rebuild, Fold):
            fold(load)
            return "" if load.counts["entities"] else "no new data"
        if isinstance(table.rebuild, Insert) and table.rebuild.tracked:
            prefixes = self.sources.event_log_prefixes(load)
            if not prefixes and (lost := load.counts[UNREACHABLE]):
                return f"no cluster-log prefix: of those that clusters declare, {lost} can't be reached from here"
            if not prefixes:
                return "no cluster-log prefix: the clusters declare none, and cluster_log_prefixes is not set"
            return load_event_logs(load, prefixes, cluster_id=self.sources.default_cluster_id, cores=self.sources.cores)
        (source,) = table.sources
        reading = self.sources.read(source, load)
        (mirror if isinstance(table.rebuild, Mirror) else insert)(load, reading)
        return reading.empty

    def _require_upstreams(self, load: Load) -> None:
        """Refuse to load from an upstream that has not been loaded for the window, or last failed there."""
        table, window, missing = load.table, load.window, []
        for name in table.required:
            module_id = tables()[name].module_id
            assert module_id is not None  # noqa: S101 - only modules are upstreams
            if not covers(effective(load.report, module_id), window):
                missing.append(f"{name} is not loaded for {window}")
                continue
            own = [r for r in load.report if r.module_id == module_id and r.window.meets(window)]
            for piece, latest in on_top(own):
                if piece.meets(window) and not latest.is_effective:
                    missing.append(f"the last load of {name} for {piece} was {latest.status.split(':')[0]}")
        if missing:
            raise IneligibleError(
                f"{table.name} of workspace {self.workspace.workspace_id}: {'; '.join(missing)}. Load that first"
            )

    def _report(self, load: Load, status: str, started_ms: int, before: int | None) -> None:
        failed, empty = status.startswith((FAILED, INELIGIBLE)), status.startswith(EMPTY)
        ended_ms = time.time_ns() // 1_000_000
        settings = self.workspace.model_dump(mode="json")
        append_report(
            self.store,
            [
                (
                    self.workspace.workspace_id,
                    load.table.module_id,
                    load.table.module_name,
                    self.workspace.primordial_date.isoformat(),
                    0 if failed else started_ms,
                    0 if failed else started_ms if empty else ended_ms,
                    load.window.from_ms,
                    load.window.until_ms,
                    status,
                    {k: str(v) for k, v in sorted(load.counts.items())},
                    0,
                    168,
                    json.dumps(settings, sort_keys=True),
                    {"packageVersion": __version__, "targetDatabaseLocation": self.store.location.root},
                    True,
                    before,
                    self.store.version(load.table),
                    ended_ms,
                    dict(load.inputs_read),
                    dict(load.inputs_until),
                    self.workspace.workspace_name,
                    self.now,
                    self.run_id,
                )
            ],
        )


def _chains(wanted: Sequence[Table]) -> dict[str, int]:
    """How many of the tables, each with its upstreams before it, are loaded one after the other from each one on."""
    found = {t.name: 1 for t in wanted}
    for table in reversed(wanted):
        for name in found.keys() & set(table.upstreams):
            found[name] = max(found[name], 1 + found[table.name])
    return found


__all__ = ["OverwatchError", "Result", "Runner"]
