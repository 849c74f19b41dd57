"""What tables there are, told from Delta's own metadata: no engine is started, no row is read."""

from collections.abc import Iterator
from dataclasses import dataclass

import deltalake
import pyarrow as pa
import pyarrow.compute as pc

from overwatch_assets.config.deployment import Deployment, Workspace
from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import Column, Table
from overwatch_assets.errors import StorageError


@dataclass(frozen=True)
class Stored:
    """One table of one workspace.

    Attributes:
        path: URL of the Delta table.
        rows: how many; None: the table was never made, or its writer did not count.
        partitions: how many values of the date partition have rows; None: not made, or not partitioned by date.
    """

    organization_id: str
    workspace_name: str
    table: Table
    path: str
    rows: int | None
    partitions: int | None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The contract's columns, in order."""
        return self.table.columns


def inventory(deployment: Deployment) -> Iterator[Stored]:
    """Give every table of every active workspace, in order of the workspaces, upstream tables first.

    Raises:
        StorageError: a table's log cannot be read.
    """
    for workspace in deployment.active_workspaces:
        root = workspace.table_root(external_metastore=deployment.external_metastore)
        for table in tables().values():
            path = f"{root}/{table.name}"
            files = _files(path)
            if files is not None and deployment.external_metastore:
                files = files.filter(pc.equal(files.column("partition.organization_id"), workspace.workspace_id))
            yield _stored(workspace, table, path, files)


def _stored(workspace: Workspace, table: Table, path: str, files: pa.Table | None) -> Stored:
    rows = partitions = None
    if files is not None:
        counts = files.column("num_records")
        rows = int(pc.sum(counts).as_py() or 0) if counts.null_count == 0 else None
        if table.partition is not None:
            partitions = len(pc.unique(files.column(f"partition.{table.partition}"))) if files.num_rows else 0
    return Stored(workspace.workspace_id, workspace.workspace_name, table, path, rows, partitions)


def _files(path: str) -> pa.Table | None:
    """Return the files of a table's newest version; None if there is no table."""
    try:
        if not deltalake.DeltaTable.is_deltatable(path):
            return None
        return pa.table(deltalake.DeltaTable(path).get_add_actions(flatten=True))
    except (deltalake.exceptions.DeltaError, OSError) as error:
        raise StorageError(f"The table at {path} cannot be read: {error}") from error
