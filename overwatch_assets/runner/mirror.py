"""Mirror: all of a table's rows become what its source says now (docs/architecture.md)."""

from pyspark.sql import DataFrame

from overwatch_assets.runner.context import Load
from overwatch_assets.runner.difference import write_difference
from overwatch_assets.runner.insert import Reading


def mirror(load: Load, reading: Reading) -> None:
    """Write the difference between what is stored and what the source gave, whatever their days.

    A source that gave no frame was not read, which says nothing of its rows; an empty frame says that there are none.
    """
    if not reading.frames:
        return
    (frame,) = reading.frames

    def new() -> DataFrame:
        return load.finish(load.table(frame))

    def stored() -> DataFrame:
        return load.store.read(load.table)

    write_difference(load, new, stored)
