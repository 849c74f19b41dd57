"""What the Spark gold tables share: silver's rows under the names that people query."""

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import Column as SparkColumn, functions as F

from overwatch_assets.contract import Column, Table
from overwatch_assets.rules.spark_time import timestamp_of

KEY = ("cluster_id", "spark_context_id")


@dataclass(frozen=True)
class Renamed:
    """A gold column that is a silver column under another name."""

    name: str
    silver: str
    doc: str
    nullable: bool = True


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
    columns = [_column(silver, r) for r in (*_common(started), *renamed)]
    stamp = Column("timestamp", "timestamp", "Start, UTC.")
    return (*columns, stamp, *(_column(silver, r) for r in _FILES))


def _column(silver: Table, renamed: Renamed) -> Column:
    source = silver.by_name[renamed.silver]
    return Column(
        renamed.name,
        source.type,
        renamed.doc,
        source=(f"{silver.name}.{renamed.silver}",),
        nullable=renamed.nullable,
        bookkeeping=source.bookkeeping,
    )


def values_of(renamed: Iterable[Renamed]) -> list[SparkColumn]:
    """The renamed columns' values."""
    return [F.col(r.silver).alias(r.name) for r in renamed]


def common_values(*, started: tuple[str, str] = STARTED) -> list[SparkColumn]:
    """Values of the common columns."""
    return [*values_of((*_common(started), *_FILES)), timestamp_of(F.col(started[0])).alias("timestamp")]


def view_columns(*first: str, at_end: Iterable[str]) -> tuple[str, ...]:
    """Columns of a view, in the documented order."""
    head = ("organization_id", "workspace_name", "spark_context_id", *first, "cluster_id")
    return (*head, "unixTimeMS", "timestamp", "date", *at_end, "event_log_start", "event_log_end")
