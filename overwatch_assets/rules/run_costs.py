"""Runs on clusters, and their shares of cost segments."""

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F


def on_clusters(runs: DataFrame, *more: SparkColumn) -> DataFrame:
    """Runs of `jobrun_silver` that have started: cluster, start and end, epoch ms; the end of an open one is null."""
    ended = F.when(~F.col("is_open"), F.coalesce("endEpochMS", "startEpochMS")).alias("end")
    started = F.col("startEpochMS")
    return runs.where(started.isNotNull()).select(
        F.col("clusterId").alias("cluster_id"), started.alias("start"), ended, *more
    )


def shares_of(spans: DataFrame, segments: DataFrame) -> DataFrame:
    """One row for each segment and each run of the spans, or run and day, that has a part in it.

    Columns: those of the segment, `run_id` and `startEpochMS` of the run, its part `mine`, and `charged_to_run_id`.
    """
    days = [F.col("date").alias("_date")] if "date" in spans.columns else []
    runs = spans.select(F.col("run_id").alias("_run"), *days)
    match = [F.col("run_id") == F.col("_run"), *([F.col("segment_date") == F.col("_date")] if days else [])]
    each = segments.withColumn("_share", F.explode("shares")).select(
        *segments.columns,
        F.col("_share.run_id").alias("run_id"),
        F.col("_share.run_start").alias("startEpochMS"),
        F.col("_share.charged_to_run_id").alias("charged_to_run_id"),
        F.col("_share.amounts").alias("mine"),
    )
    return each.join(runs, match, "leftsemi")
