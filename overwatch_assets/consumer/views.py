"""What people query: the consumer views and every table by its name, as temporary views of a session.

Each holds the rows of all given workspaces. A table that was never loaded is an empty view with its columns.
"""

import re
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import Table
from overwatch_assets.runner.state import PIPELINE_REPORT
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore, is_any

if TYPE_CHECKING:
    from overwatch_assets.runner.platform import Platform

PIP_REPORT = "pipReport"
OF_ETL_DATABASE = frozenset({"accountLogin", "accountMod"})
"""Views that stand in the ETL database, not in the consumer database: who signs in is not for everybody to see."""


def names() -> dict[str, Table]:
    """Every name that can be queried, in its documented spelling, with the table that it shows."""
    views = {t.view.name: t for t in tables().values() if t.view is not None}
    return {**tables(), **views, PIP_REPORT: PIPELINE_REPORT}


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
    if name == PIP_REPORT:
        return _pip_report(rows)
    return rows.select(*table.view.columns) if table.view is not None and name == table.view.name else rows


def rows_of(platform: "Platform", workspace_ids: Sequence[str], table: Table) -> DataFrame:
    """Return a table's rows of some workspaces; each stored row once, also where workspaces share a table."""
    if platform.deployment.external_metastore:
        roots = {platform.store(i).location.root for i in workspace_ids}
        whole = [TableStore(platform.spark, Location(root), "").read(table) for root in sorted(roots)]
        frames = [frame.where(is_any(F.col("organization_id"), workspace_ids)) for frame in whole]
    else:
        stores = [platform.store(i) for i in workspace_ids]
        frames = [store.read(table) for store in stores if store.exists(table)]
    if not frames:
        return platform.spark.createDataFrame([], table.schema)
    return reduce(DataFrame.unionByName, frames)


def _pip_report(report: DataFrame) -> DataFrame:
    """Overwatch's view of the pipeline report, newest first."""
    newest = (F.col("Pipeline_SnapTS").desc(), F.col("runStartTS").desc(), F.col("moduleID"), F.col("fromTS").desc())
    return report.orderBy(*newest).select(
        "organization_id",
        "workspace_name",
        F.col("moduleID").alias("module_id"),
        F.col("moduleName").alias("module_name"),
        F.to_date("primordialDateString").alias("primordialDate"),
        F.timestamp_millis("fromTS").alias("fromTS"),
        F.timestamp_millis("untilTS").alias("untilTS"),
        "status",
        F.col("writeOpsMetrics").alias("write_metrics"),
        "Pipeline_SnapTS",
        "Overwatch_RunID",
    )
