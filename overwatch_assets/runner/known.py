"""What a workspace's tables say of themselves in `pipeline_report` and `table_changes`; each file is read once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from overwatch_assets.contract.table import Table
from overwatch_assets.runner.report import Loaded
from overwatch_assets.runner.staleness import Change, State
from overwatch_assets.runner.state import PIPELINE_REPORT, TABLE_CHANGES
from overwatch_assets.runner.window import Window, to_ms
from overwatch_assets.storage.followed import Followed, Following
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore


def _newest(records: pa.Table) -> pa.Table:
    """The highest number of each table and window: a load writes a record for each of its entities."""
    highest = records.group_by(["table_name", "fromTS", "untilTS"]).aggregate([("number", "max")])
    return highest.rename_columns(["table_name", "fromTS", "untilTS", "number"])


_REPORT = Following(
    PIPELINE_REPORT,
    (
        "moduleID",
        "fromTS",
        "untilTS",
        "status",
        "Pipeline_SnapTS",
        "runStartTS",
        "inputsRead",
        "inputsUntil",
        "reportedTS",
    ),
    by="moduleID",
)
_CHANGES = Following(TABLE_CHANGES, ("table_name", "fromTS", "untilTS", "number"), by="table_name", keep=_newest)


@dataclass(frozen=True)
class Known:
    """What is loaded and changed in one workspace, as of whenever it is asked for."""

    report: Followed
    records: Followed

    @classmethod
    def of(cls, store: TableStore) -> "Known":
        """What is known of a workspace's tables; the store keeps what was read."""
        return cls(store.followed(_REPORT), store.followed(_CHANGES))

    @classmethod
    def at(cls, location: Location, organization_id: str) -> "Known":
        """What is known of the tables in a folder, without Spark."""
        return cls(*(Followed(location, organization_id, what) for what in (_REPORT, _CHANGES)))

    def loads(self, of: Iterable[Table] | None = None) -> list[Loaded]:
        """Report rows of some modules, or of all, in the order in which they were written.

        Raises:
            StorageError: the report cannot be read.
        """
        ids = None if of is None else {t.module_id for t in of if t.module_id is not None}
        rows = self.report.rows(ids).to_pylist()
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

    def changes(self, of: Iterable[str] | None = None) -> list[Change]:
        """The newest change record of each window of some tables, or of all.

        Raises:
            StorageError: the records cannot be read.
        """
        rows = _newest(self.records.rows(None if of is None else set(of))).to_pylist()
        return [Change(r["table_name"], Window(r["fromTS"], r["untilTS"]), r["number"]) for r in rows]

    def state(self, of: Sequence[Table] | None = None) -> State:
        """What all tables say of themselves, or of some tables the loads and their inputs' changes.

        Raises:
            StorageError: the report or the records cannot be read.
        """
        inputs = None if of is None else {name for t in of for name in t.upstreams}
        return State(self.loads(of), self.changes(inputs))
