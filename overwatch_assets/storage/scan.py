"""Read small results of Delta tables without a Spark session, for schedules, sensors and checks."""

from collections.abc import Iterator
from contextlib import contextmanager

import deltalake
import pyarrow as pa

from overwatch_assets.contract.table import Table
from overwatch_assets.errors import StorageError
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.snapshots import latest_version


def scan(location: Location, table: Table, select: str, *, organization_id: str, tail: str = "") -> pa.Table | None:
    """Rows of one workspace in a table; None: the table was never created.

    Args:
        location: the folder of the tables.
        table: the table.
        select: what to select, as SQL; camel-case names in double quotes.
        organization_id: the workspace.
        tail: SQL after the condition on the workspace.

    Raises:
        StorageError: the table cannot be read.
    """
    quoted = organization_id.replace("'", "''")
    query = f"SELECT {select} FROM t WHERE organization_id = '{quoted}' {tail}"
    with told(location, table, organization_id):
        if latest_version(location, table.name) is None:
            return None
        read = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(location.path(table.name))).execute(query)
        return pa.table(read.read_all())


@contextmanager
def told(location: Location, table: Table, organization_id: str) -> Iterator[None]:
    """Say of an error which table of which workspace cannot be read.

    Raises:
        StorageError: in its place.
    """
    try:
        yield
    except Exception as error:  # file systems let the errors of their client libraries through
        raise StorageError(
            f"{table.name} of workspace {organization_id} at {location.path(table.name)} can't be read: "
            f"{type(error).__name__}: {error}. Check its storage_prefix, and the rights on it"
        ) from error
