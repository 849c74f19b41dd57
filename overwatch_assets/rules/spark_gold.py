"""What the Spark gold tables share: silver's rows under the names that people query."""

from collections.abc import Iterable

from pyspark.sql import Column as SparkColumn, functions as F

from overwatch_assets.contract import Column, Table
from overwatch_assets.rules.renamed import Renamed, renamed_columns, values_of
from overwatch_assets.rules.spark_time import timestamp_of

KEY = ("cluster_id", "spark_context_id")


STARTED = ("startTimestamp", "startDate")
"""Silver's columns with an entity's start and its day."""


def _common(started: tuple[str, str]) -> tuple[Renamed, ...]:
    return (
        Renamed("spark_context_id", "SparkContextID", "Spark context.", nullable=False),
        Renamed("cluster_id", "clusterId", "Cluster.", nullable=False),
        Renamed("unixTimeMS", started[0], "Start, epoch ms; null: the start event was never seen."),
        Renamed("date", started[1], "UTC day of the start, else of the end."),
    )


_FILES = (
    Renamed("event_log_start", "startFilenameGroup", "File of the start event."),
    Renamed("event_log_end", "endFilenameGroup", "File of the end event; null while it is open."),
)


def contract_of(silver: Table, renamed: Iterable[Renamed], *, started: tuple[str, str] = STARTED) -> tuple[Column, ...]:
    """Columns of a gold table: the common ones, and those renamed from its silver table, with their types."""
    columns = renamed_columns(silver, (*_common(started), *renamed))
    return (*columns, Column("timestamp", "timestamp", "Start, UTC."), *renamed_columns(silver, _FILES))


def common_values(*, started: tuple[str, str] = STARTED) -> list[SparkColumn]:
    """Values of the common columns."""
    return [*values_of((*_common(started), *_FILES)), timestamp_of(F.col(started[0])).alias("timestamp")]


def view_columns(*first: str, at_end: Iterable[str]) -> tuple[str, ...]:
    """Columns of a view, in the documented order."""
    head = ("organization_id", "workspace_name", "spark_context_id", *first, "cluster_id")
    return (*head, "unixTimeMS", "timestamp", "date", *at_end, "event_log_start", "event_log_end")
