"""Module 1101: every SQL query of the workspace's warehouses."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.api_bodies import STRING_MAP, body_columns, shaped
from overwatch_assets.rules.spark_time import date_of

METRICS = (
    Column("total_time_ms", "bigint", "Time of the query as its client saw it, ms."),
    Column("compilation_time_ms", "bigint", "Time of loading metadata and of planning, ms."),
    Column("execution_time_ms", "bigint", "Time of execution, ms."),
    Column("result_fetch_time_ms", "bigint", "Time of fetching the result after the execution, ms."),
    Column("task_total_time_ms", "bigint", "Time of all its tasks together, ms."),
    Column("photon_total_time_ms", "bigint", "Time of all its Photon tasks together, ms."),
    Column("read_bytes", "bigint", "What was read, bytes."),
    Column("read_remote_bytes", "bigint", "What was read from the cloud's storage, bytes."),
    Column("read_cache_bytes", "bigint", "What was read from the cache, bytes."),
    Column("write_remote_bytes", "bigint", "What was written to the cloud's storage, bytes."),
    Column("spill_to_disk_bytes", "bigint", "What was written to disk for want of memory, bytes."),
    Column("network_sent_bytes", "bigint", "What was sent over the network, bytes."),
    Column("pruned_bytes", "bigint", "What pruning spared, bytes."),
    Column("pruned_files_count", "bigint", "Files that pruning spared."),
    Column("read_files_count", "bigint", "Files read."),
    Column("read_partitions_count", "bigint", "Partitions read."),
    Column("rows_read_count", "bigint", "Rows read."),
    Column("rows_produced_count", "bigint", "Rows of the result."),
    Column("result_from_cache", "boolean", "The result was taken from the cache."),
)
"""What the workspace measured of a query."""

QUERY = (
    Column("query_id", "string", "Query.", nullable=False),
    Column("warehouse_id", "string", "SQL warehouse; null: it ran on other compute."),
    Column("endpoint_id", "string", "The warehouse's id under its old name."),
    Column("status", "string", "QUEUED, RUNNING, FINISHED, FAILED, CANCELED, ..."),
    Column("is_final", "boolean", "The workspace changes nothing of it any more."),
    Column("query_text", "string", "Its SQL."),
    Column("statement_type", "string", "SELECT, INSERT, ..."),
    Column("query_start_time_ms", "bigint", "Start, epoch ms.", nullable=False),
    Column("execution_end_time_ms", "bigint", "End of the execution, epoch ms; null: not known yet."),
    Column("query_end_time_ms", "bigint", "End, the fetching of the result included, epoch ms; null: not known yet."),
    Column("duration", "bigint", "How long it took, ms."),
    Column("user_id", "bigint", "Id of who ran it."),
    Column("user_name", "string", "Who ran it."),
    Column("executed_as_user_id", "bigint", "Id of whose rights it had."),
    Column("executed_as_user_name", "string", "Whose rights it had."),
    Column("rows_produced", "bigint", "Rows of the result."),
    Column("error_message", "string", "Why it failed."),
    Column("spark_ui_url", "string", "URL of its Spark UI."),
    Column("lookup_key", "string", "The workspace's key for it."),
    Column("channel_used", STRING_MAP, "Channel and version of the warehouse."),
    Column("client_application", "string", "What it was sent with."),
    Column("session_id", "string", "Session that it belongs to."),
)
"""What the workspace says of a query, but its metrics."""

_PAYLOAD = (
    *QUERY,
    Column("metrics", f"struct<{','.join(f'{c.name}:{c.type}' for c in METRICS)}>", "What was measured of it."),
)


@table(
    module_id=1101,
    module_name="Bronze_SqlQueryHistory",
    rebuild=Insert(),
    keys=("warehouse_id", "query_id", "query_start_time_ms", "queryHash"),
    partition="date",
    inputs={"workspace_sql_queries": Source()},
    columns=(
        *_PAYLOAD,
        Column("date", "date", "UTC day of the start.", nullable=False),
        Column(
            "queryHash",
            "bigint",
            "xxhash64 of the answer: a query that was asked for while it ran, and later, is two rows.",
            nullable=False,
        ),
        *body_columns("The query of the answer of `sql/history/queries`, or of `system.query.history` in its form"),
    ),
)
def sql_query_history_bronze(workspace_sql_queries: DataFrame) -> DataFrame:
    """Every SQL query of the workspace, each time that it was told anew.

    One row: one query as the workspace told it. One without an id or a start is no row: the reader puts it into
    `quarantine_bronze`.
    """
    queries = workspace_sql_queries.withColumn("queryHash", F.xxhash64("body"))
    return shaped(queries, {"queryHash": "bigint"}, _PAYLOAD).select(
        *(c.name for c in _PAYLOAD),
        date_of(F.col("query_start_time_ms")).alias("date"),
        "queryHash",
        "droppedProperties",
        "value",
    )
