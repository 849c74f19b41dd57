"""The run-time struct of Overwatch's Spark and job tables."""

from pyspark.sql import Column, functions as F

from overwatch_assets.rules.days import DAY_MS

RUNTIME = (
    "struct<startEpochMS:bigint,startTS:timestamp,endEpochMS:bigint,endTS:timestamp,"
    "runTimeMS:bigint,runTimeS:double,runTimeM:double,runTimeH:double>"
)


def timestamp_of(ms: Column) -> Column:
    """UTC timestamp of epoch milliseconds, milliseconds kept (the original cut them off)."""
    return F.timestamp_millis(ms)


def date_of(ms: Column) -> Column:
    """UTC date of epoch milliseconds."""
    return F.to_date(F.timestamp_millis(ms))


def runtime(start_ms: Column, end_ms: Column) -> Column:
    """From start to end, both epoch ms. Run times are null while either is; an end before the start counts as it."""
    start, end = start_ms.cast("bigint"), end_ms.cast("bigint")
    lasted = F.when(end < start, F.lit(0)).otherwise(end - start).cast("bigint")
    seconds = lasted / F.lit(1000.0)
    return F.struct(
        start.alias("startEpochMS"),
        timestamp_of(start).alias("startTS"),
        end.alias("endEpochMS"),
        timestamp_of(end).alias("endTS"),
        lasted.alias("runTimeMS"),
        seconds.alias("runTimeS"),
        (seconds / F.lit(60.0)).alias("runTimeM"),
        (seconds / F.lit(3600.0)).alias("runTimeH"),
    )


def midnight_ms(day: Column) -> Column:
    """Epoch milliseconds at which a UTC day begins."""
    return F.datediff(day, F.lit("1970-01-01").cast("date")).cast("bigint") * F.lit(DAY_MS).cast("bigint")
