"""Module 1006: every record of the workspace's Spark event logs."""

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.contract import Column, Consulted, Insert, Source, table
from overwatch_assets.rules import spark_events as spark
from overwatch_assets.rules.names import renamed, scrubbed, spark_properties
from overwatch_assets.rules.spark_time import date_of, timestamp_of

FILE_GROUP = "struct<filename:string,byCluster:string,byDriverHost:string,bySparkContext:string>"

# Told apart from a payload field, so that no field of a later Spark hides one of ours.
_OURS = (
    Column("date", "date", "UTC day of the record's own time, else of the timed record nearest to it in the log."),
    Column(
        "clusterId",
        "string",
        "Cluster: of the log's folder, of the call, of the log's properties, else the log's identity.",
        nullable=False,
    ),
    Column(
        "SparkContextID",
        "string",
        "Spark context: of the log's folder, else application id and attempt.",
        nullable=False,
    ),
)
_FILE = (
    Column("filename", "string", "File that the record was first read from.", bookkeeping=True),
    Column(
        "filenameGroup",
        FILE_GROUP,
        "The file, and its folders by cluster, driver host and Spark context.",
        bookkeeping=True,
    ),
    Column("filePosition", "bigint", "Byte offset of the line in the decompressed file.", bookkeeping=True),
    Column("fileLine", "bigint", "Number of the line in the file, from 1.", bookkeeping=True),
    Column("fileCreateEpochMS", "bigint", "Modification time of the file, epoch ms.", bookkeeping=True),
    Column("fileCreateTS", "timestamp", "Modification time of the file.", bookkeeping=True),
    Column("fileCreateDate", "date", "Day of the modification time.", bookkeeping=True),
    Column("fileSize", "bigint", "Size of the file when it was read, bytes.", bookkeeping=True),
    Column(
        "lineHash",
        "bigint",
        "xxhash64 of the line as it was written; with `lineBytes` the record's identity.",
        nullable=False,
    ),
    Column("lineBytes", "bigint", "Length of the line, bytes.", nullable=False),
    Column("droppedProperties", "int", "Properties of this record that were dropped as secrets."),
    Column("value", "string", "The line as JSON, secret properties cut out."),
)


@table(
    module_id=1006,
    module_name="Bronze_SparkEventLogs",
    rebuild=Insert(tracked="spark_events_processedfiles"),
    entity=("clusterId", "SparkContextID"),
    keys=("clusterId", "SparkContextID", "lineHash", "lineBytes"),
    partition="date",
    inputs={
        "spark_event_logs": Source(),
        "clusters_snapshot_bronze": Consulted(optional=True),
        "audit_log_bronze": Consulted(optional=True),
    },
    side_tables=("spark_events_processedfiles",),
    columns=(
        *_OURS,
        *(
            Column(spark.field_name(name), scrubbed(kind), doc, nullable=name != "Event")
            for name, kind, doc in spark.FIELDS
            if name not in ("executorId", "stageId", "stageAttemptId")
        ),
        Column("TaskID", "bigint", "Task: `TaskInfo.TaskID`, which can't be read without all of `TaskInfo`."),
        Column("TaskLaunchTime", "bigint", "`TaskInfo.LaunchTime`, epoch ms, for the same reason."),
        *(Column(name, "map<string,string>", doc) for name, doc in spark.MAPS),
        *_FILE,
    ),
)
def spark_events_bronze(spark_event_logs: DataFrame) -> DataFrame:
    """Every record of the Spark event logs, once, whatever files it came in.

    One row: one distinct line of one log. `Event` is null for a line that is no event; the runner moves those to
    `quarantine_bronze`.
    """
    line = F.col("value")
    parsed = spark_event_logs.withColumn("_e", F.from_json(line, spark.raw_schema()))
    event = F.col("_e")
    streams = event["Event"].startswith(spark.STREAM_PREFIX)
    streaming = F.when(streams, spark.streaming_time(line))
    timestamp = spark.first_known(event["Timestamp"], streaming)
    hashes = F.array(F.xxhash64(line), F.xxhash64("original"))
    return parsed.select(
        date_of(spark.first_known(spark.own_time(event, streaming), F.col("near_ms"), F.col("modified_ms"))).alias(
            "date"
        ),
        spark.first_known(F.col("cluster_id"), F.col("log_id")).alias("clusterId"),
        F.col("log_id").alias("SparkContextID"),
        *(_field(event, name, kind, timestamp, line) for name, kind, _ in spark.FIELDS if name not in _FOLDED),
        event["Task Info"]["Task ID"].alias("TaskID"),
        event["Task Info"]["Launch Time"].alias("TaskLaunchTime"),
        *(spark_properties(event[name]).alias(name) for name, _ in spark.MAPS),
        F.col("file").alias("filename"),
        F.struct(
            F.col("file").alias("filename"), *(F.col(name) for name in ("byCluster", "byDriverHost", "bySparkContext"))
        ).alias("filenameGroup"),
        F.col("pos").alias("filePosition"),
        F.col("line").alias("fileLine"),
        F.col("modified_ms").alias("fileCreateEpochMS"),
        timestamp_of(F.col("modified_ms")).alias("fileCreateTS"),
        date_of(F.col("modified_ms")).alias("fileCreateDate"),
        F.col("size").alias("fileSize"),
        F.get(hashes, (F.col("dropped") > 0).cast("int")).alias("lineHash"),
        F.col("nbytes").alias("lineBytes"),
        F.col("dropped").alias("droppedProperties"),
        line,
    )


_FOLDED = ("executorId", "stageId", "stageAttemptId")


def _field(event: SparkColumn, name: str, kind: str, timestamp: SparkColumn, line: SparkColumn) -> SparkColumn:
    value = event[name]
    if name == "Timestamp":
        value = timestamp
    elif name == "progress":
        # As the log has it: Sail's `from_json` reads some numbers with a fraction one bit off.
        value = F.when(value.isNotNull(), F.get_json_object(line, "$.progress"))
    elif name in ("id", "runId"):
        in_progress = F.get_json_object(event["progress"], f"$.{name}")
        value = spark.first_known(value, F.when(event["progress"].isNotNull(), in_progress))
    elif name == "Executor ID":
        value = spark.first_known(event["Executor ID"], event["executorId"])
    elif name == "Stage ID":
        value = spark.first_known(event["Stage ID"], event["Stage Info"]["Stage ID"], event["stageId"])
    elif name == "Stage Attempt ID":
        value = spark.first_known(
            event["Stage Attempt ID"], event["Stage Info"]["Stage Attempt ID"], event["stageAttemptId"]
        )
    return renamed(value, kind).alias(spark.field_name(name))
