"""Literal lines of Spark event logs as rows of the bronze table, for tests of what is made of them."""

from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.bronze.spark_events_bronze import spark_events_bronze
from overwatch_assets.rules.json_secrets import cut_from_events, secrets_in_events

CLUSTER, CONTEXT = "0101-000000-aaaa", "app-1"
_LINES = (
    "value string, original string, dropped int, cluster_id string, log_id string, file string, pos bigint, line bigint, modified_ms bigint,"
    " size bigint, near_ms bigint, nbytes bigint, byCluster string, byDriverHost string, bySparkContext string"
)


def bronze(spark: SparkSession, *lines: str, cluster: str = CLUSTER, context: str = CONTEXT) -> DataFrame:
    """The rows of one log, read from a file of the cluster's folder."""
    folders = (f"/logs/{cluster}", f"/logs/{cluster}/eventlog/10.0.0.1", f"/logs/{cluster}/eventlog/10.0.0.1/{context}")
    read, at = [], 0
    for number, line in enumerate(lines, 1):
        size = len(line.encode()) + 1
        (dropped,) = secrets_in_events(pa.array([line])).to_pylist()
        (cut,) = cut_from_events(pa.array([line])).to_pylist() if dropped else (line,)
        read.append(
            (
                cut,
                line if dropped else None,
                dropped,
                cluster,
                context,
                f"{folders[-1]}/eventlog",
                at,
                number,
                1,
                1,
                1,
                size,
                *folders,
            )
        )
        at += size
    return spark_events_bronze(spark.createDataFrame(read, _LINES))


def rows(frame: DataFrame) -> list[dict[str, Any]]:
    """A frame's rows as plain values."""
    return [row.asDict(recursive=True) for row in frame.collect()]


def row(frame: DataFrame) -> dict[str, Any]:
    """The one row of a frame."""
    (found,) = rows(frame)
    return found
