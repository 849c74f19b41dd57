"""`pipeline_report`: written at the end of each load; what is read of it is in `known`."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from overwatch_assets.runner.state import PIPELINE_REPORT
from overwatch_assets.runner.window import Window, paint
from overwatch_assets.storage.tables import TableStore

SUCCESS = "SUCCESS"
EMPTY = "EMPTY"
FAILED = "FAILED"
INELIGIBLE = "INELIGIBLE"


@dataclass(frozen=True)
class Loaded:
    """What later loads need to know of one row of the report."""

    module_id: int
    window: Window
    status: str
    snap_ms: int
    started_ms: int
    inputs_read: Mapping[str, int] = field(default_factory=dict)
    inputs_until: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_effective(self) -> bool:
        """Whether the window counts as loaded."""
        return self.status == SUCCESS or self.status.startswith(EMPTY)


def effective(rows: Iterable[Loaded], module_id: int) -> list[Window]:
    """The module's loaded windows, disjoint, newest load on top."""
    return paint(r.window for r in rows if r.module_id == module_id and r.is_effective)


def loaded_until_ms(rows: Iterable[Loaded], module_id: int) -> int:
    """Largest end of the effective windows; holes do not lower it (docs/architecture.md). 0: nothing is loaded."""
    return max((r.window.until_ms for r in rows if r.module_id == module_id and r.is_effective), default=0)


def append_report(store: TableStore, rows: list[tuple[object, ...]]) -> None:
    """Append report rows, in the order of the contract's columns."""
    store.append(PIPELINE_REPORT, lambda: store.frame(rows, PIPELINE_REPORT.schema), conforms=True)


def snap(now: dt.datetime) -> dt.datetime:
    """`now` as Spark's client takes it: it reads a naive datetime in the process's zone, an aware one as it is."""
    return now.astimezone(dt.UTC)
