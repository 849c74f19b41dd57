"""Module 3017: SQL queries, for queries."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Fold, Linked, View, table
from overwatch_assets.rules.renamed import renamed_columns, same, values_of
from overwatch_assets.silver.sql_query_history_silver import sql_query_history_silver as SILVER

_DOCUMENTED = same(
    "warehouse_id",
    "query_id",
    "query_end_time_ms",
    "user_name",
    "user_id",
    "executed_as_user_id",
    "executed_as_user_name",
    "duration",
    "error_message",
    "execution_end_time_ms",
    "query_start_time_ms",
    "query_text",
    "rows_produced",
    "spark_ui_url",
    "statement_type",
    "status",
    "compilation_time_ms",
    "execution_time_ms",
    "network_sent_bytes",
    "photon_total_time_ms",
    "pruned_bytes",
    "pruned_files_count",
    "read_bytes",
    "read_cache_bytes",
    "read_files_count",
    "read_partitions_count",
    "read_remote_bytes",
    "result_fetch_time_ms",
    "result_from_cache",
    "rows_produced_count",
    "rows_read_count",
    "spill_to_disk_bytes",
    "task_total_time_ms",
    "total_time_ms",
    "write_remote_bytes",
)
_FURTHER = same(
    "date",
    "is_final",
    "client_application",
    "session_id",
    "submitted_by",
    "source_ip_address",
    "user_agent",
    "request_id",
)
_COLUMNS = (*_DOCUMENTED, *_FURTHER)


@table(
    module_id=3017,
    module_name="Gold_Sql_QueryHistory",
    rebuild=Fold(),
    entity=("date",),
    keys=("warehouse_id", "query_id", "query_start_time_ms"),
    partition="date",
    z_order=("warehouse_id", "query_id"),
    inputs={"sql_query_history_silver": Linked(("date",))},
    view=View("sqlQueryHistory", ("organization_id", "workspace_name", *(c.name for c in _COLUMNS))),
    columns=renamed_columns(SILVER, _COLUMNS),
)
def sql_query_history_gold(spans: DataFrame, sql_query_history_silver: DataFrame) -> DataFrame:
    """Every SQL query of the workspace's warehouses, as it was told last.

    One row: one query.
    """
    return sql_query_history_silver.select(*values_of(_COLUMNS))
