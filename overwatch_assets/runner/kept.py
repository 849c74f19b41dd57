"""Rows that are computed once and kept for each of the steps of a load that need them."""

from collections.abc import Callable

import pyarrow as pa
from pyspark.sql import DataFrame, types as T

from overwatch_assets.engine.session import is_embedded
from overwatch_assets.storage.tables import TableStore

_MANY, _BYTES = 50_000, 48 * 2**20  # rows and bytes: one message of the client carries less easily
_MANY_HERE, _BYTES_HERE = 6 * _MANY, 4 * _BYTES  # rows of an engine in this process; bytes that are not sent to it


def kept(store: TableStore, rows: Callable[[], DataFrame], schema: T.StructType) -> Callable[[], DataFrame]:
    """The rows, for each time that they are needed.

    They are looked through, recorded and written, and each time their plan would be analysed and run anew, which is
    most of what a load of few rows costs. Rows of volume are computed anew.
    """
    data = collected(store, rows)
    return rows if data is None else lambda: store.spark.createDataFrame(data, schema)


def collected(
    store: TableStore, rows: Callable[[], DataFrame], *, count: int | None = None, to_append: bool = False
) -> pa.Table | None:
    """The rows themselves, where they are few.

    Args:
        store: where they come from.
        rows: what they are computed by.
        count: how many there are, where that is known.
        to_append: they are only appended, and may have more bytes.
    """
    here = is_embedded(store.spark)
    many, size = _MANY_HERE if here else _MANY, _BYTES_HERE if here and to_append else _BYTES
    if count is not None and count > many:
        return None
    try:
        data = store.arrow_up_to(size, rows().limit(many + 1))
    except pa.ArrowInvalid:  # Sail may call a member of a struct nullable and send it as not null, which can't be cast
        return None
    return data if data is not None and data.num_rows <= many else None
