"""Module 2003: executors."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Events, Fold, table
from overwatch_assets.rules import spark_events as spark
from overwatch_assets.rules.names import scrubbed
from overwatch_assets.rules.spark_fold import CONTEXT, CONTEXT_COLUMNS, event_log_columns, first_of, is_event, last_of
from overwatch_assets.rules.spark_time import date_of, runtime

ALIVE_TIME = (
    "struct<AddedEpochMS:bigint,AddedTS:timestamp,RemovedEpochMS:bigint,RemovedTS:timestamp,"
    "uptimeMS:bigint,uptimeS:double,uptimeM:double,uptimeH:double>"
)


@table(
    module_id=2003,
    module_name="Silver_SPARK_Executors",
    rebuild=Fold(),
    entity=CONTEXT,  # the whole context, because its end is the end of every executor that was not removed
    keys=(*CONTEXT, "ExecutorID", "addedTimestamp"),
    partition="addedDate",
    inputs={
        "spark_events_bronze": Events(
            key=CONTEXT, only={"Event": (spark.EXECUTOR_ADDED, spark.EXECUTOR_REMOVED, spark.APPLICATION_END)}
        )
    },
    columns=(
        *CONTEXT_COLUMNS,
        Column("ExecutorID", "string", "Executor.", source=("spark_events_bronze.ExecutorID",), nullable=False),
        Column(
            "executorInfo",
            scrubbed(spark.EXECUTOR_INFO),
            "Host, cores and more, when it was added.",
            source=("spark_events_bronze.ExecutorInfo",),
        ),
        Column("RemovedReason", "string", "Why it was removed.", source=("spark_events_bronze.RemovedReason",)),
        Column("endedByApplication", "boolean", "It was never removed: its end is the application's."),
        *event_log_columns("added", "removed"),
        Column("ExecutorAliveTime", ALIVE_TIME, "From added to removed; the end's members are null while it lives."),
        Column("addedTimestamp", "bigint", "When it was added, epoch ms; null: the event was never seen."),
        Column("addedDate", "date", "UTC day on which it was added, else removed."),
    ),
)
def spark_executors_silver(spans: DataFrame, spark_events_bronze: DataFrame) -> DataFrame:
    """Every executor, from added to removed, or to the end of its application. One row: one executor of one context."""
    added, removed = spark.EXECUTOR_ADDED, spark.EXECUTOR_REMOVED
    own = spark_events_bronze.where(is_event(added, removed) & F.col("ExecutorID").isNotNull())
    at = ("Timestamp",)
    folded = own.groupBy(*CONTEXT, "ExecutorID").agg(
        first_of(added, "Timestamp", at).alias("_added"),
        last_of(removed, "Timestamp", at).alias("_removed"),
        first_of(added, "ExecutorInfo", at).alias("executorInfo"),
        last_of(removed, "RemovedReason", at).alias("RemovedReason"),
        first_of(added, "filenameGroup", at).alias("startFilenameGroup"),
        last_of(removed, "filenameGroup", at).alias("endFilenameGroup"),
        F.max(F.when(is_event(removed), 1)).alias("_was_removed"),
    )
    ends = (
        spark_events_bronze.where(is_event(spark.APPLICATION_END))
        .groupBy(*CONTEXT)
        .agg(F.max("Timestamp").alias("_application_end"))
    )
    joined = folded.join(ends, list(CONTEXT), "left")
    by_application = F.col("_was_removed").isNull() & F.col("_application_end").isNotNull()
    end = F.coalesce(F.col("_removed"), F.when(by_application, F.col("_application_end")))
    alive = runtime(F.col("_added"), end)
    return joined.select(
        *CONTEXT,
        "ExecutorID",
        "executorInfo",
        "RemovedReason",
        by_application.alias("endedByApplication"),
        "startFilenameGroup",
        "endFilenameGroup",
        alive.cast(ALIVE_TIME).alias("ExecutorAliveTime"),
        F.col("_added").alias("addedTimestamp"),
        date_of(F.coalesce("_added", end)).alias("addedDate"),
    )
