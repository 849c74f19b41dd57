"""Loads of several tables of one window, two at a time."""

import datetime as dt
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from overwatch_assets.cli.event_logs import spark_tables
from overwatch_assets.cli.where import spark_only
from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import Table
from overwatch_assets.errors import LeaseError, StorageError
from overwatch_assets.runner.runner import Result, Runner
from overwatch_assets.runner.window import Window
from overwatch_assets.sources.registry import Sources
from overwatch_assets.storage.lease import Lease, lease
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore

WINDOW = Window(0, 86_400_000)


class Watched(Runner):
    """Loads nothing; says when each load began and ended, under which lease, and fails where it is told to."""

    told: list[tuple[str, str]]
    leases: set[int]
    lock: threading.Lock
    failing: str = ""
    most = 0

    def _load(self, table: Table, window: Window, held: Lease) -> Result:
        with self.lock:
            self.told.append(("begin", table.name))
            self.leases.add(held.number)
            self.most = max(self.most, 2 * sum(w == "begin" for w, _ in self.told) - len(self.told))
        time.sleep(0.01)
        with self.lock:
            self.told.append(("end", table.name))
        if table.name == self.failing:
            raise StorageError(f"{table.name} is broken")
        return Result(table.name, window, "SUCCESS", {}, 0.0)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    workspace = spark_only(str(tmp_path), "1", ())
    nothing: Any = None
    runner = Watched(workspace, TableStore(nothing, Location(str(tmp_path)), "1"), Sources(), dt.datetime.now(dt.UTC))
    runner.told, runner.leases, runner.lock = [], set(), threading.Lock()
    return runner


def test_each_table_begins_when_its_upstreams_have_ended(watched: Watched) -> None:
    wanted = spark_tables()
    results = list(watched.load_side_by_side(wanted, WINDOW))
    assert {r.table for r in results} == {t.name for t in wanted}
    names = {t.name for t in wanted}
    for table in wanted:
        for upstream in set(table.upstreams) & names:
            assert watched.told.index(("end", upstream)) < watched.told.index(("begin", table.name))
    assert watched.most == 2
    assert len(watched.leases) == 1


def test_what_most_tables_wait_for_begins_first(watched: Watched) -> None:
    wanted = [tables()[n] for n in ("instancepool_gold", "cluster_gold", "job_status_silver", "jobrun_silver")]
    list(watched.load_side_by_side(wanted, WINDOW))
    begun = [name for what, name in watched.told if what == "begin"]
    assert set(begun[:2]) == {"job_status_silver", "instancepool_gold"}


def test_what_a_failed_table_is_needed_for_is_not_loaded(watched: Watched) -> None:
    watched.failing = "spark_jobs_silver"
    with pytest.raises(StorageError, match="spark_jobs_silver is broken"):
        list(watched.load_side_by_side(spark_tables(), WINDOW))
    assert ("begin", "sparkjob_gold") not in watched.told
    # The lease is free again.
    with lease(watched.store.location, wait_s=0.0) as held:
        held.check()


def test_another_process_that_loads_is_waited_for(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    with lease(watched.store.location):
        monkeypatch.setattr("overwatch_assets.runner.runner.lease", lambda location: lease(location, wait_s=0.0))
        with pytest.raises(LeaseError):
            list(watched.load_side_by_side(spark_tables(), WINDOW))
    assert watched.told == []
