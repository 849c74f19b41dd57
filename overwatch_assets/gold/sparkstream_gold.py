"""Module 3016: progress of streaming queries."""

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.contract import Column, Events, Fold, Linked, View, table
from overwatch_assets.rules import spark_events as spark
from overwatch_assets.rules.spark_gold import KEY
from overwatch_assets.rules.spark_time import date_of

_PROGRESS = (
    "struct<id:string,runId:string,name:string,timestamp:string,batchId:bigint,batchDuration:bigint,"
    "numInputRows:bigint,inputRowsPerSecond:double,processedRowsPerSecond:double,durationMs:string,"
    "eventTime:struct<avg:string,max:string,min:string,watermark:string>,"
    "stateOperators:string,sources:string,sink:string,metrics:string,observedMetrics:string>"
)
_FRACTIONS = ("inputRowsPerSecond", "processedRowsPerSecond")
_OPEN = ("durationMs", "stateOperators", "sources", "sink", "metrics", "observedMetrics")
_EVENTS = (spark.QUERY_STARTED, spark.QUERY_PROGRESS, spark.QUERY_IDLE)
_SILVER_RUN = ("clusterId", "SparkContextID", "StreamRunID")


@table(
    module_id=3016,
    module_name="Gold_SparkStream",
    rebuild=Fold(),
    entity=(*KEY, "stream_run_id"),
    keys=(*KEY, "stream_id", "stream_run_id", "stream_batch_id", "stream_timestamp", "date"),
    partition="date",
    z_order=("cluster_id",),
    inputs={
        "spark_events_bronze": Events(key=("clusterId", "SparkContextID", "runId"), only={"Event": _EVENTS}),
        "spark_executions_silver": Linked(_SILVER_RUN),
    },
    view=View(
        "sparkStream",
        (
            "organization_id",
            "workspace_name",
            "spark_context_id",
            "cluster_id",
            "stream_id",
            "stream_run_id",
            "stream_batch_id",
            "stream_timestamp",
            "date",
            "streamSegment",
            "stream_name",
            "streaming_metrics",
            "execution_ids",
        ),
    ),
    columns=(
        Column(
            "spark_context_id",
            "string",
            "Spark context.",
            source=("spark_events_bronze.SparkContextID",),
            nullable=False,
        ),
        Column("cluster_id", "string", "Cluster.", source=("spark_events_bronze.clusterId",), nullable=False),
        Column("stream_id", "string", "Streaming query; the same over restarts from its checkpoint."),
        Column("stream_run_id", "string", "Run of the query, from one start to its end.", nullable=False),
        Column("stream_batch_id", "bigint", "Micro-batch; -1: the event is about no batch."),
        Column("stream_timestamp", "double", "Time of the event, epoch ms."),
        Column("date", "date", "UTC day of the event."),
        Column("streamSegment", "string", "Started or Progressed; null for other events."),
        Column("stream_name", "string", "Name of the query, from its start; null: it has none."),
        Column("streaming_metrics", _PROGRESS, "Progress of the batch; JSON text where Spark's form is open."),
        Column("execution_ids", "array<bigint>", "SQL executions of the batch, in order."),
    ),
)
def sparkstream_gold(spans: DataFrame, spark_events_bronze: DataFrame, spark_executions_silver: DataFrame) -> DataFrame:
    """Every start and every progress report of every streaming query.

    One row: one event of one run. A start whose run has reported no progress yet is a row too.
    """
    started = F.col("Event") == spark.QUERY_STARTED
    events = spark_events_bronze.select(
        F.col("SparkContextID").alias("spark_context_id"),
        F.col("clusterId").alias("cluster_id"),
        F.col("id").alias("stream_id"),
        F.col("runId").alias("stream_run_id"),
        F.col("Timestamp").alias("_ms"),
        F.when(started, "Started").when(F.col("Event") == spark.QUERY_PROGRESS, "Progressed").alias("streamSegment"),
        F.when(started, F.col("name")).alias("_name"),
        _progress().alias("_progress"),
        F.col("progress").isNotNull().alias("_reports"),
        F.col("lineHash").alias("_hash"),
    )
    progress = F.col("_progress")
    run = (*KEY, "stream_run_id")
    rows = events.select(
        *run,
        "stream_id",
        F.coalesce(progress["batchId"], F.lit(-1)).cast("bigint").alias("stream_batch_id"),
        F.col("_ms").cast("double").alias("stream_timestamp"),
        date_of(F.col("_ms")).alias("date"),
        "streamSegment",
        F.when(
            F.col("_reports"),
            progress.withField(
                "stateOperators", F.when(progress["stateOperators"] != "[]", progress["stateOperators"])
            ),
        ).alias("streaming_metrics"),
        "_hash",
    )
    keys = ("stream_id", *run, "stream_batch_id", "stream_timestamp", "date")
    # Two reports of one moment: which one stays must not depend on the order of reading.
    single = rows.groupBy(*keys).agg(
        F.max_by("streamSegment", "_hash").alias("streamSegment"),
        F.max_by("streaming_metrics", "_hash").alias("streaming_metrics"),
    )
    names = events.groupBy(*run).agg(F.coalesce(F.max("_name"), F.max(progress["name"])).alias("stream_name"))
    executions = (
        spark_executions_silver.where(F.col("StreamBatchID").isNotNull())
        .groupBy(
            F.col("clusterId").alias("cluster_id"),
            F.col("SparkContextID").alias("spark_context_id"),
            F.col("StreamRunID").alias("stream_run_id"),
            F.col("StreamBatchID").alias("stream_batch_id"),
        )
        .agg(F.array_sort(F.collect_set("ExecutionID")).alias("execution_ids"))
    )
    return single.join(names, list(run), "left").join(executions, [*run, "stream_batch_id"], "left")


def _progress() -> SparkColumn:
    """The report with its fractions and its open parts as the log has them: Sail's `from_json` may be one bit off."""
    parsed = F.from_json("progress", _PROGRESS)
    for name in _FRACTIONS:
        parsed = parsed.withField(name, F.get_json_object("progress", f"$.{name}").cast("double"))
    for name in _OPEN:
        parsed = parsed.withField(name, F.get_json_object("progress", f"$.{name}"))
    return F.when(F.col("progress").isNotNull(), parsed)
