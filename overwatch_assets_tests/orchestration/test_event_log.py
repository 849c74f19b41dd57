"""Dagster's event log with connections that stay open: the same files, told and read by the two alike."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import dagster as dg
import pytest
from dagster._check import CheckError
from dagster._core.storage.event_log import SqliteEventLogStorage

from overwatch_assets.orchestration import event_log
from overwatch_assets.orchestration.event_log import EventLog

DAYS = dg.StaticPartitionsDefinition(["one", "two"])


@dg.asset(partitions_def=DAYS)
def table() -> None:
    pass


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dagster.yaml").write_text((files("overwatch_assets.orchestration") / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def job() -> dg.JobDefinition:
    jobs = [dg.define_asset_job("load", [table])]
    return dg.Definitions([table], jobs=jobs, resources={"io_manager": dg.mem_io_manager}).resolve_job_def("load")


def materialize(instance: dg.DagsterInstance, key: str) -> str:
    return job().execute_in_process(instance=instance, partition_key=key).run_id


def materialize_range(instance: dg.DagsterInstance, first: str, last: str) -> str:
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return job().execute_in_process(instance=instance, tags=tags).run_id


def told(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [e.dagster_event_type.value for e in instance.all_logs(run_id) if e.dagster_event_type]


def test_what_it_wrote_dagsters_own_class_reads_and_the_other_way_round(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, EventLog)
        first = materialize(instance, "one")
        said = told(instance, first)
    assert {"PIPELINE_START", "STEP_SUCCESS", "PIPELINE_SUCCESS"} <= set(said)
    assert said.count("ASSET_MATERIALIZATION") == 1
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.get() as instance:
        assert type(instance.event_log_storage) is SqliteEventLogStorage
        assert told(instance, first) == said
        second = materialize(instance, "two")
        assert instance.get_materialized_partitions(table.key) == {"one", "two"}
    (home / "dagster.yaml").write_text((files("overwatch_assets.orchestration") / "dagster.yaml").read_text())
    with dg.DagsterInstance.get() as instance:
        assert told(instance, first) == said
        assert len(told(instance, second)) == len(said)
        assert instance.get_materialized_partitions(table.key) == {"one", "two"}


def test_of_many_runs_few_databases_are_open(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "_OPEN", 2)
    with dg.DagsterInstance.get() as instance:
        log = instance.event_log_storage
        assert isinstance(log, EventLog)
        runs = [materialize(instance, "one") for _ in range(3)]
        assert all(len(told(instance, run)) == len(told(instance, runs[0])) > 0 for run in [*runs, *runs])
        assert len(log._engines) == 2


def test_a_range_of_partitions_is_told_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    store = EventLog.store_event_batch

    def counted(log: EventLog, events: Sequence[dg.EventLogEntry]) -> None:
        batches.append(len(events))
        store(log, events)

    monkeypatch.setattr(EventLog, "store_event_batch", counted)
    with dg.DagsterInstance.get() as instance:
        run = materialize_range(instance, "one", "two")
        assert batches == [2, 2], "planned, and made"
        assert told(instance, run).count("ASSET_MATERIALIZATION") == 2
        assert instance.get_materialized_partitions(table.key) == {"one", "two"}


def index_of(runs: Path) -> list[list[tuple[object, ...]]]:
    queries = (
        "SELECT id, run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition FROM event_logs",
        "SELECT asset_key, last_materialization, last_run_id, last_materialization_timestamp FROM asset_keys",
        "SELECT asset_key, event_id, key, value, event_timestamp FROM asset_event_tags",
    )
    with closing(sqlite3.connect(runs / "index.db")) as index:
        return [sorted(index.execute(query)) for query in queries]


def test_batches_are_stored_as_dagsters_own_class_stores_each_event(home: Path, tmp_path: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        runs = [materialize_range(instance, "one", "two"), materialize_range(instance, "two", "two")]
        events = [event for run in runs for event in instance.all_logs(run)]
    theirs = SqliteEventLogStorage(str(tmp_path / "theirs"))
    for event in events:
        theirs.store_event(event)
    theirs.dispose()
    ours = index_of(home / "history" / "runs")
    assert ours == index_of(tmp_path / "theirs")
    assert [len(rows) > 0 for rows in ours] == [True, True, True]


def test_of_a_batch_that_fails_nothing_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(log: EventLog, event: dg.EventLogEntry) -> None:
        # What came before it in the batch is in the databases' transactions by now.
        assert log._held.keys() == {event.run_id, "index"}
        raise CheckError("refused")

    with dg.DagsterInstance.get() as instance:
        run = materialize(instance, "one")
        log = instance.event_log_storage
        made = [e for e in instance.all_logs(run) if e.dagster_event_type is dg.DagsterEventType.ASSET_MATERIALIZATION]
        last = [e for e in instance.all_logs(run) if e.dagster_event_type is dg.DagsterEventType.STEP_SUCCESS]
        before, index = told(instance, run), index_of(home / "history" / "runs")
        with monkeypatch.context() as patched:
            patched.setattr(EventLog, "store_event", refused)
            with pytest.raises(CheckError):
                log.store_event_batch([*made, *last])
        assert told(instance, run) == before
        assert index_of(home / "history" / "runs") == index
        log.store_event_batch(made)
        assert told(instance, run) == [*before, "ASSET_MATERIALIZATION"]


def test_what_another_process_writes_is_seen(home: Path) -> None:
    with dg.DagsterInstance.get() as reader, dg.DagsterInstance.get() as writer:
        assert reader.get_materialized_partitions(table.key) == set()
        materialize(writer, "one")
        assert reader.get_materialized_partitions(table.key) == {"one"}


def test_a_wiped_log_is_empty_and_begins_anew(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        run = materialize(instance, "one")
        instance.wipe()
        assert told(instance, run) == []
        assert instance.get_materialized_partitions(table.key) == set()
        materialize(instance, "two")
        assert instance.get_materialized_partitions(table.key) == {"two"}
