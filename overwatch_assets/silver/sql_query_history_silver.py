"""Module 2020: SQL queries, each once, as they ended."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.bronze.sql_query_history_bronze import METRICS, QUERY
from overwatch_assets.contract import Column, Events, Fold, table
from overwatch_assets.rules.names import member
from overwatch_assets.rules.sql_queries import is_settled
from overwatch_assets.rules.windows import first_of

_BRONZE = "sql_query_history_bronze"
_SERVICE, _SUBMIT = "databrickssql", "commandSubmit"
_SENT = ("submitted_by", "source_ip_address", "user_agent", "request_id")


def _of_bronze(column: Column, source: str) -> Column:
    return Column(column.name, column.type, column.doc, source=(f"{_BRONZE}.{source}",), nullable=column.nullable)


def _of_audit(name: str, doc: str, source: str) -> Column:
    return Column(name, "string", f"{doc}; null: audit logs are not verbose.", source=(f"audit_log_bronze.{source}",))


@table(
    module_id=2020,
    module_name="Silver_SQLQueryHistory",
    rebuild=Fold(),
    entity=("date",),
    keys=("warehouse_id", "query_id", "query_start_time_ms"),
    partition="date",
    z_order=("warehouse_id", "query_id"),
    inputs={
        _BRONZE: Events(key=("date",)),
        "audit_log_bronze": Events(key=("date",), only={"serviceName": (_SERVICE,), "actionName": (_SUBMIT,)}),
    },
    columns=(
        *(_of_bronze(c, c.name) for c in QUERY),
        *(_of_bronze(c, "metrics") for c in METRICS),
        Column("date", "date", "UTC day of the start.", source=(f"{_BRONZE}.date",), nullable=False),
        _of_audit("submitted_by", "Who sent it", "userIdentity"),
        _of_audit("source_ip_address", "Address that it was sent from", "sourceIPAddress"),
        _of_audit("user_agent", "Client that sent it", "userAgent"),
        _of_audit("request_id", "Id of the request that sent it", "requestId"),
    ),
)
def sql_query_history_silver(
    spans: DataFrame, sql_query_history_bronze: DataFrame, audit_log_bronze: DataFrame
) -> DataFrame:
    """Every SQL query of the workspace's warehouses, as it was told last.

    One row: one query. Where it was sent from is in verbose audit logs of the day on which it started.
    """
    settled = is_settled().cast("int").alias("settled")
    # Of what was told while it ran the longest duration is the last; what is left open is decided by content.
    latest = (
        F.col("_settled").desc(),
        F.col("query_end_time_ms").desc_nulls_last(),
        F.col("duration").desc_nulls_last(),
        F.col("queryHash"),
    )
    told = sql_query_history_bronze.withColumn("_settled", settled)
    queries = first_of(told, ("warehouse_id", "query_id", "query_start_time_ms"), latest)
    return queries.join(_submitted(audit_log_bronze), F.col("query_id") == F.col("_command"), "left").select(
        *(c.name for c in QUERY),
        *(member(F.col("metrics"), c.name).alias(c.name) for c in METRICS),
        "date",
        *_SENT,
    )


def _submitted(audit: DataFrame) -> DataFrame:
    """Per command the request that sent it; of several the first."""
    command = member(F.col("requestParams"), "commandId")
    said = (member(F.col("userIdentity"), "email"), *(F.col(c) for c in ("sourceIPAddress", "userAgent", "requestId")))
    sent = audit.select(
        command.alias("_command"),
        "timestamp",
        "hashKey",
        "lineHash",
        *(value.alias(name) for name, value in zip(_SENT, said, strict=True)),
    ).where(F.col("_command").isNotNull())
    return first_of(sent, ("_command",), ("timestamp", "hashKey", "lineHash")).select("_command", *_SENT)
