"""What rows of states of clusters and of SQL warehouses share: when each was, and how long it lasted."""

from collections.abc import Callable, Collection
from typing import Any, Protocol

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.contract import Column, Interval
from overwatch_assets.rules.days import days_of
from overwatch_assets.rules.spark_time import date_of, timestamp_of

INTERVAL = Interval(
    "unixTimeMS_state_start",
    "unixTimeMS_state_end_exclusive",
    tail=(
        "unixTimeMS_state_end",
        "timestamp_state_end",
        "uptime_in_state_S",
        "uptime_in_state_H",
        "uptime_since_restart_S",
        "state_dates",
        "days_in_state",
        "is_open",
    ),
)
BOUNDS = (
    Column("unixTimeMS_state_start", "bigint", "Start of the state, epoch ms.", nullable=False),
    Column("unixTimeMS_state_end", "bigint", "Last millisecond of the state, epoch ms.", nullable=False),
)
STAMPS = (
    Column("timestamp_state_start", "timestamp", "Start of the state, UTC."),
    Column("timestamp_state_end", "timestamp", "Last millisecond of the state, UTC."),
    Column("state_start_date", "date", "UTC day of the start.", nullable=False),
    Column("uptime_in_state_S", "double", "Length of the state, seconds.", nullable=False),
)
LENGTHS = (
    Column("uptime_in_state_H", "double", "Length of the state, hours.", nullable=False),
    Column("state_dates", "array<date>", "UTC days that the state lies in.", nullable=False),
    Column("days_in_state", "int", "How many those are.", nullable=False),
    Column(
        "unixTimeMS_state_end_exclusive",
        "bigint",
        "Start of the next state, else how far events are loaded, epoch ms: money is of `[start, this)`.",
        nullable=False,
    ),
    Column("is_open", "boolean", "No later event is known; the state ends where events are loaded to.", nullable=False),
    Column("is_imputed", "boolean", "No event says so; it vanishes when one does.", nullable=False),
)
FIELDS = (
    "state:string,start:bigint,end:bigint,label:bigint,is_open:boolean,imputed:boolean,running:boolean,"
    "dbu_billable:boolean,current:bigint,target:bigint,restart:bigint,since_ms:bigint,dates:array<date>"
)
"""Of `fields_of`."""


class State(Protocol):
    """A state, `[start, end)`, as the rules tell it."""

    @property
    def type(self) -> str:
        """What began it."""

    @property
    def start(self) -> int:
        """Epoch ms."""

    @property
    def end(self) -> int:
        """Epoch ms."""

    @property
    def is_open(self) -> bool:
        """No later event is known."""

    @property
    def imputed(self) -> bool:
        """No event says so."""

    @property
    def running(self) -> bool:
        """It is on."""

    @property
    def dbu_billable(self) -> bool:
        """It costs DBUs."""

    @property
    def current(self) -> int | None:
        """Workers, or clusters."""

    @property
    def target(self) -> int | None:
        """Those that are wanted."""

    @property
    def restart(self) -> int:
        """When it was started, epoch ms."""

    @property
    def since_restart_ms(self) -> int:
        """How long it was on by the end."""


def fields_of(state: State) -> dict[str, Any]:
    """A state as a row of `FIELDS`."""
    label = max(state.start, state.end - 1)
    return {
        "state": state.type,
        "start": state.start,
        "end": state.end,
        "label": label,
        "is_open": state.is_open,
        "imputed": state.imputed,
        "running": state.running,
        "dbu_billable": state.dbu_billable,
        "current": state.current,
        "target": state.target,
        "restart": state.restart,
        "since_ms": state.since_restart_ms,
        "dates": days_of(state.start, label + 1),
    }


def values() -> dict[str, SparkColumn]:
    """The columns that a table makes of `FIELDS`, but for sizes and resets."""
    start, label, lasted = F.col("start"), F.col("label"), F.col("end") - F.col("start")
    return {
        "isRunning": F.col("running"),
        "timestamp": start,
        "state": F.col("state"),
        "unixTimeMS_state_start": start,
        "unixTimeMS_state_end": label,
        "timestamp_state_start": timestamp_of(start),
        "timestamp_state_end": timestamp_of(label),
        "state_start_date": date_of(start),
        "uptime_in_state_S": lasted / F.lit(1000.0),
        "uptime_since_restart_S": F.col("since_ms") / F.lit(1000.0),
        "cloud_billable": F.col("running"),
        "databricks_billable": F.col("dbu_billable"),
        "uptime_in_state_H": lasted / F.lit(3_600_000.0),
        "state_dates": F.col("dates"),
        "days_in_state": F.size("dates"),
        "unixTimeMS_state_end_exclusive": F.col("end"),
        "is_open": F.col("is_open"),
        "is_imputed": F.col("imputed"),
    }


def standing(*, on: Collection[str], off: Collection[str]) -> Callable[[DataFrame], DataFrame]:
    """Choose states that an event said of which it is certain whether it was on, and that have a length."""

    def stands(rows: DataFrame) -> DataFrame:
        certain = F.when(F.col("isRunning"), F.col("state").isin(*on)).otherwise(F.col("state").isin(*off))
        lasts = F.col("unixTimeMS_state_end_exclusive") > F.col("unixTimeMS_state_start")
        return rows.where(certain & ~F.col("is_imputed") & lasts)

    return stands
