"""Which days of a table are missing, failed or stale, told from `pipeline_report` and the change records alone.

A day is stale when an input has a change record whose window meets it and whose number is higher than the one that the
day's own last load read (docs/architecture.md). Nothing here reads storage.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from overwatch_assets.contract.rebuild import Fold
from overwatch_assets.contract.table import Table
from overwatch_assets.rules.days import day_of
from overwatch_assets.runner.report import Loaded
from overwatch_assets.runner.window import Window


@dataclass(frozen=True)
class Change:
    """The newest change record of a table among those of one window."""

    table: str
    window: Window
    number: int


@dataclass(frozen=True)
class State:
    """What one workspace's tables say about themselves.

    Attributes:
        report: rows of `pipeline_report`, in the order in which they were written.
        changes: the newest change record of each table and window.
    """

    report: Sequence[Loaded] = ()
    changes: Sequence[Change] = ()

    def holes(self, table: Table) -> list[Window]:
        """Time between the table's first and last effective window that none covers (law 5)."""
        loads = self._effective(table)
        if not loads:
            return []
        first, last = min(r.window.from_ms for r in loads), max(r.window.until_ms for r in loads)
        return self.missing(table, Window(first, last))

    def missing(self, table: Table, within: Window) -> list[Window]:
        """Parts of a window that no effective window of the table covers."""
        gaps, at = [], within.from_ms
        for window in sorted(r.window for r in self._effective(table)):
            if at < window.from_ms:
                gaps.append(Window(at, min(window.from_ms, within.until_ms)))
            at = max(at, window.until_ms)
            if at >= within.until_ms:
                break
        if at < within.until_ms:
            gaps.append(Window(at, within.until_ms))
        return [gap for gap in gaps if gap.from_ms < min(gap.until_ms, within.until_ms)]

    def failed(self, table: Table) -> list[dt.date]:
        """Days whose last load failed or was refused."""
        own = [r for r in self.report if r.module_id == table.module_id]
        return sorted({d for window, load in on_top(own) if not load.is_effective for d in window.days})

    def stale(self, table: Table) -> dict[dt.date, list[str]]:
        """Days that were loaded before a change of an input, with those inputs."""
        is_derived = isinstance(table.rebuild, Fold)  # bronze says which tables it looked into, and may look into none
        changes = {name: self._changes_by_day(name) for name in table.upstreams}
        found: dict[dt.date, set[str]] = defaultdict(set)
        for window, load in on_top(self._effective(table)):
            for day in window.days:
                for name, by_day in changes.items():
                    if name not in load.inputs_read and not is_derived:
                        continue
                    read = load.inputs_read.get(name, 0)
                    if any(c.number > read and c.window.meets(window) for c in by_day.get(day, ())):
                        found[day].add(name)
        return {day: sorted(names) for day, names in sorted(found.items())}

    def _effective(self, table: Table) -> list[Loaded]:
        return [r for r in self.report if r.module_id == table.module_id and r.is_effective]

    def _changes_by_day(self, name: str) -> Mapping[dt.date, list[Change]]:
        by_day: dict[dt.date, list[Change]] = defaultdict(list)
        for change in self.changes:
            if change.table == name:
                for day in change.window.days:
                    by_day[day].append(change)
        return by_day


def needed(state: State, wanted: Iterable[Table], until_ms: int) -> dict[dt.date, set[str]]:
    """Days before ``until_ms`` on which tables are missing, failed or stale, since the first load that was tried.

    Tables below one that is needed are needed too. Nothing was tried: nothing is needed.
    """
    wanted = list(wanted)  # upstreams first
    if not state.report:
        return {}
    within = Window(min(r.window.from_ms for r in state.report), until_ms)
    days: dict[dt.date, set[str]] = defaultdict(set)
    for table in wanted:
        own = [d for window in state.missing(table, within) for d in window.days]
        for day in (*own, *state.failed(table), *state.stale(table)):
            if day < day_of(until_ms):
                days[day].add(table.name)
    for names in days.values():
        for table in wanted:
            if names.intersection(table.upstreams):
                names.add(table.name)
    return dict(sorted(days.items()))


def on_top(loads: Iterable[Loaded]) -> list[tuple[Window, Loaded]]:
    """Pieces of time with the newest load of each."""
    loads = [r for r in loads if r.window.from_ms < r.window.until_ms]
    cuts = sorted({ms for r in loads for ms in (r.window.from_ms, r.window.until_ms)})
    at = {ms: n for n, ms in enumerate(cuts)}
    top: dict[int, Loaded] = {}
    for load in loads:
        for n in range(at[load.window.from_ms], at[load.window.until_ms]):
            top[n] = load
    return [(Window(a, b), top[n]) for n, (a, b) in enumerate(pairwise(cuts)) if n in top]
