"""Runs of the assets, end to end on recorded event logs."""

import asyncio
import datetime as dt
import os
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import deltalake
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.loader import LoadingContextForTest
from pyspark.sql import DataFrame

from overwatch_assets.contract.registry import modules
from overwatch_assets.contract.table import Table
from overwatch_assets.orchestration import checks as checks_module
from overwatch_assets.orchestration.partitions import RANGE_END, RANGE_START
from overwatch_assets.orchestration.state import state_of
from overwatch_assets.runner.state import PIPELINE_REPORT
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.scan import scan
from overwatch_assets_tests.orchestration.worlds import World

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

BRONZE = ("audit_log_bronze", "clusters_snapshot_bronze", "spark_events_bronze")
JOBS = (*BRONZE, "spark_jobs_silver", "sparkjob_gold")


@pytest.fixture
def full(world: World) -> World:
    """Two applications in 123, one each day; one application in 456, on the second day.

    Their jobs and tasks, as Spark counted them: etl 20 and 133, failures 7 and 64, stream 15 and 74.
    """
    world.log("123", "etl-spark42.zstd", "2024-05-01T10:00", "app-20240501100000-0001")
    world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-20240502100000-0002")
    world.log("456", "stream-spark42.zstd", "2024-05-02T11:00", "app-20240502110000-0003")
    return world


def run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    first: str,
    last: str,
    job: str = "all_job",
    only: Sequence[str] | None = None,
) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags={RANGE_START: first, RANGE_END: last},
        asset_selection=None if only is None else [dg.AssetKey(n) for n in only],
        raise_on_error=False,
    )


def materialize(
    world: World, instance: dg.DagsterInstance, names: Sequence[str], key: str, *more: dg.AssetsDefinition
) -> dg.ExecuteInProcessResult:
    """One partition, without retries."""
    assets, resources = world.assets()
    chosen = [*more, *names]
    return dg.materialize(
        [*assets, *more],
        selection=dg.AssetSelection.assets(*chosen),
        partition_key=key,
        instance=instance,
        resources=resources,
        raise_on_error=False,
    )


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Mapping[str, object]]:
    """What stands on each partition of a table."""
    return {
        str(m.partition): {key: value.value for key, value in m.metadata.items()}
        for m in (e.materialization for e in result.all_events if e.is_step_materialization)
        if m.asset_key == dg.AssetKey(name)
    }


def rows(result: dg.ExecuteInProcessResult, name: str) -> dict[str, object]:
    return {key: said["dagster/partition_row_count"] for key, said in metadata(result, name).items()}


def failure(result: dg.ExecuteInProcessResult, step: str) -> str:
    (failed,) = [e for e in result.all_events if e.is_step_failure and e.step_key == step]
    error = failed.step_failure_data.error
    assert error is not None
    return error.message


def checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    return {(e.asset_key.to_user_string(), e.check_name): e for e in result.get_asset_check_evaluations()}


def test_range_of_two_workspaces_and_two_days(
    full: World, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    result = run(definitions, instance, "2024-05-01|123", "2024-05-02|456")
    assert result.success
    assert rows(result, "spark_jobs_silver") == {
        "2024-05-01|123": 20,
        "2024-05-02|123": 7,
        "2024-05-01|456": 0,
        "2024-05-02|456": 15,
    }
    assert rows(result, "sparktask_gold") == {
        "2024-05-01|123": 133,
        "2024-05-02|123": 64,
        "2024-05-01|456": 0,
        "2024-05-02|456": 74,
    }
    said = metadata(result, "spark_jobs_silver")
    assert said["2024-05-01|123"]["status"] == "SUCCESS"
    assert said["2024-05-01|123"]["window"] == "2024-05-01 to 2024-05-02"
    assert said["2024-05-01|456"]["status"] == "EMPTY: before the workspace's primordial date, 2024-05-02"
    assert said["2024-05-02|456"]["window"] == "2024-05-02"
    assert metadata(result, "audit_log_bronze")["2024-05-01|123"]["status"] == "EMPTY: the scope audit is excluded"
    found = checks(result)
    assert {t.name for t in modules()} == {name for name, _ in found}
    assert [check for check, evaluated in found.items() if not evaluated.passed] == []
    # The same again: nothing is written, and every count stands.
    versions = {n: _version(full, n) for n in ("spark_events_bronze", "spark_jobs_silver", "sparkjob_gold")}
    again = run(definitions, instance, "2024-05-01|123", "2024-05-02|456", only=JOBS)
    assert again.success
    assert rows(again, "sparkjob_gold") == rows(result, "sparkjob_gold")
    assert versions == {n: _version(full, n) for n in versions}


def _version(world: World, name: str) -> int:
    return len(list((world.home / "store/123/overwatch_etl.db" / name / "_delta_log").glob("*.json")))


def test_rows_carry_the_run_and_the_stated_clock(full: World, instance: dg.DagsterInstance) -> None:
    assets, resources = full.assets()
    result = dg.materialize(
        assets,
        selection=[*BRONZE],
        partition_key="2024-05-02|456",
        instance=instance,
        resources=resources,
        tags={"overwatch/now": "2024-05-02T11:00:30+00:00"},
    )
    (loaded,) = [r for r in state_of(full.deployment, "456").report if r.module_id == 1006]
    moment = dt.datetime(2024, 5, 2, 11, 0, 30, tzinfo=dt.UTC)
    assert loaded.window.until_ms == loaded.snap_ms == round(moment.timestamp() * 1000)
    found = scan(
        Location(full.deployment.table_root("456")), PIPELINE_REPORT, '"Overwatch_RunID" AS id', organization_id="456"
    )
    assert found is not None
    assert set(found.column("id").to_pylist()) == {result.run_id.replace("-", "")}


def test_reversed_range_fails(full: World, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    result = run(definitions, instance, "2024-05-01|456", "2024-05-02|123", "bronze_job")
    assert not result.success
    assert "audit_log_bronze: the run has no partition" in _cause(result, "audit_log_bronze")


def _cause(result: dg.ExecuteInProcessResult, step: str) -> str:
    (failed,) = [e for e in result.all_events if e.is_step_failure and e.step_key == step]
    error = failed.step_failure_data.error
    assert error is not None
    return error.to_string()


def test_account_key_of_a_workspace_table_is_empty(full: World, instance: dg.DagsterInstance) -> None:
    result = materialize(full, instance, JOBS, "2024-05-02|account")
    assert result.success
    assert metadata(result, "sparkjob_gold") == {
        "2024-05-02|account": {
            "status": "EMPTY: the table has no account-wide rows",
            "dagster/partition_row_count": 0,
        }
    }


def test_failing_workspace_beside_a_good_one_then_ineligible(
    full: World, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """456's folder is away: 123 is loaded and recorded, the step fails naming 456 alone, silver waits for the next run."""
    full.logs("456").rename(full.home / "away")
    assets, resources = full.assets()
    selection = dg.AssetSelection.assets(*JOBS)
    job = dg.Definitions(assets, resources=resources, jobs=[dg.define_asset_job("some", selection)])
    failed = run(job, instance, "2024-05-02|123", "2024-05-02|456", "some")
    assert not failed.success
    sentence = failure(failed, "spark_events_bronze")
    assert "spark_events_bronze failed for workspace 456: There is nothing at" in sentence
    assert "123:" not in sentence
    events, jobs = dg.AssetKey("spark_events_bronze"), dg.AssetKey("spark_jobs_silver")
    assert instance.get_materialized_partitions(events) == {"2024-05-02|123"}
    assert instance.get_materialized_partitions(jobs) == set()
    # A later run of silver alone: right for the good workspace, refused for the other, without a retry.
    good = materialize(full, instance, ["spark_jobs_silver"], "2024-05-02|123")
    assert good.success
    assert rows(good, "spark_jobs_silver") == {"2024-05-02|123": 7}
    only = run(definitions, instance, "2024-05-02|456", "2024-05-02|456", "silver_job", ["spark_jobs_silver"])
    assert "spark_events_bronze is not loaded for 2024-05-02" in failure(only, "spark_jobs_silver")
    assert [e for e in only.all_events if e.is_step_up_for_retry] == []
    # The next run, with the folder there again, heals it.
    (full.home / "away").rename(full.logs("456"))
    healed = run(definitions, instance, "2024-05-02|456", "2024-05-02|456", only=JOBS)
    assert healed.success
    assert rows(healed, "spark_jobs_silver") == {"2024-05-02|456": 15}


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_users_asset_gets_the_rows_of_its_partitions(full: World, instance: dg.DagsterInstance) -> None:
    counted = []

    assets, resources = full.assets()
    partitions = assets[0].partitions_def

    @dg.asset(partitions_def=partitions, backfill_policy=assets[0].backfill_policy, io_manager_key="memory")
    def jobs_of_the_day(sparkjob_gold: DataFrame) -> None:
        counted.append(sparkjob_gold.count())

    for key in ("2024-05-01|123", "2024-05-02|123"):
        result = dg.materialize(
            [*assets, jobs_of_the_day],
            selection=dg.AssetSelection.assets(*JOBS, "jobs_of_the_day"),
            partition_key=key,
            instance=instance,
            resources={**resources, "memory": dg.mem_io_manager},
        )
        assert result.success
    assert counted == [20, 7]


def test_checks_find_doubled_keys_holes_and_what_is_stale(
    full: World, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    for day in ("2024-05-01|123", "2024-05-03|123"):
        assert run(definitions, instance, day, day, only=(*JOBS, "spark_stages_silver")).success
    # Silver's rows twice, behind the runner's back; and a late log of a day that is loaded.
    table = full.home / "store/123/overwatch_etl.db/spark_jobs_silver"
    stored = deltalake.DeltaTable(table)
    deltalake.write_deltalake(table, stored.to_pyarrow_table().slice(0, 3), mode="append")
    late = full.log("123", "failures-spark42.zstd", "2024-05-01T15:00", "app-20240501150000-0009")
    os.utime(late, None)
    result = run(definitions, instance, "2024-05-01|123", "2024-05-01|123", "bronze_job")
    assert result.success
    assert checks(result)["spark_events_bronze", "no_holes"].description == "workspace 123: 2024-05-02 is not loaded"
    # Silver was not in that run; it is told to be stale nevertheless.
    told = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(dg.AssetKey("spark_stages_silver"), "up_to_date")]
    )
    (record,) = told.values()
    event = record.event
    assert event is not None
    evaluation = event.dagster_event.event_specific_data  # type: ignore[union-attr]
    assert (evaluation.passed, evaluation.description) == (
        False,
        "workspace 123: 2024-05-01, after a change of spark_events_bronze",
    )
    # Day 3 alone does not look at the doubled rows of day 1; the checks started by hand look at all days.
    day = run(definitions, instance, "2024-05-03|123", "2024-05-03|123", "silver_job", ["spark_jobs_silver"])
    assert checks(day)["spark_jobs_silver", "unique_key"].passed
    assert not checks(day)["spark_jobs_silver", "up_to_date"].passed
    by_hand = dg.define_asset_job("by_hand", dg.AssetSelection.checks_for_assets("spark_jobs_silver"))
    looked = dg.Definitions.merge(definitions, dg.Definitions(jobs=[by_hand])).resolve_job_def("by_hand")
    found = checks(looked.execute_in_process(instance=instance, raise_on_error=False))
    doubled = found["spark_jobs_silver", "unique_key"]
    assert (doubled.passed, doubled.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert doubled.description == "workspace 123: 3 keys have several rows"


def test_a_check_shows_what_was_seen_last_not_what_was_planned_last(
    full: World, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """Two workspaces side by side: the second one's run is planned later, and may look before the first one loads."""
    run(definitions, instance, "2024-05-01|123", "2024-05-01|123", "bronze_job")
    job = definitions.resolve_job_def("bronze_job")
    first, second = (
        instance.create_run_for_job(job, tags={RANGE_START: key, RANGE_END: key})
        for key in ("2024-05-03|123", "2024-05-02|456")
    )
    for each in (second, first):
        assert execute_run(InMemoryJob(job), each, instance).success
    key = dg.AssetCheckKey(dg.AssetKey("spark_events_bronze"), "no_holes")
    event = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key].event
    assert event is not None
    evaluation = event.get_dagster_event().event_specific_data
    assert isinstance(evaluation, dg.AssetCheckEvaluation)
    assert (evaluation.passed, evaluation.description) == (False, "workspace 123: 2024-05-02 is not loaded")


@pytest.mark.parametrize("within", [False, True], ids=["one after the other", "one within the other"])
def test_each_check_shows_a_result_whatever_the_order_of_runs_and_tables(
    full: World,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    *,
    within: bool,
) -> None:
    """Dagster shows the result of the run that was planned last, and none if another one made the table last."""
    job = definitions.resolve_job_def("bronze_job")
    first, last = (
        instance.create_run_for_job(job, tags={RANGE_START: key, RANGE_END: key})
        for key in ("2024-05-02|123", "2024-05-02|456")
    )
    waiting = [first]
    refused = checks_module._refused

    def between(table: Table, *given: Any) -> checks_module.Findings:
        """The check that is made last, of the table that is loaded last."""
        if within and waiting and table.name == BRONZE[-1]:
            assert execute_run(InMemoryJob(job), waiting.pop(), instance).success
        return refused(table, *given)

    monkeypatch.setattr(checks_module, "_refused", between)
    assert execute_run(InMemoryJob(job), last, instance).success
    if waiting:
        assert not within
        assert execute_run(InMemoryJob(job), waiting.pop(), instance).success
    keys = [k for k in definitions.resolve_asset_graph().asset_check_keys if k.asset_key.to_user_string() in BRONZE]
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    shown = {
        key: asyncio.run(record.targets_latest_materialization(LoadingContextForTest(instance)))
        for key, record in found.items()
    }
    assert shown == dict.fromkeys(keys, True)


def test_a_check_sees_what_another_workspace_loaded_since_the_run_began(
    full: World, definitions: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(definitions, instance, "2024-05-01|123", "2024-05-01|123", "bronze_job")
    refused = checks_module._refused

    def meanwhile(table: Table, *given: Any) -> checks_module.Findings:
        """After the first check's look at all workspaces."""
        if table.name == BRONZE[0]:
            monkeypatch.setattr(checks_module, "_refused", refused)
            assert run(definitions, instance, "2024-05-03|123", "2024-05-03|123", "bronze_job").success
        return refused(table, *given)

    monkeypatch.setattr(checks_module, "_refused", meanwhile)
    found = checks(run(definitions, instance, "2024-05-02|456", "2024-05-02|456", "bronze_job"))
    assert found[BRONZE[0], "no_holes"].passed
    later = found["spark_events_bronze", "no_holes"]
    assert (later.passed, later.description) == (False, "workspace 123: 2024-05-02 is not loaded")


def test_a_workspace_whose_report_cannot_be_read_is_found_by_the_others_checks_and_stops_none(
    full: World, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    full.break_report("123")
    result = run(definitions, instance, "2024-05-02|456", "2024-05-02|456", only=(*BRONZE, "spark_jobs_silver"))
    assert result.success
    assert rows(result, "spark_jobs_silver") == {"2024-05-02|456": 15}
    found = checks(result)["spark_jobs_silver", "no_holes"]
    assert not found.passed
    assert (found.description or "").startswith("workspace 123: pipeline_report of workspace 123 at ")
