"""A million rows looked up in a skewed history of 100,000: `python -m overwatch_assets_tests.bench.lookups`."""

import sys

ROWS, HISTORY, KEYS = 1_000_000, 100_000, 1_000
_HOT = 10  # of ten rows five are of one key


def main() -> None:
    """Join, and count what was found; half of all rows, on both sides, are of one key."""
    from pyspark.sql import functions as F

    from overwatch_assets import asof_join
    from overwatch_assets.engine.session import session

    with session() as spark:
        key = F.when(F.col("id") % _HOT < _HOT // 2, F.lit(0)).otherwise(F.pmod(F.xxhash64("id"), F.lit(KEYS)))
        left = spark.range(ROWS).select(key.alias("k"), (F.col("id") * 7919 % ROWS).alias("t"))
        history = spark.range(HISTORY).select(
            key.alias("k"), (F.col("id") * 104_729 % ROWS).alias("at"), F.col("id").alias("price")
        )
        found = asof_join(left, history, ["k"], "t", "at", max_age=ROWS // 2)
        rows, hits = found.agg(F.count(F.lit(1)), F.count("right_price")).collect()[0]
    assert rows == ROWS
    sys.stdout.write(f"{hits} of {rows} rows found theirs\n")


if __name__ == "__main__":
    main()
