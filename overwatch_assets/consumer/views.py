"""What people query: the consumer views and every table by its name, as temporary views of a session.

Each holds the rows of all given workspaces. A table that was never loaded is an empty view with its columns. The same
views as SQL text, for a metastore of the user's, are made by `rendered.py`.
"""

import re
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import Table
from overwatch_assets.contract.view import View
from overwatch_assets.storage import sql
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore, is_any

if TYPE_CHECKING:
    from overwatch_assets.config.deployment import Deployment
    from overwatch_assets.runner.platform import Platform


def views() -> dict[str, tuple[View, Table]]:
    """Every view by its name, with its table."""
    return {t.view.name: (t.view, t) for t in tables().values() if t.view is not None}


def names() -> dict[str, Table]:
    """Every name that can be queried, in its documented spelling, with the table that it shows."""
    return {**tables(), **{name: table for name, (_, table) in views().items()}}


def register(platform: "Platform", workspace_ids: Sequence[str], *, query: str | None = None) -> list[str]:
    """Make views and tables known to the platform's session by name.

    Args:
        platform: the deployment on its session.
        workspace_ids: workspaces whose rows are seen.
        query: SQL that will be asked: only names that it mentions are made, in every spelling that it uses, because
            Sail tells upper from lower case in the names of views; without it all, in their documented spelling.

    Returns:
        The names made.

    Raises:
        StorageError: a stored table is not what its contract says.
    """
    known = {name.lower(): (name, table) for name, table in names().items()}
    words = set(names()) if query is None else set(re.findall(r"\w+", query))
    made = sorted(word for word in words if word.lower() in known)
    for word in made:
        name, table = known[word.lower()]
        view(platform, workspace_ids, name, table).createOrReplaceTempView(word)
    return made


def view(platform: "Platform", workspace_ids: Sequence[str], name: str, table: Table) -> DataFrame:
    """Rows of one name: a table's own columns, or those of its view."""
    rows = rows_of(platform, workspace_ids, table)
    if table.view is None or name != table.view.name:
        return rows
    shown = rows.selectExpr(*(expression(table.view, column) for column in table.view.columns))
    return shown.orderBy(*(F.col(c).desc() for c in table.view.newest)) if table.view.newest else shown


def expression(of: View, column: str) -> str:
    """SQL of a view's column, over its table."""
    name = sql.name(column)
    return f"{of.computed[column][1]} AS {name}" if column in of.computed else name


def workspace_name(deployment: "Deployment", workspace_ids: Sequence[str]) -> str:
    """SQL of the name that the deployment has for a row's workspace, one of those given."""
    named = ((sql.literal(i), sql.literal(deployment.workspace(i).workspace_name)) for i in workspace_ids)
    return f"CASE organization_id {' '.join(f'WHEN {i} THEN {name}' for i, name in named)} END"


def rows_of(platform: "Platform", workspace_ids: Sequence[str], table: Table) -> DataFrame:
    """Return a table's rows of some workspaces; each stored row once, also where workspaces share a table.

    A workspace is called what the deployment calls it now: stored rows have the name that it had when they were loaded.
    """
    if platform.deployment.external_metastore:
        roots = {platform.store(i).location.root for i in workspace_ids}
        whole = [TableStore(platform.spark, Location(root), "").read(table) for root in sorted(roots)]
        name = F.expr(workspace_name(platform.deployment, workspace_ids))
        frames = [
            frame.where(is_any(F.col("organization_id"), workspace_ids)).withColumn("workspace_name", name)
            for frame in whole
        ]
    else:
        stores = [platform.store(i) for i in workspace_ids]
        # A workspace's id and name are literals: a query over one workspace opens no file of another.
        frames = [
            s.read(table)
            .withColumn("organization_id", F.lit(s.organization_id))
            .withColumn("workspace_name", F.lit(platform.deployment.workspace(s.organization_id).workspace_name))
            for s in stores
            if s.exists(table)
        ]
    if not frames:
        return platform.spark.createDataFrame([], table.schema)
    return reduce(DataFrame.unionByName, frames)
