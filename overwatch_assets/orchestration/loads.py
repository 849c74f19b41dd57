"""Partition keys as loads: what one step of a run has to do, workspace by workspace, done only when it is asked for."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from overwatch_assets.config.deployment import ACCOUNT
from overwatch_assets.contract.table import Table
from overwatch_assets.orchestration.partitions import Days
from overwatch_assets.rules.days import day_of
from overwatch_assets.runner.report import EMPTY
from overwatch_assets.runner.runner import Result, Runner
from overwatch_assets.runner.window import Window


@dataclass(frozen=True)
class Done:
    """What became of some partitions of one workspace.

    Attributes:
        days: the partitions' days.
        window: what was loaded for them; None: there was nothing to load.
        status: SUCCESS, or EMPTY with its reason.
        counts: of the whole window, as `pipeline_report` has them.
        seconds: how long it took.
    """

    days: tuple[dt.date, ...]
    window: Window | None
    status: str
    counts: dict[str, int]
    seconds: float = 0.0


@dataclass(frozen=True)
class PendingLoads:
    """The loads of one table in one step."""

    table: Table
    days: Days

    def perform(self, workspace_id: str, runner: Callable[[str], Runner]) -> Iterator[Done]:
        """Load one workspace's windows, oldest first, each when the one before has been taken."""
        days = self.days[workspace_id]
        if workspace_id == ACCOUNT:
            yield _nothing(days, "the table has no account-wide rows")
            return
        borrowed = runner(workspace_id)
        primordial, today = borrowed.workspace.primordial_date, borrowed.now.date()
        before, after = [d for d in days if d < primordial], [d for d in days if d > today]
        if before:
            yield _nothing(before, f"before the workspace's primordial date, {primordial}")
        for window in borrowed.windows(d for d in days if d <= today):
            own = [d for d in days if day_of(window.from_ms) <= d <= day_of(window.until_ms - 1)]
            yield _done(own, window, borrowed.load(self.table, window))
        if after:
            yield _nothing(after, f"after now, {borrowed.now.isoformat()}")


def _done(days: list[dt.date], window: Window, result: Result) -> Done:
    return Done(tuple(days), window, result.status, result.counts, result.seconds)


def _nothing(days: list[dt.date], reason: str) -> Done:
    return Done(tuple(days), None, f"{EMPTY}: {reason}", {})
