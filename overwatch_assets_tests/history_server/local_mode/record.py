"""Record `local.zstd` again, with PySpark and a Java: `python -m overwatch_assets_tests.history_server.local_mode.record`.

One application in local mode, where tasks run on the driver: skipped stages, a job without stages, concurrent jobs that
share a stage, a flaky task, jobs that fail in a map stage and in a result stage, a cancelled job, a barrier stage,
cached and failing SQL, and a query that fails before it starts.
"""

import os
import shutil
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pyspark
import zstandard
from py4j.protocol import Py4JError
from pyspark import BarrierTaskContext, InheritableThread, TaskContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession, functions as F

from overwatch_assets.sample.record.scrub import Scrubber

HERE = Path(__file__).parent
SETTINGS = {
    "spark.eventLog.enabled": "true",
    "spark.eventLog.rolling.enabled": "false",
    "spark.eventLog.compress": "false",
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.scheduler.mode": "FAIR",
    "spark.sql.shuffle.partitions": "3",
}


def main() -> None:
    """Run the application and write its log."""
    os.environ.update(SPARK_LOCAL_IP="127.0.0.1", SPARK_USER="root")
    folder = Path(tempfile.mkdtemp())
    os.chdir(folder)
    logs = folder / "logs"
    logs.mkdir()
    builder = (
        SparkSession.builder.master("local[2,3]").appName("local-mode").config("spark.eventLog.dir", logs.as_uri())
    )
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    rdds(spark)
    queries(spark)
    spark.stop()
    (log,) = logs.iterdir()
    home = Path(pyspark.__file__).parent
    paths = {
        str(folder): "/databricks/driver",
        str(HERE): "/databricks/apps",
        str(home): "/databricks/spark",
        sysconfig.get_path("purelib"): "/databricks/python/lib/site-packages",
        sysconfig.get_path("stdlib"): "/databricks/python/lib",
    }
    lines = Scrubber(paths=paths, hosts={"127.0.0.1": 4}).lines(log.read_bytes())
    (HERE / "local.zstd").write_bytes(zstandard.ZstdCompressor(level=19).compress(b"".join(lines)))
    shutil.rmtree(folder)


def rdds(spark: SparkSession) -> None:
    """Jobs of RDDs."""
    sc = spark.sparkContext
    sums = sc.parallelize(range(100), 3).map(lambda x: (x % 7, x)).reduceByKey(lambda a, b: a + b, 2)
    for _ in range(2):
        sums.count()  # the second time, its first stage is skipped
    sc.emptyRDD().collect()

    shared = sc.parallelize(range(20), 4).map(lambda x: (time.sleep(0.05), (x % 5, x))[1]).groupByKey(3)
    slow = shared.mapValues(lambda v: (time.sleep(0.3), sum(v))[1])
    jobs = [InheritableThread(target=slow.count) for _ in range(3)]
    for job in jobs:
        job.start()
        time.sleep(0.35)
    for job in jobs:
        job.join()

    sc.setJobGroup("retried", "a task that fails twice")
    sc.parallelize(range(10), 3).mapPartitionsWithIndex(_flaky).count()
    pairs = sc.parallelize(range(10), 3)
    _fails(pairs.map(lambda x: (x, 1)).reduceByKey(lambda a, b: a + b).map(_bad).count)
    _fails(pairs.map(_bad).map(lambda x: (x, 1)).reduceByKey(lambda a, b: a + b).count)

    sc.setJobGroup("cancelled", "a job that is cancelled", interruptOnCancel=True)
    threading.Timer(1.5, sc.cancelJobGroup, ["cancelled"]).start()
    _fails(sc.parallelize(range(4), 4).map(lambda _: time.sleep(4)).count)
    sc.setLocalProperty("spark.jobGroup.id", None)
    sc.setLocalProperty("spark.job.description", None)
    sc.parallelize(range(4), 2).barrier().mapPartitions(_barrier).collect()


def queries(spark: SparkSession) -> None:
    """SQL executions."""
    rows = spark.range(0, 5000, 1, 3).withColumn("k", F.col("id") % 13)
    rows.cache().count()
    grouped = rows.groupBy("k").agg(F.sum("id").alias("s"))
    grouped.join(rows, "k").groupBy("k").count().collect()
    rows.orderBy(F.desc("id")).write.parquet("out")
    spark.read.parquet("out").where("id > 5").take(3)
    _fails(rows.select(F.assert_true(F.col("id") < 0)).collect)
    _fails(spark.sql("select 1 / 0 from range(3)").collect)
    rows.join(F.broadcast(spark.range(100).withColumnRenamed("id", "k")), "k").count()
    spark.sql("select * from range(10) where id > (select avg(id) from range(5))").collect()


def _flaky(index: int, rows: Iterable[int]) -> Iterable[int]:
    context = TaskContext.get()
    if index == 1 and context is not None and context.attemptNumber() < 2:
        raise ValueError("flaky")
    return rows


def _bad(_: object) -> tuple[int, int]:
    raise ValueError("bad")


def _barrier(_: Iterable[int]) -> list[int]:
    BarrierTaskContext.get().barrier()
    return [1]


def _fails(action: Callable[[], object]) -> None:
    try:
        action()
    except (PySparkException, Py4JError):
        return
    raise RuntimeError("this action was to fail and did not")


if __name__ == "__main__":
    main()
