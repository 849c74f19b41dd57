"""What the Spark silver tables share: an entity's events folded into its rows.

Events come from the log in no particular order and at least once; a start may be missing, an end may not have come yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.bronze.spark_events_bronze import FILE_GROUP
from overwatch_assets.contract import Column
from overwatch_assets.rules.spark_time import RUNTIME, date_of, runtime
from overwatch_assets.rules.windows import first_of

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


@dataclass(frozen=True)
class Side:
    """What one type of event says of an entity.

    Attributes:
        event: its type.
        at: by which of them the first, or the last, is told; equal ones by their content.
        columns: what it says, under names that the other side has not.
    """

    event: str
    at: SparkColumn
    columns: Sequence[SparkColumn | str]


def first_and_last(events: DataFrame, key: Sequence[str], first: Side, last: Side) -> DataFrame:
    """Of each entity what the first event of one type says, and the last of another; either may be missing.

    Whole rows are chosen: to aggregate structs takes Sail three times the time, and memory for each of their members.
    """

    def chosen(side: Side, order: Sequence[SparkColumn]) -> DataFrame:
        rows = events.where(is_event(side.event))
        return first_of(rows, key, order).select(*key, *side.columns)

    begins, ends = (F.coalesce(side.at, F.lit(-1)) for side in (first, last))
    started = chosen(first, (begins, F.col("lineHash")))
    return started.join(chosen(last, (ends.desc(), F.col("lineHash").desc())), list(key), "full")
