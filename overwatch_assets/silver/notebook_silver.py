"""Module 2018: what was done with notebooks."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Events, Fold, Interval, table
from overwatch_assets.rules.audit_records import RESPONSE
from overwatch_assets.rules.names import member
from overwatch_assets.rules.notebook_records import NAMING, SERVICE, last_part, requests_of
from overwatch_assets.rules.windows import numbered

_AUDIT = "audit_log_bronze"


def _parameter(name: str, doc: str) -> Column:
    return Column(name, "string", doc, source=(f"{_AUDIT}.requestParams",))


_PARAMETERS = (
    _parameter("path", "Path of the notebook, if the request says it."),
    _parameter("oldName", "Name before, of `renameNotebook`."),
    _parameter("oldPath", "Path before, of `moveNotebook` and `moveFolder`."),
    _parameter("newName", "Name after, of `renameNotebook`."),
    _parameter("newPath", "Path after, of `moveNotebook` and `moveFolder`."),
    _parameter("parentPath", "Folder of the notebook, of `renameNotebook`."),
    _parameter("clusterId", "Cluster that it was attached to or ran on."),
    _parameter("commandId", "Command, of `runCommand`."),
)


@table(
    module_id=2018,
    module_name="Silver_Notebooks",
    rebuild=Fold(),
    entity=("date",),
    keys=("notebookId", "requestId", "actionName", "timestamp", "sequence"),
    links=("notebookId", "clusterId"),
    partition="date",
    interval=Interval("startMS", "timestamp"),
    z_order=("notebookId",),
    inputs={_AUDIT: Events(key=("date",), only={"serviceName": (SERVICE,)})},
    columns=(
        Column("timestamp", "bigint", "Time of the record, epoch ms.", source=(f"{_AUDIT}.timestamp",), nullable=False),
        Column("date", "date", "UTC day of `timestamp`.", source=(f"{_AUDIT}.date",), nullable=False),
        Column("serviceName", "string", "notebook.", source=(f"{_AUDIT}.serviceName",), nullable=False),
        Column("actionName", "string", "What was done.", source=(f"{_AUDIT}.actionName",), nullable=False),
        Column("userEmail", "string", "Who did it.", source=(f"{_AUDIT}.userIdentity",)),
        Column("requestId", "string", "Id of the request.", source=(f"{_AUDIT}.requestId",)),
        Column("response", RESPONSE, "Its answer.", source=(f"{_AUDIT}.response",)),
        Column("notebookId", "string", "Notebook; null: the request names none, as of folders and imports."),
        Column("notebookName", "string", "Name that the request states, else what its path ends with."),
        *_PARAMETERS,
        Column("nameAfter", "string", "Name of the notebook from then on; null: the request does not tell."),
        Column("pathAfter", "string", "Path of the notebook from then on; null: the request does not tell."),
        Column("startMS", "bigint", "Start of a command, epoch ms; of any other action `timestamp`.", nullable=False),
        Column("hashKey", "bigint", "Hash of the request.", source=(f"{_AUDIT}.hashKey",), nullable=False),
        Column(
            "sequence", "int", "Place among the rows of one request, action and millisecond, from 0.", nullable=False
        ),
    ),
)
def notebook_silver(spans: DataFrame, audit_log_bronze: DataFrame) -> DataFrame:
    """Everything that was done with notebooks and their folders.

    One row: one request that was granted; of commands, one that has run (verbose audit logs). Names and paths are those
    that the request states.
    """
    params = F.col("requestParams")
    said = {name: member(params, name) for name in ("notebookId", "notebookName", *(c.name for c in _PARAMETERS))}
    renamed = F.when(
        said["newName"].isNotNull() & said["parentPath"].isNotNull(),
        F.concat(F.rtrim(said["parentPath"]), F.lit("/"), said["newName"]),
    )
    path_after = F.when(
        F.col("actionName").isin(*NAMING),
        F.coalesce(said["newPath"], F.regexp_replace(renamed, "/+", "/"), said["path"]),
    )
    requests = requests_of(audit_log_bronze).select(
        *("timestamp", "date", "serviceName", "actionName"),
        member(F.col("userIdentity"), "email").alias("userEmail"),
        *("requestId", "response"),
        said["notebookId"].alias("notebookId"),
        F.coalesce(said["notebookName"], last_part(said["path"])).alias("notebookName"),
        *(said[c.name].alias(c.name) for c in _PARAMETERS),
        last_part(path_after).alias("nameAfter"),
        path_after.alias("pathAfter"),
        *("startMS", "hashKey"),
    )
    return numbered(requests, "sequence", ("notebookId", "requestId", "actionName", "timestamp"), ("hashKey",))
