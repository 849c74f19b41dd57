"""Spark's types as Arrow has them."""

import pyarrow as pa
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema


def in_arrow(schema: T.StructType) -> pa.Schema:
    """Return a schema as Arrow has it, its times in UTC."""
    return to_arrow_schema(schema, error_on_duplicated_field_names_in_struct=True, timezone="UTC")
