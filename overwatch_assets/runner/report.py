"""`pipeline_report`: written at the end of each load, read for windows, eligibility and staleness."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from overwatch_assets.runner.state import PIPELINE_REPORT
from overwatch_assets.runner.window import Window, paint, to_ms
from overwatch_assets.storage import sql
from overwatch_assets.storage.tables import TableStore

SUCCESS = "SUCCESS"
EMPTY = "EMPTY"
FAILED = "FAILED"
INELIGIBLE = "INELIGIBLE"
_TOLD = (
    "moduleID",
    "fromTS",
    "untilTS",
    "status",
    "Pipeline_SnapTS",
    "runStartTS",
    "inputsRead",
    "inputsUntil",
    "reportedTS",
)


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


def read_report(store: TableStore, module_ids: Iterable[int]) -> list[Loaded]:
    """The report rows of some modules, in the order in which they were written."""
    if not store.exists(PIPELINE_REPORT):
        return []
    names, wanted = ", ".join(map(sql.quoted, _TOLD)), sql.one_of(sql.quoted("moduleID"), module_ids)
    rows = store.asked(PIPELINE_REPORT, f"SELECT {names} FROM t WHERE {wanted}").to_pylist()
    # A load that failed has no start, and loads of one run have one `now`.
    rows.sort(key=lambda r: (r["reportedTS"] or 0, r["Pipeline_SnapTS"]))
    return [
        Loaded(
            r["moduleID"],
            Window(r["fromTS"], r["untilTS"]),
            r["status"][:200],
            to_ms(r["Pipeline_SnapTS"]),
            r["runStartTS"] or 0,
            dict(r["inputsRead"] or ()),
            dict(r["inputsUntil"] or ()),
        )
        for r in rows
    ]


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
