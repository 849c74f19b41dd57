"""What the Spark silver tables share: an entity's events folded into its rows.

Events come from the log in no particular order and at least once; a start may be missing, an end may not have come yet.
"""

from collections.abc import Sequence

from pyspark.sql import Column as SparkColumn, functions as F

from overwatch_assets.bronze.spark_events_bronze import FILE_GROUP
from overwatch_assets.contract import Column
from overwatch_assets.rules.spark_time import RUNTIME, date_of, runtime

CONTEXT = ("clusterId", "SparkContextID")
CONTEXT_COLUMNS = (
    Column("clusterId", "string", "Cluster.", source=("spark_events_bronze.clusterId",), nullable=False),
    Column(
        "SparkContextID", "string", "Spark context.", source=("spark_events_bronze.SparkContextID",), nullable=False
    ),
)


def event_log_columns(start: str = "start", end: str = "end") -> tuple[Column, Column]:
    """The two columns that say which files the events were in."""
    source = ("spark_events_bronze.filenameGroup",)
    return (
        Column("startFilenameGroup", FILE_GROUP, f"File of the {start} event.", source=source, bookkeeping=True),
        Column(
            "endFilenameGroup",
            FILE_GROUP,
            f"File of the {end} event; null while there is none.",
            source=source,
            bookkeeping=True,
        ),
    )


def run_time_columns(name: str, what: str) -> tuple[Column, ...]:
    """The run-time struct, and the start and day that keys and partitions need."""
    return (
        Column(name, RUNTIME, f"From {what}; the end's members are null while it is open."),
        Column("startTimestamp", "bigint", "Start, epoch ms; null: the start event was never seen."),
        Column("startDate", "date", "UTC day of the start, else of the end."),
    )


def run_time(
    name: str, start_ms: SparkColumn, end_ms: SparkColumn, day: SparkColumn | None = None
) -> list[SparkColumn]:
    """Values of `run_time_columns`; ``day``, where it can be told more cheaply."""
    return [
        runtime(start_ms, end_ms).alias(name),
        start_ms.alias("startTimestamp"),
        (date_of(F.coalesce(start_ms, end_ms)) if day is None else day).alias("startDate"),
    ]


def is_event(*names: str) -> SparkColumn:
    """Whether a row is one of these events."""
    return F.col("Event").isin(list(names))


def first_of(event: str, value: SparkColumn | str, order: Sequence[str] = ("filePosition",)) -> SparkColumn:
    """The value in the entity's first event of this type. Duplicates agree, but in where they were read."""
    column = F.col(value) if isinstance(value, str) else value
    return F.min_by(F.when(F.col("Event") == event, column), F.when(F.col("Event") == event, _place(order)))


def last_of(event: str, value: SparkColumn | str, order: Sequence[str]) -> SparkColumn:
    """The value in the entity's last event of this type."""
    column = F.col(value) if isinstance(value, str) else value
    return F.max_by(F.when(F.col("Event") == event, column), F.when(F.col("Event") == event, _place(order)))


def _place(order: Sequence[str]) -> SparkColumn:
    columns = [F.coalesce(F.col(c), F.lit(-1).cast("bigint")) for c in order]
    return F.struct(*(c.alias(f"o{n}") for n, c in enumerate(columns)), F.col("lineHash").alias("hash"))
