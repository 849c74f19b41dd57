"""Sums of cost segments, as the gold tables have them: doubles, in dollars, DBUs and hours."""

import operator
from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.contract import Column, Invariant
from overwatch_assets.rules.cost_segments import AMOUNTS, COSTS, HOUR_MS, PRICED, UNIT

COST_STATUS = Column(
    "cost_status",
    "string",
    "`priced`, or which prices or facts are missing, or how a gap was bridged; totals are of what is known.",
    nullable=False,
)
PARTS = (
    Column("driver_compute_cost", "double", "What the cloud takes for the driver, dollars; null: not known."),
    Column("driver_dbu_cost", "double", "DBUs of the driver, dollars."),
    Column("worker_compute_cost", "double", "What the cloud takes for the workers, dollars."),
    Column("worker_dbu_cost", "double", "DBUs of the workers, dollars."),
    Column("total_driver_cost", "double", "Compute and DBUs of the driver, dollars."),
    Column("total_worker_cost", "double", "Compute and DBUs of the workers, dollars."),
    Column("total_compute_cost", "double", "Compute of all nodes, dollars."),
)
_WIDE = "decimal(38,0)"
TOTAL_COST = Column("total_cost", "double", "All of it, dollars; null: no part is known.")


def _unpriced(rows: DataFrame) -> DataFrame:
    return rows.where(F.col("cost_status") != PRICED).select("cost_status")


EVERYTHING_PRICED = Invariant(
    "priced",
    "Every price and fact of a cost is known. What is missing is null, and not in the totals.",
    _unpriced,
)


def _sum(amount: SparkColumn) -> SparkColumn:
    """Aggregate of an amount: its sum. As a decimal, for the bigints of engines wrap at 9.2 million dollars."""
    return F.sum(amount.cast(_WIDE))


def sums(amounts: SparkColumn) -> list[SparkColumn]:
    """Aggregates of `amounts` structs: per part its sum, null if any of it is unknown, and the sum of what is known."""
    return [
        column
        for name in AMOUNTS
        for column in (
            whole(amounts[name]).alias(f"_{name}"),
            _sum(amounts[name]).alias(f"_known_{name}"),
        )
    ]


def whole(amount: SparkColumn) -> SparkColumn:
    """Aggregate of an amount: its sum; null if any of it is unknown."""
    return F.when(F.count(amount) == F.count(F.lit(1)), _sum(amount))


def dollars(amounts: SparkColumn) -> SparkColumn:
    """Aggregate of `amounts` structs: all that is known of their costs, in dollars; null if nothing is."""
    return _known([_sum(amounts[name]) for name in COSTS], [whole(amounts[name]) for name in COSTS])


def _known(parts: Sequence[SparkColumn], wholes: Sequence[SparkColumn]) -> SparkColumn:
    """Sum of what is known of some parts, in dollars; null if nothing is.

    That a cluster costs nothing while it is off tells nothing of what it costs when it is on: 0 is known only where
    all is.
    """
    added = reduce(operator.add, (F.coalesce(part, F.lit(0)).cast(_WIDE) for part in parts))
    is_whole = reduce(operator.and_, (part.isNotNull() for part in wholes))
    return F.when((added != 0) | is_whole, added).cast("double") / F.lit(float(UNIT))


def part(name: str, unit: int = UNIT) -> SparkColumn:
    """A part that was summed, in dollars, DBUs or, with ``unit`` `HOUR_MS`, core hours."""
    return F.col(f"_{name}").cast("double") / F.lit(float(unit))


def total(names: Sequence[str]) -> SparkColumn:
    """Sum of what is known of some parts; null if nothing is."""
    return _known([F.col(f"_known_{name}") for name in names], [F.col(f"_{name}") for name in names])


def money() -> dict[str, SparkColumn]:
    """Values of the documented money columns."""
    return {
        **{name: part(name) for name in COSTS},
        "total_driver_cost": total([n for n in COSTS if n.startswith("driver")]),
        "total_worker_cost": total([n for n in COSTS if n.startswith("worker")]),
        "total_compute_cost": total([n for n in COSTS if n.endswith("compute_cost")]),
        "total_dbu_cost": total([n for n in COSTS if n.endswith("dbu_cost")]),
        "total_dbus": total(["driver_dbus", "worker_dbus"]),
        "total_cost": total(COSTS),
    }


def core_hours(name: str) -> SparkColumn:
    """Core hours of a summed part."""
    return part(name, HOUR_MS)


def statuses(status: SparkColumn) -> SparkColumn:
    """Aggregate of `cost_status`: what the segments' say, each once, in order; `priced` if they all are."""
    said = F.array_join(F.sort_array(F.collect_set(F.when(status != PRICED, status))), "; ")
    return F.when(said == "", F.lit(PRICED)).otherwise(said)
