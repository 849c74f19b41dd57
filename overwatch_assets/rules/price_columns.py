"""What the tables of dated prices have in common: when a row applies, and where it is from."""

from pyspark.sql import Column as Expression, DataFrame, Window, functions as F

from overwatch_assets.contract import Column, Invariant, View
from overwatch_assets.contract.table import META, ORGANIZATION
from overwatch_assets.rules.spark_time import midnight_ms

ACTIVE = (
    Column("isActive", "boolean", "Whether it is the key's last row, which has no end.", nullable=False),
    Column("activeFrom", "date", "First UTC day on which it applies.", nullable=False),
    Column("activeUntil", "date", "UTC day on which it applies no longer; null: it has no end."),
)
ORIGIN = (
    Column("cloud", "string", "AWS, Azure or GCP.", nullable=False),
    Column(
        "price_source",
        "string",
        "Where its numbers are from: addresses, files or settings, blanks between.",
        nullable=False,
    ),
    Column("price_date", "date", "As of which day its source says so; null: unknown."),
    Column("valid_from_ms", "bigint", "Midnight that begins `activeFrom`, epoch ms: included.", nullable=False),
    Column("valid_until_ms", "bigint", "Midnight that begins `activeUntil`, epoch ms: not included; null: no end."),
)


def view_of(name: str, columns: tuple[Column, ...], *documented: str) -> View:
    """The view that has a table's documented name, documented columns first.

    It has all columns: where case does not tell names apart, it and its table are one name.
    """
    first = ("organization_id", "workspace_name", *documented)
    others = (c.name for c in (ORGANIZATION, *columns, *META) if c.name not in first)
    return View(name, (*first, *others))


def dated(*key: str) -> Invariant:
    """The rows of a key follow each other from day to day, and the last one is active."""

    def find(rows: DataFrame) -> DataFrame:
        of_key = Window.partitionBy(*key).orderBy("activeFrom")
        after = F.lead("activeFrom").over(of_key)
        said = (
            F.when(after.isNull() & F.col("activeUntil").isNotNull(), F.lit("no active row"))
            .when(after > F.col("activeUntil"), F.lit("a gap"))
            .when(after < F.coalesce("activeUntil", F.lit("9999-12-31").cast("date")), F.lit("an overlap"))
        )
        place = F.concat_ws(" ", *key, said, F.lit("after"), F.col("activeFrom").cast("string"))
        return rows.select(place.alias("found"), said.alias("_said")).where(F.col("_said").isNotNull())

    return Invariant("dated", "No key has a gap, an overlap, or other than one active row.", find)


def dated_values() -> list[Expression]:
    """The columns of `ACTIVE` and `ORIGIN`, of a source's rows."""
    start, end = F.col("active_from"), F.col("active_until")
    return [
        end.isNull().alias("isActive"),
        start.alias("activeFrom"),
        end.alias("activeUntil"),
        F.col("cloud"),
        F.col("source").alias("price_source"),
        F.col("source_date").alias("price_date"),
        midnight_ms(start).alias("valid_from_ms"),
        midnight_ms(end).alias("valid_until_ms"),
    ]
