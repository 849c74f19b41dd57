"""Module 3004: what was done with notebooks, for queries."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Fold, Interval, Linked, View, table
from overwatch_assets.rules.renamed import Renamed, renamed_columns, same, values_of
from overwatch_assets.rules.spark_time import timestamp_of
from overwatch_assets.silver.notebook_silver import notebook_silver as SILVER

_ACTION = (
    Renamed("notebook_id", "notebookId"),
    Renamed("notebook_name", "notebookName"),
    Renamed("notebook_path", "path"),
    Renamed("cluster_id", "clusterId"),
    Renamed("action", "actionName", nullable=False),
    Renamed("unixTimeMS", "timestamp", nullable=False),
)
_REST = (
    *same("date"),
    Renamed("old_name", "oldName"),
    Renamed("old_path", "oldPath"),
    Renamed("new_name", "newName"),
    Renamed("new_path", "newPath"),
    Renamed("parent_path", "parentPath"),
    Renamed("user_email", "userEmail"),
    Renamed("request_id", "requestId"),
    *same("response"),
)
_FURTHER = (
    Renamed("command_id", "commandId"),
    Renamed("name_after", "nameAfter"),
    Renamed("path_after", "pathAfter"),
    Renamed("startEpochMS", "startMS", nullable=False),
    Renamed("request_hash", "hashKey", nullable=False),
    *same("sequence"),
)


@table(
    module_id=3004,
    module_name="Gold_Notebook",
    rebuild=Fold(),
    entity=("date",),
    keys=("notebook_id", "request_id", "action", "unixTimeMS", "sequence"),
    links=("notebook_id", "cluster_id"),
    partition="date",
    interval=Interval("startEpochMS", "unixTimeMS"),
    z_order=("notebook_id",),
    inputs={"notebook_silver": Linked(("date",))},
    view=View(
        "notebook",
        (
            "organization_id",
            "workspace_name",
            *(c.name for c in _ACTION),
            "timestamp",
            *(c.name for c in _REST),
        ),
    ),
    columns=(
        *renamed_columns(SILVER, _ACTION),
        Column("timestamp", "timestamp", "Time of the record, UTC.", source=("notebook_silver.timestamp",)),
        *renamed_columns(SILVER, _REST),
        *renamed_columns(SILVER, _FURTHER),
    ),
)
def notebook_gold(spans: DataFrame, notebook_silver: DataFrame) -> DataFrame:
    """Everything that was done with notebooks and their folders.

    One row: one request that was granted; of commands, one that has run (verbose audit logs). Names and paths are those
    that the request states; `name_after` and `path_after` are those from then on.
    """
    return notebook_silver.select(
        *values_of(_ACTION),
        timestamp_of(F.col("timestamp")).alias("timestamp"),
        *values_of(_REST),
        *values_of(_FURTHER),
    )
