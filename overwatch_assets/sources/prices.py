"""Prices of a workspace: the shipped lists with the user's file upon them."""

from collections.abc import Callable, Iterable, Mapping

from pyspark.sql import types as T

from overwatch_assets.config.prices import price_book
from overwatch_assets.rules.prices import OF_SIZES, TEXTS, VALUES, WHOLE, Kind, Price, with_nodes
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.sources.registry import Reader

_SOURCES = {
    "price_list": Kind.INSTANCE,
    "dbu_prices": Kind.DBU,
    "photon_factors": Kind.PHOTON,
    "warehouse_sizes": Kind.WAREHOUSE,
}
_FURTHER = {Kind.WAREHOUSE: OF_SIZES}


def price_readers() -> Mapping[str, Reader]:
    """Readers by source: rows of cloud, key, the values of the kind, active_from, active_until, source, source_date.

    Whatever the load's window, they give all rows of all time: nothing depends on the day of the run.
    """
    return {name: _reader(kind) for name, kind in _SOURCES.items()}


def _reader(kind: Kind) -> Callable[[Load], Reading]:
    schema = T.StructType(
        [
            T.StructField("cloud", T.StringType()),
            T.StructField("key", T.StringType()),
            *(T.StructField(name, _type(name)) for name in _values(kind)),
            T.StructField("active_from", T.DateType()),
            T.StructField("active_until", T.DateType()),
            T.StructField("source", T.StringType()),
            T.StructField("source_date", T.DateType()),
        ]
    )

    def read(load: Load) -> Reading:
        book = price_book(load.workspace)
        found: Iterable[Price] = book.of(kind)
        if kind is Kind.WAREHOUSE:
            found = with_nodes(found, book.of(Kind.INSTANCE))
        rows = [_row(load.workspace.cloud.value, price) for price in found]
        return Reading(frames=[load.store.frame(rows, schema)])

    return read


def _values(kind: Kind) -> tuple[str, ...]:
    return (*VALUES[kind], *_FURTHER.get(kind, ()))


def _type(name: str) -> T.DataType:
    if name in TEXTS:
        return T.StringType()
    return T.IntegerType() if name in WHOLE else T.DoubleType()


def _row(cloud: str, price: Price) -> tuple[object, ...]:
    values = (price.values.get(name) for name in _values(price.kind))
    return (cloud, price.key, *values, price.active_from, price.active_until, price.source, price.source_date)
