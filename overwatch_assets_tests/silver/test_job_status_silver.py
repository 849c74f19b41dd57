"""silver.md 3."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.bronze.audit_log_bronze import audit_log_bronze
from overwatch_assets.bronze.jobs_snapshot_bronze import jobs_snapshot_bronze
from overwatch_assets.silver.job_status_silver import job_status_silver
from overwatch_assets_tests.event_lines import rows

pytestmark = pytest.mark.engine

DAY = 1714521600000  # 2024-05-01T00:00Z
NOON = DAY + 43_200_123
ANA, BOB = "ana@corp.com", "bob@corp.com"
_LINES = "file string, line bigint, pos bigint, day date, value string"
_BODIES = "job_id bigint, body string, fetched_ms bigint"


def said(
    action: str,
    at: int | None,
    *,
    by: str | None = ANA,
    request: str | None = "r",
    status: int = 200,
    made: int | None = None,
    job_id: int | None = 77,
    **params: Any,
) -> str:
    """A line of an audit log, as it is delivered: parameters are text."""
    name = "resourceId" if action == "changeJobAcl" else "job_id"
    about = {} if made or job_id is None else {name: str(job_id)}
    record = {
        "serviceName": "jobs",
        "actionName": action,
        "timestamp": at,
        "requestId": request,
        "sessionId": "s-1",
        "userAgent": "agent",
        "sourceIPAddress": "203.0.113.7",
        "userIdentity": {"email": by},
        "requestParams": about | {n: v if isinstance(v, str) else json.dumps(v) for n, v in params.items()},
        "response": {"statusCode": status, "result": json.dumps({"job_id": made}) if made else None},
    }
    return json.dumps(record)


def created(at: int = NOON, **params: Any) -> str:
    return said("create", at, made=77, **params)


def seen(
    at: int, *, job_id: int = 77, by: str | None = BOB, since: int | None = DAY - 1, **settings: Any
) -> tuple[Any, ...]:
    """A job in a snapshot."""
    body = {"job_id": job_id, "creator_user_name": by, "created_time": since, "settings": settings}
    return job_id, json.dumps(body), at


def status(spark: SparkSession, *lines: str, snapshots: Sequence[tuple[Any, ...]] = ()) -> DataFrame:
    read = [("f", n, 0, dt.date(2024, 5, 3), line) for n, line in enumerate(lines)]
    audit = audit_log_bronze(spark.createDataFrame(read, _LINES))
    jobs = jobs_snapshot_bronze(spark.createDataFrame(list(snapshots), _BODIES))
    return job_status_silver(spans=audit, audit_log_bronze=audit, jobs_snapshot_bronze=jobs)


def states(spark: SparkSession, *lines: str, snapshots: Sequence[tuple[Any, ...]] = ()) -> list[dict[str, Any]]:
    found = rows(status(spark, *lines, snapshots=snapshots))
    return sorted(found, key=lambda r: (r["jobId"], r["timestamp"] or 0, r["actionName"], r["requestId"] or ""))


def test_a_created_job(spark: SparkSession) -> None:
    tasks = [
        {
            "task_key": "load",
            "job_cluster_key": "jc",
            "notebook_task": {"notebook_path": "/ETL/load", "base_parameters": {"d": 1}},
            "clean_rooms_notebook_task": {"x": 1},
        },
        {"task_key": "wheel", "python_wheel_task": {"package_name": "p", "named_parameters": {"a.b": "c"}}},
        {"task_key": "sql", "sql_task": {"warehouse_id": "w", "query": {"query_id": "q"}, "parameters": {"p": "1"}}},
        {"task_key": "own", "new_cluster": {"num_workers": "2", "spark_conf": {"spark.sql.x": "64"}}},
    ]
    line = created(
        name="nightly",
        tags={"team": "fin"},
        schedule={"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"},
        email_notifications={"on_failure": ["x@corp.com"], "no_alert_for_skipped_runs": False},
        tasks=tasks,
        job_clusters=[{"job_cluster_key": "jc", "new_cluster": {"autoscale": {"min_workers": 1, "max_workers": 8}}}],
        git_source={"git_url": "https://git", "git_branch": "main"},
        max_concurrent_runs="1",
        timeout_seconds="0",
        retry_on_timeout="false",
        job_type="JOB",
        format="MULTI_TASK",
        is_from_dlt="false",
        run_as_user_name=BOB,
        access_control_list=[{"user_name": ANA, "permission_level": "CAN_MANAGE"}],
        queue={"enabled": True},
    )
    (job,) = states(spark, line)
    assert (job["jobId"], job["actionName"], job["timestamp"], job["requestId"]) == (77, "create", NOON, "r")
    assert (job["date"], job["serviceName"], job["jobName"]) == (dt.date(2024, 5, 1), "jobs", "nightly")
    assert job["tags"] == {"team": "fin"}
    assert job["schedule"] == {
        "quartz_cron_expression": "0 0 2 * * ?",
        "timezone_id": "UTC",
        "pause_status": "UNPAUSED",
    }
    assert job["email_notifications"]["on_failure"] == ["x@corp.com"]
    load, wheel, sql, own = job["tasks"]
    assert (load["task_key"], load["job_cluster_key"]) == ("load", "jc")
    assert load["notebook_task"]["base_parameters"] == {"d": "1"}
    assert wheel["python_wheel_task"]["named_parameters"] == {"a_b": "c"}
    assert (sql["sql_task"]["query"]["query_id"], sql["sql_task"]["parameters"]) == ("q", {"p": "1"})
    assert (own["new_cluster"]["num_workers"], own["new_cluster"]["spark_conf"]) == (2, {"spark_sql_x": "64"})
    assert job["job_clusters"][0]["new_cluster"]["autoscale"] == {"max_workers": 8, "min_workers": 1}
    assert (job["git_source"]["git_branch"], job["git_source"]["git_tag"]) == ("main", None)
    assert (job["max_concurrent_runs"], job["timeout_seconds"], job["retry_on_timeout"]) == (1, 0, False)
    assert (job["job_type"], job["format"], job["is_from_dlt"], job["run_as_user_name"]) == (
        "JOB",
        "MULTI_TASK",
        False,
        BOB,
    )
    assert [(a["user_name"], a["permission_level"]) for a in job["access_control_list"]] == [(ANA, "CAN_MANAGE")]
    assert (job["created_by"], job["created_ts"]) == (ANA, NOON)
    assert (job["last_edited_by"], job["last_edited_ts"], job["deleted_by"], job["deleted_ts"]) == (
        ANA,
        NOON,
        None,
        None,
    )
    assert (job["sessionId"], job["userAgent"], job["sourceIPAddress"]) == ("s-1", "agent", "203.0.113.7")
    assert job["response"] == {"errorMessage": None, "result": '{"job_id": 77}', "statusCode": 200}
    assert job["task_detail_legacy"] is None
    settings = json.loads(job["settings"])
    assert settings["tasks"][0]["clean_rooms_notebook_task"] == {"x": 1}, "what has no column is not lost"
    assert (settings["queue"], settings["max_concurrent_runs"]) == ({"enabled": True}, 1)
    assert not settings.keys() & {"job_id", "job_type", "is_from_dlt", "run_as_user_name", "access_control_list"}


def test_only_successful_requests_count(spark: SparkSession) -> None:
    (job,) = states(spark, created(name="a"), said("reset", NOON + 1, status=400, new_settings={"name": "b"}))
    assert (job["actionName"], job["jobName"]) == ("create", "a")


def test_an_update_replaces_what_it_names_and_keeps_the_rest(spark: SparkSession) -> None:
    first = created(name="a", tags={"t": "1"}, timeout_seconds="60", schedule={"timezone_id": "UTC"})
    _, updated = states(spark, first, said("update", NOON + 5, by=BOB, new_settings={"name": "b", "tags": {"u": "2"}}))
    assert (updated["jobName"], updated["tags"], updated["timeout_seconds"]) == ("b", {"u": "2"}, 60)
    assert updated["schedule"]["timezone_id"] == "UTC"
    assert (updated["created_by"], updated["created_ts"]) == (ANA, NOON)
    assert (updated["last_edited_by"], updated["last_edited_ts"]) == (BOB, NOON + 5)


def test_an_update_merges_tasks_and_job_clusters_by_key(spark: SparkSession) -> None:
    first = created(
        tasks=[{"task_key": "a", "timeout_seconds": 1, "max_retries": 3}, {"task_key": "b"}],
        job_clusters=[{"job_cluster_key": "x", "new_cluster": {"num_workers": 1}}],
    )
    change = {
        "tasks": [{"task_key": "c"}, {"task_key": "a", "timeout_seconds": 2}],
        "job_clusters": [{"job_cluster_key": "y"}],
    }
    _, updated = states(spark, first, said("update", NOON + 1, new_settings=change))
    assert [(t["task_key"], t["timeout_seconds"], t["max_retries"]) for t in updated["tasks"]] == [
        ("a", 2, None),
        ("b", None, None),
        ("c", None, None),
    ]
    assert [c["job_cluster_key"] for c in updated["job_clusters"]] == ["x", "y"]


def test_removed_fields_stay_removed(spark: SparkSession) -> None:
    first = created(name="a", schedule={"timezone_id": "UTC"}, tasks=[{"task_key": "a"}, {"task_key": "b"}])
    removal = said("update", NOON + 1, fields_to_remove=["schedule", "tasks/a"], new_settings={})
    later = said("update", NOON + 2, new_settings={"name": "b"})
    _, removed, after = states(spark, first, removal, later)
    assert (removed["jobName"], removed["schedule"], after["jobName"], after["schedule"]) == ("a", None, "b", None)
    assert [[t["task_key"] for t in r["tasks"]] for r in (removed, after)] == [["b"], ["b"]]


def test_what_an_update_removes_and_sets_is_set(spark: SparkSession) -> None:
    _, updated = states(
        spark,
        created(schedule={"timezone_id": "UTC"}),
        said("update", NOON + 1, fields_to_remove=["schedule"], new_settings={"schedule": {"timezone_id": "CET"}}),
    )
    assert updated["schedule"]["timezone_id"] == "CET"


def test_a_reset_replaces_the_whole_definition(spark: SparkSession) -> None:
    first = created(name="a", tags={"t": "1"}, existing_cluster_id="c-1", max_retries="2", job_type="JOB")
    _, reset = states(spark, first, said("reset", NOON + 1, by=BOB, new_settings={"name": "b"}))
    assert (reset["jobName"], reset["tags"], reset["existing_cluster_id"], reset["max_retries"]) == (
        "b",
        None,
        None,
        None,
    )
    assert json.loads(reset["settings"]) == {"name": "b"}
    assert (reset["created_by"], reset["last_edited_by"], reset["job_type"]) == (ANA, BOB, "JOB")


def test_permissions_leave_the_definition_as_it_is(spark: SparkSession) -> None:
    grants = [{"permission": "CAN_MANAGE", "user_id": "5"}]
    lines = (
        created(name="a", access_control_list=[{"group_name": "g", "permission_level": "CAN_VIEW"}]),
        said("resetJobAcl", NOON + 1, by=BOB, grants=grants),
        said("changeJobAcl", NOON + 2, by=BOB, aclPermissionSet='[{"x":1}]', targetUserId="99"),
        said("update", NOON + 3, new_settings={"name": "b"}),
    )
    _, reset, changed, after = states(spark, *lines)
    assert (reset["actionName"], reset["jobName"], reset["grants"]) == (
        "resetJobAcl",
        "a",
        [{"permission": "CAN_MANAGE", "user_id": 5}],
    )
    assert (changed["jobId"], changed["jobName"]) == (77, "a")
    assert (changed["aclPermissionSet"], changed["targetUserId"], changed["grants"]) == ('[{"x":1}]', "99", None)
    assert (changed["last_edited_by"], changed["last_edited_ts"]) == (ANA, NOON), "permissions are no part of it"
    assert [r["access_control_list"][0]["group_name"] for r in (reset, changed, after)] == ["g", "g", "g"]
    assert (after["aclPermissionSet"], after["targetUserId"], after["grants"]) == (None, None, None)


def test_a_deletion_says_who_and_when(spark: SparkSession) -> None:
    first, deleted = states(spark, created(name="a"), said("delete", NOON + 9, by=BOB))
    assert (first["deleted_by"], first["deleted_ts"]) == (None, None)
    assert (deleted["jobName"], deleted["deleted_by"], deleted["deleted_ts"]) == ("a", BOB, NOON + 9)
    late = states(spark, created(name="a"), said("delete", NOON + 9, by=BOB), said("changeJobAcl", NOON + 10))[-1]
    assert (late["deleted_by"], late["deleted_ts"]) == (None, None), "of the deletion only"


def test_legacy_tasks_are_of_the_event_that_says_them_python_wheels_too(spark: SparkSession) -> None:
    wheel = {"package_name": "p", "entry_point": "main", "parameters": ["1"]}
    lines = (
        created(python_wheel_task=wheel, libraries=[{"whl": "dbfs:/p.whl"}]),
        said("changeJobAcl", NOON + 1),
        said("reset", NOON + 2, new_settings={"notebook_task": {"notebook_path": "/n"}}),
    )
    first, acl, reset = states(spark, *lines)
    assert first["task_detail_legacy"]["python_wheel_task"]["entry_point"] == "main"
    assert first["task_detail_legacy"]["notebook_task"] is None
    assert first["libraries"][0]["whl"] == "dbfs:/p.whl"
    assert acl["task_detail_legacy"] is None
    assert json.loads(acl["settings"])["python_wheel_task"] == wheel
    assert reset["task_detail_legacy"]["notebook_task"]["notebook_path"] == "/n"
    assert reset["task_detail_legacy"]["python_wheel_task"] is None


def test_a_row_sees_the_latest_snapshot_before_it_not_the_latest_of_all(spark: SparkSession) -> None:
    snapshots = [seen(NOON, name="a", tags={"n": "1"}), seen(NOON + 10, name="b", tags={"n": "2"})]
    lines = [said("changeJobAcl", NOON + at, request=f"r{at}") for at in (5, 15)]
    imputed, before, after = states(spark, *lines, snapshots=snapshots)
    assert [r["actionName"] for r in (imputed, before, after)] == ["snapImpute", "changeJobAcl", "changeJobAcl"]
    assert [(r["jobName"], r["tags"]) for r in (before, after)] == [("a", {"n": "1"}), ("b", {"n": "2"})]


def test_a_snapshot_of_the_same_millisecond_comes_first(spark: SparkSession) -> None:
    (updated,) = states(
        spark, said("update", NOON, new_settings={"name": "b"}), snapshots=[seen(NOON, name="a", max_retries=1)]
    )
    assert (updated["jobName"], updated["max_retries"]) == ("b", 1)


def test_before_the_first_snapshot_only_what_no_record_told_comes_from_it(spark: SparkSession) -> None:
    """The job is older than the logs."""
    snapshot = seen(
        NOON + 10,
        name="now",
        timeout_seconds=9,
        format="MULTI_TASK",
        tasks=[{"task_key": "a", "timeout_seconds": 2}, {"task_key": "b", "timeout_seconds": 3}],
    )
    lines = (
        said("changeJobAcl", NOON + 1),
        said("update", NOON + 2, new_settings={"name": "then", "tasks": [{"task_key": "a", "timeout_seconds": 1}]}),
    )
    acl, updated = states(spark, *lines, snapshots=[snapshot])
    assert (acl["jobName"], acl["timeout_seconds"], acl["tasks"]) == (None, 9, None)
    assert (updated["jobName"], updated["timeout_seconds"]) == ("then", 9)
    assert [(t["task_key"], t["timeout_seconds"]) for t in updated["tasks"]] == [("b", 3), ("a", 1)]
    assert (acl["format"], acl["created_by"], acl["created_ts"], acl["last_edited_by"]) == (
        "MULTI_TASK",
        BOB,
        DAY - 1,
        BOB,
    )


def test_a_later_snapshot_tells_nothing_of_a_job_that_was_created_or_reset(spark: SparkSession) -> None:
    later = seen(NOON + 10, name="now", timeout_seconds=9)
    (first,) = states(spark, created(name="a"), snapshots=[later])
    assert (first["jobName"], first["timeout_seconds"], first["created_by"]) == ("a", None, ANA)
    acl, reset = states(
        spark, said("changeJobAcl", NOON), said("reset", NOON + 1, new_settings={"name": "a"}), snapshots=[later]
    )
    assert (acl["settings"], acl["jobName"], reset["timeout_seconds"]) == (None, None, None)


def test_a_job_that_only_snapshots_know(spark: SparkSession) -> None:
    snapshots = [
        seen(NOON + 86_400_000, name="b"),
        seen(NOON, name="a", notebook_task={"notebook_path": "/n"}, max_retries=1, run_as={"user_name": ANA}),
        seen(NOON + 86_400_000, job_id=78, name="c"),
    ]
    first, second = states(spark, snapshots=snapshots)
    assert (first["jobId"], first["actionName"], first["requestId"]) == (77, "snapImpute", "-1")
    assert (first["timestamp"], first["date"], first["serviceName"]) == (NOON, dt.date(2024, 5, 1), "jobs")
    assert (first["jobName"], first["max_retries"], first["run_as_user_name"]) == ("a", 1, ANA)
    assert first["task_detail_legacy"]["notebook_task"]["notebook_path"] == "/n"
    assert (first["created_by"], first["created_ts"], first["last_edited_ts"]) == (BOB, DAY - 1, DAY - 1)
    assert [first[c] for c in ("response", "sessionId", "userAgent", "sourceIPAddress", "deleted_by")] == [None] * 5
    assert (second["jobId"], second["timestamp"]) == (78, NOON + 86_400_000)


@pytest.mark.parametrize(
    "line",
    [
        created(NOON, name="z"),
        created(NOON + 5, name="z"),
        said("update", NOON - 1, new_settings={"name": "z"}),
        said("reset", NOON - 1, new_settings={"name": "z"}),
        said("delete", NOON - 1),
    ],
    ids=["create", "create while the snapshot was taken", "update", "reset", "delete"],
)
def test_the_imputed_row_vanishes_when_a_real_one_before_it_arrives(spark: SparkSession, line: str) -> None:
    assert [r["actionName"] for r in states(spark, snapshots=[seen(NOON, name="a")])] == ["snapImpute"]
    assert "snapImpute" not in [r["actionName"] for r in states(spark, line, snapshots=[seen(NOON, name="a")])]


def test_the_imputed_row_stays_beside_later_records(spark: SparkSession) -> None:
    """Runs between the two have no other definition to look at."""
    change = said("update", NOON + 1, new_settings={"max_retries": 2})
    imputed, updated = states(spark, change, snapshots=[seen(NOON, name="a")])
    assert (imputed["actionName"], imputed["max_retries"]) == ("snapImpute", None)
    assert (updated["jobName"], updated["max_retries"]) == ("a", 2)


def test_changes_of_one_millisecond_are_taken_in_one_order(spark: SparkSession) -> None:
    """And a request that was logged twice is one row."""
    lines = [
        created(name="a"),
        said("update", NOON, request="r1", new_settings={"name": "b"}),
        said("update", NOON, request="r2", new_settings={"name": "c", "max_retries": 1}),
        said("update", NOON, request="r2", new_settings={"max_retries": 2}),
        said("delete", NOON, request="r0"),
    ]
    for order in (lines, lines[::-1], lines[2:] + lines[:2]):
        assert [(r["actionName"], r["requestId"], r["jobName"], r["max_retries"]) for r in states(spark, *order)] == [
            ("create", "r", "a", None),
            ("delete", "r0", "c", 1),
            ("update", "r1", "b", None),
            ("update", "r2", "c", 1),
        ]


def test_a_record_without_a_time_belongs_to_its_day(spark: SparkSession) -> None:
    timeless, reset = states(
        spark, said("update", None, new_settings={"name": "a"}), said("reset", DAY + 3 * 86_400_000)
    )
    assert (timeless["timestamp"], timeless["date"], timeless["jobName"]) == (None, dt.date(2024, 5, 3), "a")
    assert reset["settings"] is None, "a reset whose settings are not in the log leaves nothing known"


def test_records_that_are_cut_off_leave_the_rest(spark: SparkSession) -> None:
    first = created(name="a", tasks='[{"task_key":"a"', max_retries="many", tags="x", timeout_seconds="1")
    _, updated = states(spark, first, said("update", NOON + 1, fields_to_remove='["ta', new_settings='{"name": "b'))
    assert (updated["jobName"], updated["tasks"], updated["max_retries"], updated["tags"]) == ("a", None, None, None)
    assert updated["timeout_seconds"] == 1
    assert json.loads(updated["settings"])["tasks"] == '[{"task_key":"a"'


def test_names_that_look_like_json_stay(spark: SparkSession) -> None:
    (job,) = states(spark, created(name='["x", 1]', existing_cluster_id="0501"))
    assert (job["jobName"], job["existing_cluster_id"]) == ('["x", 1]', "0501")


def test_records_of_no_job_are_no_rows(spark: SparkSession) -> None:
    assert states(spark, said("update", NOON, job_id=None, new_settings={"name": "a"})) == []


def test_the_schema_is_the_contract_s(spark: SparkSession) -> None:
    frame = status(spark, created(name="a"))
    added = {"organization_id", "workspace_name", "month", "Pipeline_SnapTS", "Overwatch_RunID"}
    assert {f.name: f.dataType.simpleString() for f in frame.schema} == {
        c.name: f.dataType.simpleString()
        for c, f in zip(job_status_silver.columns, job_status_silver.schema, strict=True)
        if c.name not in added
    }
