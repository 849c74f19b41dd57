"""gold.md 2.2."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.gold.job_gold import job_gold
from overwatch_assets_tests.event_lines import rows
from overwatch_assets_tests.silver.test_job_status_silver import ANA, BOB, NOON, created, said, seen, status

pytestmark = pytest.mark.engine


def jobs(spark: SparkSession, *lines: str, snapshots: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    silver = status(spark, *lines, snapshots=snapshots)
    frame = job_gold(spans=silver, job_status_silver=silver)
    missing = {c.name for c in job_gold.columns} - set(frame.columns)
    assert missing == {"organization_id", "workspace_name", "month", "Pipeline_SnapTS", "Overwatch_RunID"}, (
        "the runner's own"
    )
    return sorted(rows(frame), key=lambda r: r["unixTimeMS"])


def test_a_job_under_the_names_that_people_query(spark: SparkSession) -> None:
    first, changed, deleted = jobs(
        spark,
        created(
            name="nightly",
            format="MULTI_TASK",
            job_type="JOB",
            tags={"a": "1"},
            python_wheel_task={"package_name": "p"},
        ),
        said("changeJobAcl", NOON + 1, by=BOB, targetUserId="99", aclPermissionSet="[]"),
        said("delete", NOON + 2, by=BOB, request="r2"),
    )
    assert (first["job_id"], first["action"], first["unixTimeMS"], first["request_id"]) == (77, "create", NOON, "r")
    assert str(first["timestamp"]) == "2024-05-01 12:00:00.123000", "milliseconds kept"
    assert first["date"] == dt.date(2024, 5, 1)
    assert (first["job_name"], first["job_format"], first["job_type"], first["tags"]) == (
        "nightly",
        "MULTI_TASK",
        "JOB",
        {"a": "1"},
    )
    assert first["task_detail_legacy"]["python_wheel_task"]["package_name"] == "p"
    assert (first["session_id"], first["user_agent"], first["source_ip_address"]) == ("s-1", "agent", "203.0.113.7")
    assert (first["created_by"], first["created_ts"], first["last_edited_ts"]) == (ANA, str(NOON), NOON)
    assert (changed["targetUserId"], changed["aclPermissionSet"]) == ("99", "[]")
    assert (deleted["deleted_by"], deleted["deleted_ts"], deleted["response"]["statusCode"]) == (BOB, NOON + 2, 200)


def test_what_nothing_says_is_from_dlt_is_not(spark: SparkSession) -> None:
    assert [r["is_from_dlt"] for r in jobs(spark, created(is_from_dlt="true"))] == [True]
    (imputed,) = jobs(spark, snapshots=(seen(NOON, name="a"),))
    assert (imputed["action"], imputed["request_id"], imputed["is_from_dlt"]) == ("snapImpute", "-1", False)
