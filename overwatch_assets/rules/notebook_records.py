"""What audit logs say of notebooks: each request once, when a command ran, where a notebook lies."""

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.rules.names import member
from overwatch_assets.rules.windows import first_of

SERVICE, RUN = "notebook", "runCommand"

NAMING = (
    "createNotebook",
    "importNotebook",
    "cloneNotebook",
    "restoreNotebook",
    "openNotebook",
    "attachNotebook",
    "renameNotebook",
    "moveNotebook",
    "detachNotebook",
    "deleteNotebook",
)
"""Actions that may say where a notebook lies, those of one millisecond in the order in which they are taken."""


def requests_of(audit: DataFrame) -> DataFrame:
    """Requests of the service notebook that were granted, each once: bronze rows with `startMS` (see `command_start`).

    A record that was published twice, in two forms, is one request.
    """
    params = F.col("requestParams")
    granted = audit.where(
        (F.col("serviceName") == SERVICE) & (F.col("response.statusCode") == 200) & F.col("timestamp").isNotNull()
    )
    once = first_of(granted, ("timestamp", "actionName", "requestId", "hashKey"), ("lineHash",))
    start = command_start(F.col("actionName"), F.col("timestamp"), member(params, "executionTime"))
    return once.withColumn("startMS", F.coalesce(start, "timestamp"))


def command_start(action: SparkColumn, logged_ms: SparkColumn, seconds: SparkColumn) -> SparkColumn:
    """When a command began, epoch ms: its record is written when it has run.

    Null: it is no command, or says no time that can be.
    """
    start = logged_ms - F.round(seconds * 1000).cast("bigint")
    return F.when((action == RUN) & (seconds >= 0) & (seconds < logged_ms / 1000), start)


def last_part(path: SparkColumn) -> SparkColumn:
    """What a path ends with; null if that is nothing."""
    name = F.regexp_extract(path, "([^/]+)/*$", 1)
    return F.when(name != "", name)
