"""Prices of a workspace: the shipped lists with the user's file upon them."""

from collections.abc import Callable, Mapping

from pyspark.sql import types as T

from overwatch_assets.config.prices import price_book
from overwatch_assets.rules.prices import VALUES, Kind, Price
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.sources.registry import Reader

_SOURCES = {"price_list": Kind.INSTANCE, "dbu_prices": Kind.DBU, "photon_factors": Kind.PHOTON}


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
            *(T.StructField(name, T.IntegerType() if name == "vCPUs" else T.DoubleType()) for name in VALUES[kind]),
            T.StructField("active_from", T.DateType()),
            T.StructField("active_until", T.DateType()),
            T.StructField("source", T.StringType()),
            T.StructField("source_date", T.DateType()),
        ]
    )

    def read(load: Load) -> Reading:
        rows = [_row(load.workspace.cloud.value, price) for price in price_book(load.workspace).of(kind)]
        return Reading(frames=[load.store.frame(rows, schema)])

    return read


def _row(cloud: str, price: Price) -> tuple[object, ...]:
    values = (price.values.get(name) for name in VALUES[price.kind])
    return (cloud, price.key, *values, price.active_from, price.active_until, price.source, price.source_date)
