"""Runs of jobs end in the same rows whatever was loaded first, also where their look-ups or their cancellation come late."""

import json
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.sources.audit_logs import read_audit_logs
from overwatch_assets.sources.registry import Sources
from overwatch_assets_tests.laws.workshop import Workshop, differences
from overwatch_assets_tests.laws.worlds import DAYS, File, at

pytestmark = pytest.mark.engine

NAMES = (
    *("audit_log_bronze", "clusters_snapshot_bronze", "pools_snapshot_bronze", "jobs_snapshot_bronze"),
    *("pools_silver", "cluster_spec_silver", "job_status_silver", "jobrun_silver", "jobrun_gold"),
)


def said(day: int, hour: float, service: str, action: str, result: Any = None, **params: Any) -> bytes:
    record = {
        "timestamp": at(day, hour),
        "serviceName": service,
        "actionName": action,
        "requestId": f"{action} {day} {hour}",
        "userIdentity": {"email": "ana@example.com"},
        "requestParams": {name: str(value) for name, value in params.items()},
        "response": {"statusCode": 200, "result": result and json.dumps(result)},
    }
    return json.dumps(record).encode() + b"\n"


def of_task(run: int, **params: Any) -> dict[str, Any]:
    return {"jobId": 7, "runId": run, "taskKey": "load", "clusterId": "c1", **params}


# Task 91 of run 90 starts on day 1 and is cancelled, under its own id, on day 2. Run 95 is asked for on day 2 and starts
# on day 3. Job and cluster get their names on day 0, the job another one on day 1, before the start.
LINES = {
    0: [
        said(0, 9, "jobs", "create", {"job_id": 7}, name="first"),
        said(0, 9, "clusters", "create", {"cluster_id": "c1"}, cluster_name="etl", node_type_id="n", num_workers="1"),
    ],
    1: [
        said(1, 8, "jobs", "update", job_id=7, new_settings='{"name":"second"}'),
        said(1, 9, "jobs", "runNow", {"run_id": 90}, job_id=7),
        said(1, 10, "jobs", "runStart", **of_task(91, multitaskParentRunId=90)),
    ],
    2: [
        said(2, 9, "jobs", "cancel", run_id=91),
        said(2, 10, "jobs", "runTriggered", jobId=7, runId=95, jobTriggerType="cron"),
        said(2, 11, "jobs", "cancel", run_id=777),
    ],
    3: [
        said(3, 9, "jobs", "runStart", **of_task(96, multitaskParentRunId=95)),
        said(3, 10, "jobs", "runSucceeded", **of_task(96, multitaskParentRunId=95, jobTerminalState="Succeeded")),
    ],
}


def audit(*days: int) -> dict[str, File]:
    return {f"audit/date={DAYS[day]}/auditlogs_0.json": File(b"".join(LINES[day]), at(3, 19.5)) for day in days}


def nothing(_load: Load) -> Reading:
    return Reading(empty="never asked")


def workshop(spark: SparkSession, root: Path) -> Workshop:
    silent = ("workspace_clusters", "workspace_pools", "workspace_jobs")
    return Workshop(spark, root, Sources({"audit_log_files": read_audit_logs, **dict.fromkeys(silent, nothing)}))


def chain(shop: Workshop, *days: int) -> None:
    shop.chain([DAYS[day] for day in days] or DAYS, wanted=[tables()[name] for name in NAMES])


@pytest.fixture(scope="module")
def on_time(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    shop = workshop(spark, tmp_path_factory.mktemp("on-time"))
    shop.logs.put(audit(0, 1, 2, 3))
    chain(shop)
    return shop


def runs(shop: Workshop) -> list[tuple[Any, ...]]:
    """Run, name of its job and cluster, start, end, state."""
    names = list(tables()["jobrun_gold"].compared)
    shown = ("run_id", "job_name", "cluster_name", "startEpochMS", "endEpochMS", "terminal_state", "is_open")
    found = [dict(zip(names, row, strict=True)) for row in shop.rows("jobrun_gold").elements()]
    return sorted(tuple(run[name] for name in shown) for run in found)


def test_all_at_once(on_time: Workshop) -> None:
    assert runs(on_time) == [
        (91, "second", "etl", at(1, 10), at(2, 9), "Cancelled", False),
        (96, "second", "etl", at(3, 9), at(3, 10), "Succeeded", False),
    ]


def test_day_by_day(spark: SparkSession, tmp_path: Path, on_time: Workshop) -> None:
    """A cancellation names another entity, the task's run: it finds the job's run by what that has looked up."""
    shop = workshop(spark, tmp_path)
    shop.logs.put(audit(0, 1, 2, 3))
    chain(shop, 0, 1)
    assert runs(shop) == [(91, "second", "etl", at(1, 10), None, None, True)]
    chain(shop, 2)
    assert runs(shop) == [
        (91, "second", "etl", at(1, 10), at(2, 9), "Cancelled", False),
        (95, "second", None, None, None, None, False),
    ], "the cancellation has come; run 95 has not started"
    chain(shop, 3)
    assert differences(shop, on_time, NAMES) == ""


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (2, 0, 3, 1)])
def test_days_in_another_order(spark: SparkSession, tmp_path: Path, on_time: Workshop, order: tuple[int, ...]) -> None:
    shop = workshop(spark, tmp_path)
    shop.logs.put(audit(0, 1, 2, 3))
    for day in order:
        chain(shop, day)
    assert differences(shop, on_time, NAMES) == ""


def test_a_repeated_load_writes_nothing(on_time: Workshop) -> None:
    before = on_time.versions()
    chain(on_time, 1, 2)
    assert on_time.versions() == before
