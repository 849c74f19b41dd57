"""What must be loaded again: changes of inputs that a table's loads have not read yet."""

import datetime as dt
from collections.abc import Iterable

from pyspark.sql import functions as F

from overwatch_assets.contract.table import Table
from overwatch_assets.runner.report import Loaded, read_report
from overwatch_assets.runner.state import TABLE_CHANGES
from overwatch_assets.runner.window import DAY_MS, Window, covers, day_of, day_start_ms
from overwatch_assets.storage.tables import TableStore, is_any

_LONGEST_GAP = 366


def stale_windows(store: TableStore, bronze: Table, derived: Iterable[Table]) -> list[Window]:
    """Windows of whole days in which bronze rows, or tables made of them, changed after ``derived`` last read them.

    A load that was killed between two tables leaves such changes behind, so this is asked of the records, not of what
    the present run did. Days without bronze rows between two stale days are within the window of both: they cost
    nothing, and one window is one load.

    Args:
        store: the workspace's tables.
        bronze: the table at the source, whose change records name days.
        derived: tables that read it, or each other.
    """
    if not store.exists(TABLE_CHANGES):
        return []
    wanted = list(derived)
    inputs = {name for table in wanted for name in table.upstreams}
    records = store.arrow(
        store.read(TABLE_CHANGES)
        .where(is_any(F.col("table_name"), sorted(inputs)))
        .groupBy("table_name", "fromTS", "untilTS")
        .agg(F.max("number").alias("number"))
    ).to_pylist()
    report = read_report(store, {t.module_id for t in wanted if t.module_id is not None})
    loads = {
        t.name: [r for r in report if r.module_id == t.module_id and r.is_effective and r.inputs_read] for t in wanted
    }
    stale = set()
    for r in records:
        changed = Window(r["fromTS"], r["untilTS"])
        readers = [loads[t.name] for t in wanted if r["table_name"] in t.upstreams]
        if not all(_has_read(each, r["table_name"], changed, r["number"]) for each in readers):
            stale.add(changed)
    days = sorted(
        {d for r in records if r["table_name"] == bronze.name for d in Window(r["fromTS"], r["untilTS"]).days}
    )
    return _joined(days, {d for d in days if any(_holds(w, d) for w in stale)})


def _has_read(loads: list[Loaded], name: str, changed: Window, number: int) -> bool:
    """Whether loads that came after a change cover all days of it."""
    return covers([_whole_days(r.window) for r in loads if r.inputs_read.get(name, 0) >= number], _whole_days(changed))


def _whole_days(window: Window) -> Window:
    """Return a window's days; a load's last day was cut at its `now`, but it read the rows of the whole day."""
    first, last = day_of(window.from_ms), day_of(max(window.until_ms - 1, window.from_ms))
    return Window(day_start_ms(first), day_start_ms(last) + DAY_MS)


def _holds(window: Window, day: dt.date) -> bool:
    return window.from_ms < day_start_ms(day) + DAY_MS and day_start_ms(day) < window.until_ms


def _joined(days: list[dt.date], stale: set[dt.date]) -> list[Window]:
    """Windows over the stale days; two of them are one window if no other day lies between."""
    windows: list[Window] = []
    before: dt.date | None = None
    for day in days:
        if day in stale:
            begins = day_start_ms(day)
            if before is not None and before in stale and (day - before).days <= _LONGEST_GAP:
                begins = windows.pop().from_ms
            windows.append(Window(begins, day_start_ms(day) + DAY_MS))
        before = day
    return windows
