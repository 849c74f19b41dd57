"""The history of jobs ends in the same rows whatever was loaded first, also where a late record leaves fewer."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.sources.audit_logs import read_audit_logs
from overwatch_assets.sources.registry import Sources
from overwatch_assets_tests.laws.workshop import Workshop, differences
from overwatch_assets_tests.laws.worlds import DAYS, File, at
from overwatch_assets_tests.silver.test_job_status_silver import said, seen

pytestmark = pytest.mark.engine

NAMES = ("audit_log_bronze", "jobs_snapshot_bronze", "job_status_silver", "job_gold")
TASKS = [{"task_key": "a", "new_cluster": {"spark_conf": {"x.y": "1"}}}, {"task_key": "b"}]
SNAPSHOTS = {
    1: [seen(at(1, 12), name="first", tasks=TASKS), seen(at(1, 12), job_id=78, name="old")],
    3: [seen(at(3, 12), name="second", tasks=TASKS[1:]), seen(at(3, 12), job_id=78, name="old")],
}
LINES = {
    0: [said("create", at(0, 9), made=77, name="first", tasks=TASKS, request="r0")],
    1: [said("changeJobAcl", at(1, 9), request="r1")],
    2: [said("update", at(2, 9), new_settings={"name": "second"}, fields_to_remove=["tasks/a"], request="r2")],
    3: [said("delete", at(3, 19), job_id=78, request="r3"), said("changeJobAcl", at(3, 15), request="r4")],
}


def audit(days: tuple[int, ...]) -> dict[str, File]:
    return {
        f"audit/date={DAYS[day]}/auditlogs_0.json": File("\n".join(LINES[day]).encode(), at(3, 19.5)) for day in days
    }


def snapshots(load: Load) -> Reading:
    """What was answered on each day: a reply is held fixed."""
    rows = [row for day, shown in SNAPSHOTS.items() if DAYS[day] in load.window.days for row in shown]
    frame = load.store.spark.createDataFrame(rows, "job_id bigint, body string, fetched_ms bigint") if rows else None
    return Reading(frames=[frame]) if frame is not None else Reading(empty="never asked")


@pytest.fixture(scope="module")
def on_time(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    shop = workshop(spark, tmp_path_factory.mktemp("on-time"))
    shop.logs.put(audit((0, 1, 2, 3)))
    shop.chain(wanted=[tables()[name] for name in NAMES])
    return shop


def workshop(spark: SparkSession, root: Path) -> Workshop:
    return Workshop(spark, root, Sources({"audit_log_files": read_audit_logs, "workspace_jobs": snapshots}))


def actions(shop: Workshop, table: str = "job_gold") -> list[tuple[int, str]]:
    names = list(tables()[table].compared)
    found = [dict(zip(names, row, strict=True)) for row in shop.rows(table).elements()]
    return [(r["job_id"], r["action"]) for r in sorted(found, key=lambda r: (r["job_id"], r["unixTimeMS"]))]


def test_a_late_creation_removes_the_imputed_row(spark: SparkSession, tmp_path: Path, on_time: Workshop) -> None:
    shop = workshop(spark, tmp_path)
    wanted = [tables()[name] for name in NAMES]
    shop.logs.put(audit((1, 2, 3)))
    shop.chain(wanted=wanted)
    assert actions(shop)[:2] == [(77, "changeJobAcl"), (77, "snapImpute")]
    shop.logs.put(audit((0, 1, 2, 3)))
    shop.chain(DAYS[:1], wanted=wanted)
    assert differences(shop, on_time, NAMES) == ""
    assert actions(shop) == [
        (77, "create"),
        (77, "changeJobAcl"),
        (77, "update"),
        (77, "changeJobAcl"),
        (78, "snapImpute"),
        (78, "delete"),
    ]


def test_days_in_another_order(spark: SparkSession, tmp_path: Path, on_time: Workshop) -> None:
    shop = workshop(spark, tmp_path)
    shop.logs.put(audit((0, 1, 2, 3)))
    for day in (DAYS[2], DAYS[0], DAYS[3], DAYS[1]):
        shop.chain([day], wanted=[tables()[name] for name in NAMES])
    assert differences(shop, on_time, NAMES) == ""


def test_a_repeated_load_writes_nothing(on_time: Workshop) -> None:
    before = on_time.versions()
    on_time.chain(DAYS[1:3], wanted=[tables()[name] for name in NAMES])
    assert on_time.versions() == before
