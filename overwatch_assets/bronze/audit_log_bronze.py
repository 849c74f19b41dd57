"""Module 1004: every record of the workspace's audit logs."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.audit_records import ABOUT, FIELDS, RECORDS, audit_records
from overwatch_assets.rules.spark_time import date_of


@table(
    module_id=1004,
    module_name="Bronze_AuditLogs",
    rebuild=Insert(),
    # `date` because a record without a time belongs to the day of its folder; otherwise the time decides it.
    keys=("timestamp", "serviceName", "actionName", "requestId", "hashKey", "lineHash", "date"),
    partition="date",
    links=tuple(name for name, _, _ in ABOUT),
    inputs={"audit_log_files": Source()},
    columns=(
        Column(
            "date", "date", "UTC day of `timestamp`; of a record without one, the day of its folder.", nullable=False
        ),
        *(Column(name, kind, doc, nullable=name not in ("serviceName", "actionName")) for name, kind, doc in FIELDS),
        *(Column(name, kind, doc) for name, kind, doc in ABOUT),
        Column(
            "hashKey",
            "bigint",
            "xxhash64 of timestamp, service, action, request id and all request parameters.",
            nullable=False,
        ),
        Column(
            "lineHash",
            "bigint",
            "xxhash64 of the line as it was delivered: two different lines are two rows.",
            nullable=False,
        ),
        Column("filename", "string", "File that the record was first read from.", bookkeeping=True),
        Column("fileLine", "bigint", "Number of the line in the file, from 1.", bookkeeping=True),
        Column("filePosition", "bigint", "Byte offset of the line in the decompressed file.", bookkeeping=True),
        Column("droppedProperties", "int", "Properties of this record that were dropped as secrets.", nullable=False),
        Column("value", "string", "The line as JSON, secret properties cut out.", nullable=False),
    ),
)
def audit_log_bronze(audit_log_files: DataFrame) -> DataFrame:
    """Every record of the audit logs, once, on the day that it happened.

    One row: one distinct line. A line that is no JSON object with a service and an action, or whose time can't be, is
    no row: the reader puts it into `quarantine_bronze`.
    """
    lines = audit_log_files.select("file", "line", "pos", "day", F.xxhash64("value").alias("lineHash"), F.col("value"))
    records = lines.mapInArrow(audit_records, RECORDS)
    return records.select(
        F.coalesce(date_of(F.col("timestamp")), F.col("day")).alias("date"),
        *(F.col(name) for name, _, _ in (*FIELDS, *ABOUT)),
        F.xxhash64("timestamp", "serviceName", "actionName", "requestId", "paramsText").alias("hashKey"),
        "lineHash",
        F.col("file").alias("filename"),
        F.col("line").alias("fileLine"),
        F.col("pos").alias("filePosition"),
        "droppedProperties",
        "value",
    )
