"""What every kind of rebuild needs of one load."""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from pyspark.sql import Column, DataFrame, functions as F

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import MONTH, Table
from overwatch_assets.runner.changes import Changes
from overwatch_assets.runner.known import Known
from overwatch_assets.runner.report import Loaded, loaded_until_ms
from overwatch_assets.runner.window import Window
from overwatch_assets.storage.lease import Lease
from overwatch_assets.storage.tables import TableStore

Progress = Callable[[str, int, int], None]


def silent(_what: str, _done: int, _total: int) -> None:
    """Report progress to nobody."""


@dataclass
class Load:
    """One load: a table, a window, and the tools to bring the one up to date for the other.

    Attributes:
        counts: rows inserted, updated, deleted, quarantined, and whatever else the load counted.
        inputs_read: per input the highest change record that was read.
        inputs_until: per input how far it was loaded, where rows depend on that, epoch ms.
    """

    table: Table
    window: Window
    workspace: Workspace
    store: TableStore
    changes: Changes
    lease: Lease
    now: dt.datetime
    run_id: str
    progress: Progress = silent
    counts: Counter[str] = field(default_factory=Counter)
    inputs_read: dict[str, int] = field(default_factory=dict)
    inputs_until: dict[str, int] = field(default_factory=dict)
    _columns: list[Column] | None = None

    def finish(self, rows: DataFrame) -> DataFrame:
        """A transform's rows with the columns that every table has, in declared order and types.

        The first of a load tell what they are cast from: a transform returns the same columns each time.
        """
        if self._columns is None:
            self._columns = self.store.declared(self.table, rows, self._shared())
        return rows.select(*self._columns)

    def _shared(self) -> dict[str, Column]:
        meta = {
            "organization_id": F.lit(self.workspace.workspace_id),
            "workspace_name": F.lit(self.workspace.workspace_name),
            "Pipeline_SnapTS": F.timestamp_millis(F.lit(round(self.now.timestamp() * 1000))),
            "Overwatch_RunID": F.lit(self.run_id),
        }
        if self.table.of_month is not None:
            meta[MONTH] = F.trunc(self.table.of_month, "MM").cast("date")
        return meta

    def upstream(self, name: str) -> Table:
        """Contract of an input."""
        return tables()[name]

    @cached_property
    def report(self) -> list[Loaded]:
        """What `pipeline_report` says of the table and its upstreams, as it was before this load."""
        return Known.of(self.store).loads((self.table, *map(self.upstream, self.table.upstreams)))

    def loaded_until(self, table: Table) -> int:
        """How far the table, or one of its upstreams, is loaded, epoch ms."""
        assert table.module_id is not None  # noqa: S101 - only modules are loaded
        return loaded_until_ms(self.report, table.module_id)
