"""Module 2005: SQL executions."""

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.contract import Column, Events, Fold, table
from overwatch_assets.rules import spark_events as spark
from overwatch_assets.rules.spark_fold import (
    CONTEXT,
    CONTEXT_COLUMNS,
    Side,
    event_log_columns,
    first_and_last,
    run_time,
    run_time_columns,
)


@table(
    module_id=2005,
    module_name="Silver_SPARK_Executions",
    rebuild=Fold(),
    entity=(*CONTEXT, "ExecutionID"),
    links=("StreamRunID",),
    keys=(*CONTEXT, "ExecutionID", "startTimestamp"),
    partition="startDate",
    inputs={
        "spark_events_bronze": Events(
            key=(*CONTEXT, "executionId"), only={"Event": (spark.EXECUTION_START, spark.EXECUTION_END)}
        )
    },
    columns=(
        *CONTEXT_COLUMNS,
        Column("ExecutionID", "bigint", "SQL execution.", source=("spark_events_bronze.executionId",), nullable=False),
        Column(
            "RootExecutionID",
            "bigint",
            "Execution that it is part of.",
            source=("spark_events_bronze.rootExecutionId",),
        ),
        Column("description", "string", "Description.", source=("spark_events_bronze.description",)),
        Column("details", "string", "Call site.", source=("spark_events_bronze.details",)),
        Column(
            "errorMessage",
            "string",
            "Why it failed; empty: it did not; null: it has not ended, or the log does not say (Spark before 3.4).",
            source=("spark_events_bronze.errorMessage",),
        ),
        Column("StreamID", "string", "Streaming query that it is a batch of, from the description."),
        Column("StreamRunID", "string", "Run of that query."),
        Column("StreamBatchID", "bigint", "Batch of that run."),
        *event_log_columns(),
        *run_time_columns("SqlExecutionRunTime", "start to end"),
    ),
)
def spark_executions_silver(spans: DataFrame, spark_events_bronze: DataFrame) -> DataFrame:
    """Every SQL execution, from its earliest start to its latest end. One row: one execution of one Spark context."""
    time, file = F.col("time"), F.col("filenameGroup")
    said = (F.col("rootExecutionId").alias("RootExecutionID"), "description", "details")
    folded = first_and_last(
        spark_events_bronze.withColumnRenamed("executionId", "ExecutionID"),
        (*CONTEXT, "ExecutionID"),
        Side(spark.EXECUTION_START, time, (time.alias("_start"), *said, file.alias("startFilenameGroup"))),
        Side(spark.EXECUTION_END, time, (time.alias("_end"), "errorMessage", file.alias("endFilenameGroup"))),
    )
    return folded.select(
        *CONTEXT,
        "ExecutionID",
        "RootExecutionID",
        "description",
        "details",
        "errorMessage",
        _stream_label("id").alias("StreamID"),
        _stream_label("runId").alias("StreamRunID"),
        F.coalesce(_stream_label("batch"), _stream_label("batchId")).try_cast("bigint").alias("StreamBatchID"),
        "startFilenameGroup",
        "endFilenameGroup",
        *run_time("SqlExecutionRunTime", F.col("_start"), F.col("_end")),
    )


def _stream_label(label: str) -> SparkColumn:
    """The value of `label = value` in a micro-batch's description; null in any other description."""
    text = F.concat(F.lit(" "), F.regexp_replace("description", r"<br\s*/?>|\s+", " "), F.lit(" "))
    is_batch = text.rlike(r" runId = \S+ ") & text.rlike(r" batch(Id)? = \S+ ")
    value = F.regexp_extract(text, rf" {label} = (\S+) ", 1)
    return F.when(is_batch & (value != ""), value)
