"""Gold columns that are silver's, under the names that people query."""

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import Column as SparkColumn, functions as F

from overwatch_assets.contract import Column, Table


@dataclass(frozen=True)
class Renamed:
    """A gold column that is a silver column under another name.

    Attributes:
        doc: what it means; empty: as silver says it.
        nullable: False: never null; None: as in silver.
    """

    name: str
    silver: str
    doc: str = ""
    nullable: bool | None = True


def same(*names: str) -> tuple[Renamed, ...]:
    """Columns that keep their name and what silver says of them."""
    return tuple(Renamed(name, name, nullable=None) for name in names)


def renamed_columns(silver: Table, renamed: Iterable[Renamed]) -> tuple[Column, ...]:
    """Contracts of the renamed columns: silver's types, and where they come from."""
    return tuple(_column(silver, r) for r in renamed)


def _column(silver: Table, renamed: Renamed) -> Column:
    source = silver.by_name[renamed.silver]
    return Column(
        renamed.name,
        source.type,
        renamed.doc or source.doc,
        source=(f"{silver.name}.{renamed.silver}",),
        nullable=source.nullable if renamed.nullable is None else renamed.nullable,
        bookkeeping=source.bookkeeping,
    )


def values_of(renamed: Iterable[Renamed]) -> list[SparkColumn]:
    """The renamed columns' values."""
    return [F.col(r.silver).alias(r.name) for r in renamed]
