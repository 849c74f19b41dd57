"""What a load of new bronze rows leaves to do: the windows in which tables made of them are behind."""

import datetime as dt
from collections.abc import Iterable

from overwatch_assets.contract.table import Table
from overwatch_assets.rules.days import DAY_MS, day_start_ms
from overwatch_assets.runner.known import Known
from overwatch_assets.runner.window import Window
from overwatch_assets.storage.tables import TableStore

_LONGEST_GAP = 366  # days; a window's days are literals in its queries


def due_windows(store: TableStore, bronze: Table, derived: Iterable[Table]) -> list[Window]:
    """Windows of whole days with bronze rows that a derived table has not read, or not since they changed.

    A load that was killed between two tables leaves such days behind, so this is asked of the records and not of what
    the present run did. Days without bronze rows between two such days are within one window with them: they cost
    nothing, and one window is one load.

    Args:
        store: the workspace's tables.
        bronze: the table at the source, each of whose change records names one day.
        derived: the tables made of it, directly or through each other.
    """
    wanted = list(derived)
    state = Known.of(store).state([bronze, *wanted])
    days = sorted({d for c in state.changes if c.table == bronze.name for d in c.window.days})
    due: set[dt.date] = set()
    for table in wanted:
        stale = state.stale(table)
        loaded = {d for r in state.report if r.module_id == table.module_id and r.is_effective for d in r.window.days}
        due |= {d for d in days if d in stale or d not in loaded}
    return joined(days, due)


def joined(days: Iterable[dt.date], due: set[dt.date]) -> list[Window]:
    """Windows over those of the days (ascending) that are due; two are one window if no other day lies between."""
    windows: list[Window] = []
    before: dt.date | None = None
    for day in days:
        if day in due:
            begins = day_start_ms(day)
            if before is not None and before in due and (day - before).days <= _LONGEST_GAP:
                begins = windows.pop().from_ms
            windows.append(Window(begins, day_start_ms(day) + DAY_MS))
        before = day
    return windows
