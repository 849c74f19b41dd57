"""Rows that are computed once and kept for each of the steps of a load that need them."""

from collections.abc import Callable

import pyarrow as pa
from pyspark.sql import DataFrame, types as T

from overwatch_assets.engine.session import is_embedded
from overwatch_assets.storage.tables import TableStore

MANY, _BYTES = 50_000, 48 * 2**20  # rows and bytes: one message of the client carries less easily
_MANY_HERE, _BYTES_HERE = 6 * MANY, 4 * _BYTES  # rows that are not sent anywhere, but for memory


def kept(store: TableStore, rows: Callable[[], DataFrame], schema: T.StructType) -> Callable[[], DataFrame]:
    """The rows, for each time that they are needed.

    They are looked through, recorded and written, and each time their plan would be analysed and run anew, which is
    most of what a load of few rows costs. Rows of volume are computed anew.
    """
    data = collected(store, rows)
    return rows if data is None else lambda: store.spark.createDataFrame(data, schema)


def collected(store: TableStore, rows: Callable[[], DataFrame], *, to_append: bool = False) -> pa.Table | None:
    """The rows themselves, where they are few; those that are only to be appended may be more."""
    many, size = (_MANY_HERE, _BYTES_HERE) if to_append and is_embedded(store.spark) else (MANY, _BYTES)
    try:
        data = store.arrow_up_to(size, rows().limit(many + 1))
    except pa.ArrowInvalid:  # Sail may call a member of a struct nullable and send it as not null, which can't be cast
        return None
    return data if data is not None and data.num_rows <= many else None
