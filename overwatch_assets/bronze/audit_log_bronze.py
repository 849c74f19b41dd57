"""Module 1004: every record of the workspace's audit logs."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.audit_records import ABOUT, DELIVERY, FIELDS, RECORDS, audit_records
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
        Column("date", "date", "UTC day of `timestamp`; of a record without one, of its delivery.", nullable=False),
        *(Column(name, kind, doc, nullable=name not in ("serviceName", "actionName")) for name, kind, doc in FIELDS),
        *(Column(name, kind, doc, bookkeeping=True) for name, kind, doc in DELIVERY),
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
            "xxhash64 of `value`: two different records are two rows, one that is delivered twice is one.",
            nullable=False,
        ),
        Column(
            "filename", "string", "File, table or partition of a hub that it was first read from.", bookkeeping=True
        ),
        Column(
            "fileLine",
            "bigint",
            "Number of the line or row in the file, or of the record in its message, from 1.",
            bookkeeping=True,
        ),
        Column(
            "filePosition",
            "bigint",
            "Byte offset of the line in the decompressed file; of an Event Hub the message's sequence number.",
            bookkeeping=True,
        ),
        Column("droppedProperties", "int", "Properties of this record that were dropped as secrets.", nullable=False),
        Column(
            "delivery",
            "string",
            "What this delivery says besides the event, as JSON; such as its format's version.",
            bookkeeping=True,
        ),
        Column(
            "value",
            "string",
            "The event as JSON, in one form whichever way it came: properties by name, without nulls and secrets.",
            nullable=False,
        ),
    ),
    side_tables=("audit_log_raw_events",),
)
def audit_log_bronze(audit_log_files: DataFrame) -> DataFrame:
    """Every record of the audit logs, once, on the day that it happened.

    One row: one event, whichever way and however often it came (a JSON line, a row of a table, a record of a message).
    What is no JSON object with a service and an action, or whose time can't be, is no row: the reader puts it into
    `quarantine_bronze`.
    """
    lines = audit_log_files.select("file", "line", "pos", "day", "value")
    records = lines.mapInArrow(audit_records, RECORDS)
    return records.select(
        F.coalesce(date_of(F.col("timestamp")), F.col("day")).alias("date"),
        *(F.col(name) for name, _, _ in (*FIELDS, *DELIVERY, *ABOUT)),
        F.xxhash64("timestamp", "serviceName", "actionName", "requestId", "paramsText").alias("hashKey"),
        F.xxhash64("value").alias("lineHash"),
        F.col("file").alias("filename"),
        F.col("line").alias("fileLine"),
        F.col("pos").alias("filePosition"),
        "droppedProperties",
        "delivery",
        "value",
    )
