"""Literal audit records and answers of the workspace's API as rows of their bronze tables."""

import json
from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.bronze.audit_log_bronze import audit_log_bronze
from overwatch_assets.contract import Table

DAY = 1714521600000  # 2024-05-01T00:00Z
HOUR = 3_600_000

Record = Mapping[str, Any]


def record(
    service: str,
    action: str,
    at: int | None,
    *,
    by: str = "ann@x",
    result: Mapping[str, Any] | None = None,
    status: int = 200,
    request: str | None = None,
    **parameters: Any,
) -> dict[str, Any]:
    """An audit record; its parameters are text as in delivered files, nested ones JSON text."""
    return {
        "serviceName": service,
        "actionName": action,
        "timestamp": at,
        "requestId": request or f"{action}-{at}",
        "sessionId": "s",
        "sourceIPAddress": "10.0.0.9",
        "userAgent": "a browser",
        "userIdentity": {"email": by},
        "requestParams": {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()
        },
        "response": {"statusCode": status, "result": json.dumps(result) if result else None},
    }


def audit(spark: SparkSession, *records: Record) -> DataFrame:
    """Rows of `audit_log_bronze`."""
    lines = [("f", n, 0, None, json.dumps(r)) for n, r in enumerate(records, 1)]
    return audit_log_bronze(
        spark.createDataFrame(lines, "file string, line bigint, pos bigint, day date, value string")
    )


def snapshots(spark: SparkSession, table: Table, *answers: tuple[int, Record]) -> DataFrame:
    """Rows of a snapshot table: when it was asked, and what the answer said."""
    key = table.keys[0]
    rows = [(body[key], json.dumps(body), at) for at, body in answers]
    return table(spark.createDataFrame(rows, f"{key} string, body string, fetched_ms bigint"))
