"""SQL queries as the workspace tells them: which answer of several counts, and the system table in the API's form."""

from collections.abc import Mapping

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.rules.names import member

ENDED = ("FINISHED", "FAILED", "CANCELED", "CANCELLED", "CLOSED")
"""States in which a query does nothing any more."""


def is_settled() -> SparkColumn:
    """Whether an answer is the last one about its query."""
    return F.coalesce(F.col("is_final"), F.col("status").isin(*ENDED), F.lit(False))


def as_told_by_api(history: DataFrame) -> DataFrame:
    """Rows of `system.query.history`: `body`, JSON in the form of the API, and `query_id`, `start_ms`.

    What only the API knows is left out: bytes by where they were read, Photon's time, the URL of the Spark UI.
    """
    started, ended = F.unix_millis("start_time"), F.unix_millis("end_time")
    fetch = F.coalesce("result_fetch_duration_ms", F.lit(0).cast("bigint"))
    metrics = {
        "total_time_ms": "total_duration_ms",
        "compilation_time_ms": "compilation_duration_ms",
        "execution_time_ms": "execution_duration_ms",
        "result_fetch_time_ms": "result_fetch_duration_ms",
        "task_total_time_ms": "total_task_duration_ms",
        "read_bytes": "read_bytes",
        "write_remote_bytes": "written_bytes",
        "spill_to_disk_bytes": "spilled_local_bytes",
        "pruned_bytes": "pruned_files_bytes",
        "pruned_files_count": "pruned_files",
        "read_files_count": "read_files",
        "read_partitions_count": "read_partitions",
        "rows_read_count": "read_rows",
        "rows_produced_count": "produced_rows",
        "result_from_cache": "from_result_cache",
    }
    told: Mapping[str, SparkColumn] = {
        "query_id": F.col("statement_id"),
        "warehouse_id": member(F.col("compute"), "warehouse_id"),
        "status": F.col("execution_status"),
        "is_final": F.lit(True),
        "query_text": F.col("statement_text"),
        "statement_type": F.col("statement_type"),
        "query_start_time_ms": started,
        "execution_end_time_ms": ended,
        "query_end_time_ms": ended + fetch,
        "duration": F.col("total_duration_ms"),
        "user_id": F.col("executed_by_user_id"),
        "user_name": F.col("executed_by"),
        "executed_as_user_id": F.col("executed_as_user_id"),
        "executed_as_user_name": F.col("executed_as"),
        "rows_produced": F.col("produced_rows"),
        "error_message": F.col("error_message"),
        "client_application": F.col("client_application"),
        "session_id": F.col("session_id"),
        "metrics": F.struct(*(F.col(column).alias(name) for name, column in metrics.items())),
    }
    body = F.to_json(F.struct(*(value.alias(name) for name, value in sorted(told.items()))))
    return history.select(body.alias("body"), F.col("statement_id").alias("query_id"), started.alias("start_ms"))
