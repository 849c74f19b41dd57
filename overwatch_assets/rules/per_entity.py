"""Rules over all that is known of one entity, in plain Python: its rows gathered into one, its answer spread again.

For state machines, where what a row says depends on the rows before it. An entity's rows come in no particular order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from overwatch_assets.contract.types import spark_type

_ENTITIES = 64  # taken apart at a time: a row of Python is many times as large as one of Arrow
Answer = Callable[[dict[str, Any]], Iterable[dict[str, Any]]]


def gathered(spans: DataFrame, key: Sequence[str], inputs: Mapping[str, DataFrame]) -> DataFrame:
    """One row for each span: its columns, and per input an array of structs with the rows of its entity.

    ``inputs`` have the columns of ``key``; an entity without rows there has a null.
    """
    found = spans
    for name, frame in inputs.items():
        values = [c for c in frame.columns if c not in key]
        rows = frame.groupBy(*(F.col(k).alias(f"_{k}") for k in key)).agg(F.collect_list(F.struct(*values)).alias(name))
        found = found.join(rows, [F.col(k) == F.col(f"_{k}") for k in key], "left").drop(*(f"_{k}" for k in key))
    return found


def answered(entities: DataFrame, answer: Answer, ddl: str) -> DataFrame:
    """The rows that ``answer`` gives for each gathered row, a dictionary; their columns are those of ``ddl``."""
    kind = spark_type(f"struct<{ddl}>")
    assert isinstance(kind, StructType)  # noqa: S101 - tells mypy
    schema = to_arrow_schema(kind)

    def answers(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for start in range(0, batch.num_rows, _ENTITIES):
                entities = batch.slice(start, _ENTITIES).to_pylist()
                rows = [row for entity in entities for row in answer(entity)]
                columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return entities.mapInArrow(answers, kind)
