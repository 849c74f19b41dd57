"""Structured streaming: a query with state, the same query started again from its checkpoint, and one that fails."""

import time

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession, functions as F
from pyspark.sql.streaming.query import StreamingQuery

spark = SparkSession.builder.appName("orders-stream").config("spark.sql.shuffle.partitions", "2").getOrCreate()


def orders() -> DataFrame:
    """Ten orders a second."""
    return spark.readStream.format("rate").option("rowsPerSecond", 10).load()


def start() -> StreamingQuery:
    """Orders per window of two seconds."""
    per_window = orders().withWatermark("timestamp", "4 seconds").groupBy(F.window("timestamp", "2 seconds")).count()
    return (
        per_window.writeStream.queryName("orders_per_window")
        .format("noop")
        .outputMode("update")
        .option("checkpointLocation", "checkpoints/orders_per_window")
        .trigger(processingTime="2 seconds")
        .start()
    )


def wait(query: StreamingQuery, batches: int) -> None:
    """Wait until the query has done this many batches with rows."""
    while sum(progress["numInputRows"] > 0 for progress in query.recentProgress) < batches:
        if query.exception() is not None:
            raise RuntimeError(str(query.exception()))
        time.sleep(0.2)


first = start()
wait(first, 4)
first.stop()
second = start()
wait(second, 2)

checked = orders().select(F.expr("assert_true(value < 15, 'an order of more than 15 items')"), "value")
failing = checked.writeStream.queryName("checked_orders").format("noop").trigger(processingTime="1 second").start()
try:
    failing.awaitTermination()
except StreamingQueryException as expected:
    spark.sparkContext.setJobDescription(f"after {type(expected).__name__}")
second.stop()
spark.range(10).count()
spark.stop()
