"""The real daemon, as a user has it: a new log becomes a run, and then nothing more is asked for."""

import datetime as dt
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef
from dagster._core.scheduler.instigation import TickStatus

from overwatch_assets.orchestration.partitions import RANGE_END, RANGE_START
from overwatch_assets_tests.orchestration.worlds import World

WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"


def wait_for(what: str, found: Callable[[], bool], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.5)


@pytest.mark.engine
@pytest.mark.timeout(600)
def test_daemon_turns_a_new_log_into_a_run_and_stays_quiet(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    (home / "dagster.yaml").write_text((files("overwatch_assets.orchestration") / "dagster.yaml").read_text())
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "OVERWATCH_DEPLOYMENT": world.path,
        "OVERWATCH_SENSOR_MIN_MINUTES": "0",
    }
    location = ["-w", str(WORKSPACE)]
    subprocess.run(
        [shutil.which("dagster", path=Path(sys.executable).parent), "sensor", "start", "new_cluster_logs", *location],
        env=environment,
        cwd=WORKSPACE.parent,
        check=True,
        capture_output=True,
    )
    world.log("456", "failures-spark42.zstd", "2024-05-02T23:59:30", "app-20240502235930-0001")  # over midnight
    said = (tmp_path / "daemon.log").open("wb")
    daemon = subprocess.Popen(
        [sys.executable, "-m", "dagster._daemon", "run", *location],
        env=environment,
        cwd=WORKSPACE.parent,
        stdout=said,
        stderr=subprocess.STDOUT,
    )
    try:
        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home))) as instance:
            wait_for("a run", lambda: bool(instance.get_runs()))
            (run,) = instance.get_runs()
            assert (run.tags[RANGE_START], run.tags[RANGE_END]) == ("2024-05-02|456", "2024-05-03|456")
            wait_for("its end", lambda: instance.get_runs()[0].is_finished)
            (run,) = instance.get_runs()
            assert run.status == dg.DagsterRunStatus.SUCCESS
            ended = dt.datetime.now(dt.UTC).timestamp()

            def quiet() -> int:
                (state,) = instance.all_instigator_state()
                ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
                return sum(t.timestamp > ended and t.status == TickStatus.SKIPPED for t in ticks)

            wait_for("two ticks without a request", lambda: quiet() >= 2)
            assert len(instance.get_runs()) == 1
            key = dg.AssetKey("sparkjob_gold")
            assert instance.get_materialized_partitions(key) == {"2024-05-02|456", "2024-05-03|456"}
            said_of = instance.fetch_materializations(key, limit=10).records
            counts = [r.asset_materialization.metadata["dagster/partition_row_count"].value for r in said_of]
            assert len(counts) == 2
            assert sum(counts) == 7  # the application's jobs
    finally:
        daemon.terminate()
        daemon.wait(30)
        said.close()
