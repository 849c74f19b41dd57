"""What goes wrong: failing and retried tasks, failed jobs, speculation, lost executors, lost shuffle files."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from operator import add
from pathlib import Path

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]  # published without types
from pyspark import TaskContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession, functions as F

spark = (
    SparkSession.builder.appName("failures")
    .config("spark.task.maxFailures", "3")
    .config("spark.speculation", "true")
    .config("spark.speculation.multiplier", "2")
    .config("spark.speculation.quantile", "0.5")
    .config("spark.sql.shuffle.partitions", "4")
    .getOrCreate()
)
sc = spark.sparkContext
jvm_context = sc._jsc.sc()  # noqa: SLF001  # executors are managed in Scala only
lost = Path.cwd() / "executor-lost"


def task() -> TaskContext:
    """Return the context of the task that runs this."""
    context = TaskContext.get()
    if context is None:
        raise RuntimeError("not inside a task")
    return context


def fails_once(index: int, rows: Iterable[int]) -> Iterator[int]:
    """Partition 1 fails at its first attempt."""
    if index == 1 and task().attemptNumber() == 0:
        raise ConnectionResetError("the source closed the connection")
    yield from rows


def fails_always(index: int, rows: Iterable[int]) -> Iterator[float]:
    """Partition 2 has a row that divides by zero."""
    for row in rows:
        yield 1 / (row - 20 if index == 2 else 1)


def straggles(index: int, rows: Iterable[int]) -> Iterator[int]:
    """Partition 0 hangs at its first attempt: the speculative copy wins and this one is killed."""
    time.sleep(20 if index == 0 and task().attemptNumber() == 0 else 0.3)
    yield from rows


def loses_executor(index: int, rows: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Partition 3 kills its executor once, as the kernel does when memory runs out."""
    if index == 3 and not lost.exists():
        time.sleep(1)
        lost.touch()
        fork_server = os.getppid()  # of this Python worker; its parent is the executor's JVM
        executor = int(Path(f"/proc/{fork_server}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(executor, signal.SIGKILL)
    time.sleep(0.5)
    yield from rows


def expect_failure(action: Callable[[], object]) -> None:
    """Run what is to fail."""
    try:
        action()
    except (PySparkException, Py4JJavaError):  # 4.x and 3.5 raise different classes for a failed RDD job
        return
    raise RuntimeError("this action was to fail and did not")


def executors() -> list[str]:
    """Return the executors that are alive."""
    ids = jvm_context.getExecutorIds()
    return sorted(ids.apply(i) for i in range(ids.size()))


sc.setJobDescription("a task that fails once")
sc.parallelize(range(60), 6).mapPartitionsWithIndex(fails_once).count()

sc.setJobDescription("a job that fails")
expect_failure(sc.parallelize(range(40), 4).mapPartitionsWithIndex(fails_always).collect)

sc.setJobDescription("a query that fails")
expect_failure(spark.range(100).groupBy((F.col("id") % 3).alias("k")).agg(F.expr("assert_true(max(id) < 50)")).collect)

sc.setJobDescription("a straggler")
sc.parallelize(range(80), 8).mapPartitionsWithIndex(straggles).count()

sc.setJobDescription("an executor is lost while its shuffle files are read")
pairs = sc.parallelize(range(400), 6).map(lambda row: (row % 12, row)).reduceByKey(add, 12)
pairs.mapPartitionsWithIndex(loses_executor).collect()

sc.setJobDescription("an executor is released by the driver")
while len(executors()) < 2:  # the lost one is being replaced
    time.sleep(0.2)
jvm_context.killExecutor(executors()[-1])
while len(executors()) > 1:
    time.sleep(0.2)
sc.parallelize(range(40), 4).map(lambda row: (row % 3, row)).groupByKey(3).count()
spark.stop()
