"""Module 2003: executors."""

from pyspark.sql import Column as SparkColumn, DataFrame, Window, functions as F

from overwatch_assets.contract import Column, Events, Fold, table
from overwatch_assets.rules import spark_events as spark
from overwatch_assets.rules.names import scrubbed
from overwatch_assets.rules.spark_fold import CONTEXT, CONTEXT_COLUMNS, event_log_columns, is_event
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
    """Every executor, from added to removed, or to the end of its application.

    One row: one life of one executor of one context. An executor that comes back after its removal lives again; one
    that registers twice, or is removed twice, lives once.
    """
    added, removed = spark.EXECUTOR_ADDED, spark.EXECUTOR_REMOVED
    folded = (
        _lives(spark_events_bronze.where(is_event(added, removed) & F.col("ExecutorID").isNotNull()))
        .groupBy(*CONTEXT, "ExecutorID", "_life")
        .agg(
            _first_of(added, "Timestamp").alias("_added"),
            _first_of(removed, "Timestamp").alias("_removed"),
            _last_of(added, "ExecutorInfo").alias("executorInfo"),
            _first_of(removed, "RemovedReason").alias("RemovedReason"),
            _first_of(added, "filenameGroup").alias("startFilenameGroup"),
            _first_of(removed, "filenameGroup").alias("endFilenameGroup"),
            F.max(F.when(is_event(removed), 1)).alias("_was_removed"),
        )
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


def _lives(events: DataFrame) -> DataFrame:
    """The executors' events with the number of the life that each is about: one begins when it is added anew."""
    is_removal = is_event(spark.EXECUTOR_REMOVED).cast("int")
    in_order = Window.partitionBy(*CONTEXT, "ExecutorID").orderBy("Timestamp", is_removal, "lineHash")
    begins = is_event(spark.EXECUTOR_ADDED) & (F.coalesce(F.lag(is_removal).over(in_order), F.lit(1)) == 1)
    numbered = events.withColumn("_begins", begins.cast("int"))
    so_far = in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    return numbered.withColumn("_life", F.sum("_begins").over(so_far))


def _first_of(event: str, column: str) -> SparkColumn:
    """The value in the first event of this type."""
    return F.min_by(F.when(is_event(event), F.col(column)), F.when(is_event(event), _place()))


def _last_of(event: str, column: str) -> SparkColumn:
    """The value in the last event of this type."""
    return F.max_by(F.when(is_event(event), F.col(column)), F.when(is_event(event), _place()))


def _place() -> SparkColumn:
    return F.struct(F.coalesce("Timestamp", F.lit(-1)).alias("at"), F.col("lineHash").alias("hash"))
