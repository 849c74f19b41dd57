"""gold.md 4.1, step 2."""

import pytest
from pyspark.sql import SparkSession, functions as F

from overwatch_assets.rules.cluster_kinds import is_automated, sku_of

pytestmark = pytest.mark.engine

CASES = [
    ("job-7-run-8", "apache_spark_2.4.x-scala2.11", "Standard", "jobsLight"),
    ("job-7-run-8", "13.3.x-scala2.12", "Standard", "automated"),
    ("job-7-run-8-load", "13.3.x-scala2.12", "Single Node", "automated"),
    ("job-7-run-8", "13.3.x-scala2.12", "High-Concurrency", "automated"),
    ("job-7-run-8", None, "Standard", "unknown"),
    ("job-7-run-8", None, "High-Concurrency", "interactive"),
    ("job-7-run-8", None, "SQL Analytics", "sqlCompute"),
    ("etl", "13.3.x-scala2.12", "SQL Analytics", "sqlCompute"),
    ("etl", "13.3.x-scala2.12", "High-Concurrency", "interactive"),
    ("etl", "apache_spark_2.4.x-scala2.11", "Standard", "interactive"),
    ("etl", None, None, "interactive"),
    ("my job-7-run-8", "13.3.x-scala2.12", "Standard", "interactive"),
    (None, "13.3.x-scala2.12", "Standard", "unknown"),
    (None, "13.3.x-scala2.12", "High-Concurrency", "interactive"),
    (None, None, None, "unknown"),
]


def test_what_compute_is_sold_as(spark: SparkSession) -> None:
    rows = [(n, *case) for n, case in enumerate(CASES)]
    given = spark.createDataFrame(rows, "n int, name string, version string, type string, sku string")
    found = given.select("n", sku_of(F.col("name"), F.col("version"), F.col("type")).alias("found")).collect()
    assert {CASES[r["n"]]: r["found"] for r in found} == {case: case[-1] for case in CASES}


def test_automated_names(spark: SparkSession) -> None:
    names = ["job-7-run-8", "job-7-run-8-a\nb", "job-7", "x-job-7-run-8", "JOB-7-RUN-8", None]
    given = spark.createDataFrame(list(enumerate(names)), "n int, name string")
    found = {r["n"]: r["a"] for r in given.select("n", is_automated(F.col("name")).alias("a")).collect()}
    assert [found[n] for n in range(len(names))] == [True, True, False, False, False, None]
