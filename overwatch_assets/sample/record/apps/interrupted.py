"""An application that is killed while a job, its stage and its tasks are open: its log stays `.inprogress`."""

import os
import signal
import threading
import time

from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # published without types
from pyspark.sql import SparkSession, functions as F

spark = SparkSession.builder.appName("interrupted").config("spark.sql.shuffle.partitions", "4").getOrCreate()
sc = spark.sparkContext


def sleep(seconds: int) -> int:
    """Sleep, and return for how long."""
    time.sleep(seconds)
    return seconds


def hang() -> None:
    """Run a query whose tasks are open when the driver is killed."""
    slow = F.udf(sleep, "long")
    try:
        spark.range(60, 64, numPartitions=2).select(slow("id").alias("id")).groupBy("id").count().collect()
    except (Py4JError, ConnectionError):
        return


spark.range(1000).groupBy((F.col("id") % 5).alias("k")).count().collect()
threading.Thread(target=hang, daemon=True).start()
while not sc.statusTracker().getActiveStageIds():
    time.sleep(0.2)
time.sleep(1)
# Spark flushes its log at job boundaries: a small job beside the open one brings the started tasks into the file.
sc.parallelize(range(4), 2).count()
time.sleep(1)
driver = sc._gateway.proc  # type: ignore[union-attr]  # noqa: SLF001  # there is a gateway; its process is the JVM
os.kill(driver.pid, signal.SIGKILL)
os._exit(0)
