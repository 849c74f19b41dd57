"""Read small results of Delta tables without a Spark session, for schedules, sensors and checks."""

import deltalake
import pyarrow as pa

from overwatch_assets.contract.table import Table
from overwatch_assets.storage.location import Location


def scan(location: Location, table: Table, select: str, *, organization_id: str, tail: str = "") -> pa.Table | None:
    """Rows of one workspace in a table; None: the table was never created.

    Args:
        location: the folder of the tables.
        table: the table.
        select: what to select, as SQL; camel-case names in double quotes.
        organization_id: the workspace.
        tail: SQL after the condition on the workspace.
    """
    if not location.fs.exists(location.key(table.name, "_delta_log")):
        return None
    quoted = organization_id.replace("'", "''")
    query = f"SELECT {select} FROM t WHERE organization_id = '{quoted}' {tail}"
    read = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(location.path(table.name))).execute(query)
    return pa.table(read.read_all())
