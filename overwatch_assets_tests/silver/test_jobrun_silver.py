"""silver.md 4: runs of jobs, worked out by hand."""

import datetime as dt
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.bronze.audit_log_bronze import audit_log_bronze
from overwatch_assets.bronze.jobs_snapshot_bronze import TASK
from overwatch_assets.contract.types import spark_type
from overwatch_assets.rules import job_runs
from overwatch_assets.silver.jobrun_silver import jobrun_silver
from overwatch_assets_tests.event_lines import rows

pytestmark = pytest.mark.engine

T0 = 1_714_521_600_000  # 2024-05-01T00:00:00Z
MINUTE, DAY_MS = 60_000, 86_400_000
DAY = dt.date(2024, 5, 1)
JOB, RUN = 77, 9000

_CLUSTERS = "cluster_id string, timestamp bigint, sequence int, cluster_name string"
_SCHEDULE = "struct<pause_status:string,quartz_cron_expression:string,timezone_id:string>"
_JOBS = (
    "jobId bigint, timestamp bigint, actionName string, requestId string, jobName string, tags map<string,string>, max_concurrent_runs bigint,"
    " run_as_user_name string, timeout_seconds bigint, created_by string, last_edited_by string,"
    f" schedule {_SCHEDULE}, tasks {job_runs.TASKS}, job_clusters {job_runs.JOB_CLUSTERS},"
    f" task_detail_legacy {job_runs.TASK_DETAIL_LEGACY}"
)


def event(action: str, minute: float, result: Any = None, code: int = 200, **params: Any) -> dict[str, Any]:
    """A record; values that are no text become JSON text, as they are delivered."""
    return {
        "timestamp": T0 + round(minute * MINUTE),
        "serviceName": "jobs",
        "actionName": action,
        "requestId": f"{action}@{minute}",
        "sessionId": "s1",
        "sourceIPAddress": "10.0.0.1",
        "userAgent": "agent",
        "userIdentity": {"email": "ana@example.com"},
        "requestParams": {n: v if isinstance(v, str) else json.dumps(v) for n, v in params.items()},
        "response": {"statusCode": code, "errorMessage": None, "result": result and json.dumps(result)},
    }


def run_now(minute: float = 0, **params: Any) -> dict[str, Any]:
    return event("runNow", minute, {"run_id": RUN}, job_id=JOB, **params)


def triggered(minute: float = 0, run: int = RUN) -> dict[str, Any]:
    return event("runTriggered", minute, jobId=JOB, runId=run, jobTriggerType="cron")


def submit(minute: float = 0, run: int = RUN, **params: Any) -> dict[str, Any]:
    return event("submitRun", minute, {"run_id": run}, **params)


def _of_task(run: int, parent: int | None, **params: Any) -> dict[str, Any]:
    whole = {} if parent is None else {"multitaskParentRunId": str(parent)}
    return {"jobId": JOB, "runId": run, **whole, **params}


def start(minute: float, run: int = 9001, parent: int | None = RUN, **params: Any) -> dict[str, Any]:
    of_task = _of_task(run, parent, **{"taskKey": "load", "clusterId": "c1", "jobClusterType": "existing"} | params)
    return event("runStart", minute, **of_task)


def succeeded(minute: float, run: int = 9001, parent: int | None = RUN, **params: Any) -> dict[str, Any]:
    return event("runSucceeded", minute, **_of_task(run, parent, jobTerminalState="Succeeded", **params))


def failed(minute: float, run: int = 9001, parent: int | None = RUN, **params: Any) -> dict[str, Any]:
    return event("runFailed", minute, **_of_task(run, parent, **{"jobTerminalState": "Failed"} | params))


def cancel(minute: float, run: int = RUN, code: int = 200) -> dict[str, Any]:
    return event("cancel", minute, code=code, run_id=run)


def repair(minute: float, repair_id: int, run: int = RUN, **params: Any) -> dict[str, Any]:
    return event("repairRun", minute, {"repair_id": repair_id}, run_id=run, **params)


def task(key: str = "load", **members: Any) -> dict[str, Any]:
    return {"task_key": key, **members}


def job(minute: float, name: str, **members: Any) -> dict[str, Any]:
    row = {"jobId": JOB, "timestamp": T0 + round(minute * MINUTE), "actionName": "update", "requestId": name}
    return {**row, "jobName": name, **members}


def folder_of(event: dict[str, Any]) -> dt.date:
    """The day in whose folder a record is delivered: its own."""
    at = event.get("timestamp")
    return DAY if at is None else dt.datetime.fromtimestamp(at / 1000, dt.UTC).date()


def runs(
    spark: SparkSession,
    *events: dict[str, Any],
    jobs: Sequence[dict[str, Any]] = (),
    clusters: Sequence[tuple[Any, ...]] = (),
) -> list[dict[str, Any]]:
    """The table's rows, by run and start. Run-time structs are the same twice."""
    lines = [("file", n, n, folder_of(e), json.dumps(e)) for n, e in enumerate(events)]
    audit = audit_log_bronze(
        spark.createDataFrame(lines, "file string, line bigint, pos bigint, day date, value string")
    )
    found = rows(
        jobrun_silver(
            spans=audit,
            audit_log_bronze=audit,
            job_status_silver=spark.createDataFrame([filled(j) for j in jobs], _JOBS),
            cluster_spec_silver=spark.createDataFrame(list(clusters), _CLUSTERS),
        )
    )
    assert all(row["TaskRunTime"] == row["TaskExecutionRunTime"] for row in found)
    assert all(row["TaskRunTime"]["startEpochMS"] == row["startEpochMS"] for row in found)
    assert all(row["TaskRunTime"]["endEpochMS"] == row["endEpochMS"] for row in found)
    return sorted(found, key=lambda row: (row["runId"], row["startEpochMS"] or 0))


def filled(given: dict[str, Any]) -> dict[str, Any]:
    names = [column.strip().split(" ")[0] for column in _top_level(_JOBS)]
    return {name: given.get(name) for name in names}


def _top_level(ddl: str) -> list[str]:
    parts, depth = [""], 0
    for character in ddl:
        depth += (character == "<") - (character == ">")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def one(spark: SparkSession, *events: dict[str, Any], **frames: Any) -> dict[str, Any]:
    (found,) = runs(spark, *events, **frames)
    return found


def at(minute: float) -> int:
    return T0 + round(minute * MINUTE)


def times(run: dict[str, Any]) -> tuple[Any, ...]:
    """Start and end in minutes, state, whether it is open."""
    start, end = (None if ms is None else (ms - T0) / MINUTE for ms in (run["startEpochMS"], run["endEpochMS"]))
    return start, end, run["terminalState"], run["is_open"]


def test_a_run_of_one_task(spark: SparkSession) -> None:
    run = one(
        spark,
        triggered(0),
        start(1, jobTaskType="notebook", taskDependencies=["extract"]),
        succeeded(31),
    )
    assert (run["jobId"], run["jobRunId"], run["taskRunId"], run["runId"], run["idInJob"]) == (
        JOB,
        9000,
        9001,
        9001,
        9001,
    )
    assert (run["multitaskParentRunId"], run["parentRunId"], run["repairId"]) == (9000, None, None)
    assert times(run) == (1, 31, "Succeeded", False)
    assert (run["TaskRunTime"]["runTimeMS"], run["TaskRunTime"]["runTimeH"]) == (30 * MINUTE, 0.5)
    assert (run["submissionEpochMS"], run["startDate"]) == (T0, DAY)
    assert (run["taskKey"], run["taskDependencies"], run["run_name"]) == ("load", ["extract"], "load")
    assert (run["clusterType"], run["clusterId"], run["cluster_name"]) == ("existing", "c1", "load")
    assert (run["taskType"], run["jobTriggerType"], run["jobName"]) == ("notebook", "cron", "load")
    assert run["timeDetails"] == {
        "startTime": at(1),
        "submissionTime": T0,
        "cancellationTime": None,
        "completionTime": at(31),
        "timeout_seconds": None,
    }
    request = run["requestDetails"]
    assert request["startRequest"] == {"startRequestId": "runStart@1"}
    assert request["completionRequest"]["completionRequestId"] == "runSucceeded@31"
    assert request["completionRequest"]["completionResponse"]["statusCode"] == 200
    assert request["cancellationRequest"] is None
    assert request["submissionRequest"] == {
        "submitRequestId": "runTriggered@0",
        "submitResponse": {"errorMessage": None, "result": None, "statusCode": 200},
        "submitSessionId": "s1",
        "submitSourceIP": "10.0.0.1",
        "submitUserAgent": "agent",
        "submittedBy": {"email": "ana@example.com", "subjectName": None},
    }
    assert (run["run_lookup_keys"], run["job_lookup_keys"], run["cluster_lookup_keys"]) == (["9001"], ["77"], ["c1"])
    assert (run["submitRun_details"], run["manual_override_params"], run["task_detail"]) == (None, None, None)


def test_a_run_of_the_old_api_is_its_own_task(spark: SparkSession) -> None:
    run = one(spark, triggered(0), start(1, RUN, None, taskKey=""), failed(2, RUN, None))
    assert (run["jobRunId"], run["taskRunId"], run["runId"], run["multitaskParentRunId"]) == (9000, 9000, 9000, None)
    assert (times(run), run["run_lookup_keys"]) == ((1, 2, "Failed", False), [])


def test_each_task_is_a_run_and_the_whole_job_is_none(spark: SparkSession) -> None:
    found = runs(
        spark,
        run_now(0, jar_params=["a"], notebook_params={"day": "1"}, workflow_context="{}"),
        start(0.5, RUN, None),
        start(1, 9001, taskKey="load"),
        succeeded(5, 9001),
        start(5, 9002, taskKey="check", clusterId="c2"),
        failed(8, 9002),
        failed(8, RUN, None),
    )
    assert [(r["runId"], r["taskKey"], r["clusterId"], times(r)) for r in found] == [
        (9001, "load", "c1", (1, 5, "Succeeded", False)),
        (9002, "check", "c2", (5, 8, "Failed", False)),
    ]
    for run in found:
        given = run["manual_override_params"]
        assert (given["jar_params"], given["notebook_params"], given["sql_params"]) == (["a"], {"day": "1"}, None)
        assert (run["jobTriggerType"], run["workflow_context"]) == ("manual", "{}")


def test_a_run_without_its_submission_is_kept(spark: SparkSession) -> None:
    run = one(spark, start(1, jobTriggerType="retry"), succeeded(2))
    assert (times(run), run["jobTriggerType"]) == ((1, 2, "Succeeded", False), "retry")
    assert (run["submissionEpochMS"], run["requestDetails"]["submissionRequest"]) == (None, None)
    assert one(spark, start(1), succeeded(2))["jobTriggerType"] is None, "not known, so not manual"


def test_an_end_without_its_start_is_kept(spark: SparkSession) -> None:
    run = one(spark, triggered(0), succeeded(2, taskKey="load", clusterId="c9"))
    assert (times(run), run["clusterId"], run["startDate"]) == ((None, 2, "Succeeded", False), "c9", DAY)


def test_retries_are_runs(spark: SparkSession) -> None:
    found = runs(spark, triggered(0), start(1, 9001), failed(2, 9001), start(3, 9002), succeeded(4, 9002))
    assert [(r["runId"], r["taskKey"], times(r)) for r in found] == [
        (9001, "load", (1, 2, "Failed", False)),
        (9002, "load", (3, 4, "Succeeded", False)),
    ]


def test_a_retry_under_the_same_id_is_a_life_of_its_own(spark: SparkSession) -> None:
    found = runs(spark, triggered(0), start(1), failed(2), cancel(2.5, 9001), start(3), succeeded(4))
    assert [times(r) for r in found] == [(1, 2, "Failed", False), (3, 4, "Succeeded", False)]


def test_a_retry_may_start_in_the_millisecond_of_the_end_before(spark: SparkSession) -> None:
    found = runs(spark, triggered(0), start(1), failed(2), start(2), failed(3), start(3), succeeded(60))
    assert [times(r) for r in found] == [(1, 2, "Failed", False), (2, 3, "Failed", False), (3, 60, "Succeeded", False)]
    assert times(one(spark, triggered(0), start(2), failed(2))) == (2, 2, "Failed", False), "a life of no length"


def test_a_retry_is_a_run_although_the_first_start_was_lost(spark: SparkSession) -> None:
    found = runs(spark, triggered(0), failed(2), start(60), start(61), succeeded(120))
    assert [times(r) for r in found] == [(None, 2, "Failed", False), (60, 120, "Succeeded", False)]


def test_repairs_are_found_by_their_id(spark: SparkSession) -> None:
    found = runs(
        spark,
        triggered(0),
        start(1, 9001),
        failed(2, 9001),
        repair(3, 501, rerun_tasks=["load"], notebook_params={"again": "1"}),
        start(4, 9002, repairId="501"),
        failed(5, 9002, repairId="501"),
        repair(6, 502, rerun_tasks=["load"], latest_repair_id="501"),
        repair(6.5, 502, rerun_tasks=["load"], latest_repair_id="501"),
        start(7, 9003, repairId="502"),
        succeeded(8, 9003, repairId="502"),
    )
    assert [(r["runId"], r["repairId"], times(r)) for r in found] == [
        (9001, None, (1, 2, "Failed", False)),
        (9002, 501, (4, 5, "Failed", False)),
        (9003, 502, (7, 8, "Succeeded", False)),
    ]
    details = [r["repair_details"] for r in found]
    assert details[0] is None
    ((first,), (second,)) = details[1:]
    assert (first["repair_timestamp"], first["rerun_tasks"], first["latest_repair_id"]) == (at(3), '["load"]', None)
    assert first["repair_params"]["notebook_params"] == {"again": "1"}
    assert first["repairedBy"] == {"email": "ana@example.com", "subjectName": None}
    assert (second["repair_timestamp"], second["latest_repair_id"]) == (at(6), "501")
    assert (second["repairRequestId"], second["repair_params"]) == ("repairRun@6", None)


def test_a_repair_may_name_the_run_of_the_task(spark: SparkSession) -> None:
    run = one(spark, triggered(0), repair(3, 501, run=9001), start(4, 9001, repairId="501"), succeeded(5, 9001))
    assert [d["repair_timestamp"] for d in run["repair_details"]] == [at(3)]


def test_a_task_is_cancelled(spark: SparkSession) -> None:
    found = runs(spark, triggered(0), start(1, 9001), start(1, 9002), cancel(3, 9001), succeeded(5, 9002))
    assert [(r["runId"], *times(r)) for r in found] == [
        (9001, 1, 3, "Cancelled", False),
        (9002, 1, 5, "Succeeded", False),
    ]
    cancelled, other = (r["requestDetails"]["cancellationRequest"] for r in found)
    assert (cancelled["cancellationRequestId"], cancelled["cancelledBy"]["email"]) == ("cancel@3", "ana@example.com")
    assert other is None


def test_a_cancelled_job_reaches_the_tasks_that_were_running(spark: SparkSession) -> None:
    found = runs(
        spark,
        triggered(0),
        start(1, 9001),
        succeeded(2, 9001),
        start(2, 9002),
        start(2, 9003),
        cancel(3, RUN),
        failed(4, 9003, jobTerminalState="Canceled"),
        repair(5, 501),
        start(6, 9004, repairId="501"),
    )
    assert [(r["runId"], *times(r)) for r in found] == [
        (9001, 1, 2, "Succeeded", False),
        (9002, 2, 3, "Cancelled", False),
        (9003, 2, 4, "Cancelled", False),
        (9004, 6, None, None, True),
    ]
    assert [r["timeDetails"]["cancellationTime"] for r in found] == [None, at(3), at(3), None]


def test_a_late_cancel_does_not_stretch_the_run(spark: SparkSession) -> None:
    run = one(spark, triggered(0), start(1), succeeded(5), cancel(9, 9001))
    assert (times(run), run["timeDetails"]["cancellationTime"]) == ((1, 5, "Succeeded", False), at(9))


def test_a_refused_cancel_cancels_nothing(spark: SparkSession) -> None:
    assert times(one(spark, triggered(0), start(1), cancel(3, 9001, code=400))) == (1, None, None, True)


def test_an_unstarted_run_is_a_row_until_it_starts(spark: SparkSession) -> None:
    run = one(spark, run_now(3))
    assert (run["runId"], run["taskRunId"], run["idInJob"]) == (9000, None, None)
    assert times(run) == (None, None, None, False)
    assert (run["startEpochMS"], run["submissionEpochMS"], run["startDate"]) == (None, at(3), DAY)
    assert (run["jobId"], run["jobTriggerType"]) == (JOB, "manual")
    assert one(spark, run_now(3), start(4))["runId"] == 9001, "no row of the job's run stays"
    assert times(one(spark, run_now(3), cancel(4))) == (None, 4, "Cancelled", False)


def test_a_skipped_run_is_a_row(spark: SparkSession) -> None:
    run = one(spark, triggered(0), failed(0, RUN, None, jobTerminalState="Skipped"))
    assert (run["runId"], times(run)) == (9000, (None, 0, "Skipped", False))


def test_a_request_about_an_unknown_run_makes_no_row(spark: SparkSession) -> None:
    assert runs(spark, cancel(3, 9001), repair(4, 5, run=9001)) == []
    assert runs(spark, event("runNow", 0, code=400, job_id=JOB)) == [], "a refused submission has no run"


def test_runs_longer_than_30_days_are_closed(spark: SparkSession) -> None:
    run = one(spark, triggered(0), start(1), succeeded(45 * DAY_MS / MINUTE))
    assert times(run) == (1, 45 * DAY_MS / MINUTE, "Succeeded", False)


def test_a_nested_run_knows_who_called_it(spark: SparkSession) -> None:
    nested = submit(2, 9100, run_name="child", notebook_task={"notebook_path": "/child"}, workflow_context='{"a":1}')
    found = runs(
        spark,
        triggered(0),
        start(1),
        nested,
        start(3, 9100, None, parentRunId="9001", taskKey=""),
        succeeded(4, 9100, None),
        succeeded(5),
    )
    parent, child = found
    assert (parent["runId"], parent["parentRunId"], times(parent)[:2]) == (9001, None, (1, 5))
    assert (child["runId"], child["jobRunId"], child["parentRunId"], times(child)[:2]) == (9100, 9100, 9001, (3, 4))
    assert child["workflow_context"] == '{"a":1}'


def test_a_submitted_run_brings_its_own_definition(spark: SparkSession) -> None:
    cluster = {"num_workers": 2, "spark_version": "15.1", "spark_conf": {"spark.x": "1"}}
    given = submit(
        0,
        run_name="adhoc",
        timeout_seconds="60",
        idempotency_token="once",
        existing_cluster_id="c7",
        tasks=[
            task(
                "load",
                job_cluster_key="small",
                libraries=[{"pypi": {"package": "x"}}],
                max_retries=2,
                retry_on_timeout=True,
                min_retry_interval_millis=5,
                spark_python_task={"python_file": "a.py", "parameters": ["1"]},
            )
        ],
        job_clusters=[{"job_cluster_key": "small", "new_cluster": cluster}],
        git_source={"git_url": "u", "git_branch": "main"},
        access_control_list=[{"user_name": "ana", "permission_level": "CAN_VIEW"}],
        notebook_task={"notebook_path": "/legacy"},
        sql_task={"warehouse_id": "w"},
    )
    run = one(spark, given, start(1, taskKey="", clusterId="", jobClusterType=""), succeeded(2))
    assert (run["run_name"], run["jobName"], run["timeout_seconds"]) == ("adhoc", "adhoc", 60)
    assert (run["taskKey"], run["job_cluster_key"]) == ("load", "small"), "the only task that there is"
    assert (run["clusterType"], run["cluster_name"], run["existing_cluster_id"]) == ("new", "small", "c7")
    assert run["job_cluster"]["num_workers"] == 2
    assert run["job_cluster"]["spark_conf"] == {"spark_x": "1"}
    assert run["libraries"][0]["pypi"]["package"] == "x"
    assert (run["max_retries"], run["retry_on_timeout"], run["min_retry_interval_millis"]) == (2, True, 5)
    assert run["task_detail"]["spark_python_task"] == {"python_file": "a.py", "parameters": ["1"]}
    assert run["task_detail"]["notebook_task"] is None
    assert run["task_detail_legacy"]["notebook_task"]["notebook_path"] == "/legacy"
    assert run["idempotency_token"] == "once"
    details = run["submitRun_details"]
    assert (details["git_source"]["git_branch"], details["sql_task"]["warehouse_id"]) == ("main", "w")
    assert details["access_control_list"][0]["permission_level"] == "CAN_VIEW"
    assert [t["task_key"] for t in details["tasks"]] == ["load"]


def test_submissions_with_one_token_are_one_run(spark: SparkSession) -> None:
    run = one(spark, submit(0, idempotency_token="t"), submit(5, idempotency_token="t"), start(6), succeeded(7))
    assert (run["submissionEpochMS"], run["idempotency_token"], times(run)) == (T0, "t", (6, 7, "Succeeded", False))


def test_a_sql_task_runs_on_its_warehouse(spark: SparkSession) -> None:
    told = job(-5, "report", tasks=[_full_task(task("load", sql_task={"warehouse_id": "w1"}))])
    run = one(spark, triggered(0), start(1, clusterId="", jobClusterType=""), jobs=[told])
    assert (run["clusterId"], run["clusterType"], run["task_detail"]["sql_task"]["warehouse_id"]) == (
        "w1",
        "sqlWarehouse",
        "w1",
    )
    assert run["cluster_lookup_keys"] == []


def test_its_job_as_it_was_at_the_start(spark: SparkSession) -> None:
    jobs = [
        job(
            -60,
            "old",
            tags={"team": "a"},
            tasks=[_full_task(task("load", max_retries=1))],
            created_by="ana",
            last_edited_by="ben",
            timeout_seconds=600,
            max_concurrent_runs=3,
            run_as_user_name="etl",
            schedule={"pause_status": "PAUSED", "quartz_cron_expression": "0", "timezone_id": "UTC"},
        ),
        job(1.5, "new", tags={"team": "b"}),
    ]
    run = one(spark, triggered(0), start(1), succeeded(2), jobs=jobs)
    assert (run["jobName"], run["tags"], run["max_retries"], run["timeout_seconds"]) == ("old", {"team": "a"}, 1, 600)
    assert (run["created_by"], run["last_edited_by"], run["run_as_user_name"]) == ("ana", "ben", "etl")
    assert (run["max_concurrent_runs"], run["schedule"]["pause_status"]) == (3, "PAUSED")
    assert run["timeDetails"]["timeout_seconds"] == 600
    later = one(spark, triggered(2), start(3), jobs=jobs)
    assert (later["jobName"], later["schedule"], later["max_concurrent_runs"]) == ("new", None, None), (
        "cleared stays cleared"
    )
    before = one(spark, triggered(-90), start(-80), jobs=jobs)
    assert before["jobName"] == "old", "the first that is known, where nothing earlier is"


def test_an_edit_is_for_later_runs_and_repairs(spark: SparkSession) -> None:
    jobs = [
        job(-60, "old", tasks=[_full_task(task("a", max_retries=1)), _full_task(task("b", max_retries=2))]),
        job(30, "new", tasks=[_full_task(task("b", max_retries=9))]),
        job(75, "newest", tasks=[_full_task(task("b", max_retries=10))]),
    ]
    tasks = [
        *(start(1, 9001, taskKey="a"), succeeded(20, 9001)),
        *(start(40, 9002, taskKey="b"), failed(50, 9002)),
        *(start(70, 9003, taskKey="b", repairId="501"), failed(74, 9003, repairId="501")),
        *(start(80, 9004, taskKey="b", repairId="501"), succeeded(90, 9004, repairId="501")),
    ]

    def told(*events: dict[str, Any]) -> list[tuple[Any, ...]]:
        return [(r["jobName"], r["max_retries"]) for r in runs(spark, *events, jobs=jobs)]

    assert told(triggered(0), repair(60, 501), *tasks) == [("old", 1), ("old", 2), ("new", 9), ("new", 9)]
    assert told(*tasks) == [("old", 1), ("old", 2), ("new", 9), ("new", 9)], "requests are lost: as of the first start"


def test_what_an_old_job_does_holds_until_it_has_tasks(spark: SparkSession) -> None:
    work = dict.fromkeys(job_runs.LEGACY_TASKS) | {
        "spark_jar_task": {"main_class_name": "Main", "jar_uri": None, "parameters": None}
    }
    jobs = [
        job(-9, "told", task_detail_legacy=work),
        job(-8, "renamed"),
        job(5, "tasks", tasks=[_full_task(task())]),
    ]
    run = one(spark, triggered(0), start(1), jobs=jobs)
    assert (run["jobName"], run["task_detail_legacy"]["spark_jar_task"]["main_class_name"]) == ("renamed", "Main")
    assert one(spark, triggered(5), start(6), jobs=jobs)["task_detail_legacy"] is None


def test_definitions_of_one_millisecond_stand_in_their_order(spark: SparkSession) -> None:
    jobs = [job(0, "2", actionName="update"), job(0, "1", actionName="create"), job(0, "0", actionName="snapImpute")]
    for given in (jobs, jobs[::-1]):
        assert one(spark, triggered(0), start(1), jobs=given)["jobName"] == "2"


def test_its_cluster_as_it_was_at_the_start(spark: SparkSession) -> None:
    clusters = [
        ("c1", at(-9), 0, "before"),
        ("c1", at(1), 0, "at"),
        ("c1", at(1), 1, "and then"),
        ("c1", at(2), 0, "after"),
        ("c2", at(0), 0, "other"),
    ]
    assert one(spark, triggered(0), start(1), clusters=clusters)["cluster_name"] == "and then"
    assert one(spark, triggered(0), start(1), clusters=clusters[3:])["cluster_name"] == "after"


def test_repeated_events_count_once(spark: SparkSession) -> None:
    story = [triggered(0), start(1), succeeded(5)]
    again = [triggered(0.5), start(1.5), failed(6)]
    assert times(one(spark, *story, *again)) == (1, 5, "Succeeded", False)
    assert one(spark, *story, *story) == one(spark, *story)


def test_an_end_that_was_logged_before_its_start(spark: SparkSession) -> None:
    assert times(one(spark, triggered(0), start(2), succeeded(1.9))) == (2, 2, "Succeeded", False)


def test_the_order_of_rows_does_not_matter(spark: SparkSession) -> None:
    story = [
        run_now(0),
        start(1, 9001),
        start(1, 9001, taskKey="again"),
        failed(2, 9001),
        start(2, 9002),
        cancel(3, 9002),
        cancel(3, RUN),
        repair(4, 501),
        repair(4, 501, rerun_tasks=["load"]),
        start(5, 9003, repairId="501"),
        submit(1, 9500, run_name="x"),
        cancel(9, 9999),
    ]
    jobs = [job(0, "a"), job(0, "b"), job(1, "c")]
    expected = runs(spark, *story, jobs=jobs)
    assert [r["runId"] for r in expected] == [9001, 9002, 9003, 9500]
    for seed in range(4):
        random.Random(seed).shuffle(story)
        random.Random(seed).shuffle(jobs)
        assert runs(spark, *story, jobs=jobs) == expected


def _full_task(given: dict[str, Any]) -> dict[str, Any]:
    """A task with every member, because a literal struct of Spark takes none that lacks some."""
    kind = spark_type(TASK)
    return {name: given.get(name) for name in kind.names}  # type: ignore[attr-defined]
