"""Tables that are there already: Databricks' system tables, or copies of them as Delta tables."""

from collections.abc import Iterable

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from overwatch_assets.errors import SourceError
from overwatch_assets.runner.context import Load


def source_table(
    load: Load, source: str, field: str, required: Iterable[str] = (), *, what: str = "The table"
) -> DataFrame:
    """Rows of a Delta table at a location, or of a table that the engine knows by its name.

    Args:
        load: the load that reads it.
        source: a location, which has a slash, or a name.
        field: the field of the deployment file that says it, for messages.
        required: columns that it must have.
        what: what it holds, for messages.

    Raises:
        SourceError: it can't be read, or a column is missing.
    """
    spark = load.store.spark
    try:
        frame = spark.read.format("delta").load(source) if "/" in source else spark.table(source)
        columns = set(frame.columns)  # asks the engine
    except PySparkException as error:
        reason = str(error).strip().partition("\n")[0][:300]
        said = f"{what} {source} can't be read: {reason}. Check {field} in the deployment file."
        raise SourceError(said) from None
    missing = [name for name in required if name not in columns]
    if missing:
        raise SourceError(f"{what} {source} has no column {', '.join(missing)}: check {field} in the deployment file.")
    return frame
