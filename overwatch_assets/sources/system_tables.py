"""Tables that are there already: Databricks' system tables, or copies of them as Delta tables."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, functions as F

from overwatch_assets.errors import SourceError
from overwatch_assets.runner.context import Load


def source_table(
    load: Load,
    source: str,
    field: str,
    required: Iterable[str] = (),
    *,
    times: Iterable[str] = (),
    what: str = "The table",
) -> DataFrame:
    """Rows of a Delta table at a location, or of a table that the engine knows by its name.

    Args:
        load: the load that reads it.
        source: a location, which has a slash, or a name.
        field: the field of the deployment file that says it, for messages.
        required: columns that it must have.
        times: columns that are timestamps here, whatever they are there; what is none is null.
        what: what it holds, for messages.

    Raises:
        SourceError: it can't be read, or a column is missing.
    """
    spark = load.store.spark
    with told(source, field, what=what):
        frame = spark.read.format("delta").load(source) if "/" in source else spark.table(source)
        kinds = dict(frame.dtypes)  # asks the engine
    missing = [name for name in required if name not in kinds]
    if missing:
        raise SourceError(f"{what} {source} has no column {', '.join(missing)}: check {field} in the deployment file.")
    others = [name for name in times if not kinds.get(name, "timestamp").startswith("timestamp")]
    return frame.withColumns({name: F.col(name).try_cast("timestamp") for name in others}) if others else frame


@contextmanager
def told(source: str, field: str, *, what: str = "The table") -> Iterator[None]:
    """Say in a sentence what the engine says while such a table is read.

    Raises:
        SourceError: it can't be read.
    """
    try:
        yield
    except PySparkException as error:
        reason = str(error).strip().partition("\n")[0][:300].rstrip(".")
        said = f"{what} {source} can't be read: {reason}. Check {field} in the deployment file."
        raise SourceError(said) from None
