"""Rows of a table as a test writes them: the columns that matter, by name."""

from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, functions as F, types as T

from overwatch_assets.contract import Machine, Table


def rows_of(spark: SparkSession, table: Table, *rows: dict[str, Any]) -> DataFrame:
    """A frame with the table's columns; what a row leaves out is null."""
    return spark.createDataFrame([_filled(row, table.schema) for row in rows], table.schema)


def stored(frame: DataFrame) -> DataFrame:
    """The rows of a frame as a table has them: computed once, whatever is computed of them."""
    return frame.sparkSession.createDataFrame(frame.collect(), frame.schema)


def _filled(value: Any, kind: T.DataType) -> Any:
    if isinstance(kind, T.StructType) and isinstance(value, dict):
        unknown = set(value) - set(kind.names)
        assert not unknown, f"no such column: {unknown}"
        return tuple(_filled(value.get(f.name), f.dataType) for f in kind.fields)
    if isinstance(kind, T.ArrayType) and isinstance(value, list):
        return [_filled(each, kind.elementType) for each in value]
    return value


def from_the_first(table: Table) -> list[Column]:
    """Columns of a machine's spans of which nothing stands: it is rebuilt from the first event."""
    assert isinstance(table.rebuild, Machine)
    return [F.lit(None).cast(table.by_name[c].type).alias(f"before_{c}") for c in table.rebuild.carried]
