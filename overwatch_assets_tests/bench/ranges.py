"""A month of one workspace, loaded by the runner alone and as Dagster assets: `… ranges (runner|dagster) HOME`."""

import datetime as dt
import os
import sys
from pathlib import Path

from overwatch_assets.sample.demo import set_up_instance
from overwatch_assets_tests.orchestration.worlds import World, make_world

FIRST, DAYS = dt.date(2024, 5, 1), 31
LOGS = ("etl-spark42.zstd", "failures-spark42.zstd", "notebooks-spark42.zstd", "stream-spark42.zstd")  # of each day
WORKSPACE = "123"


def make(home: Path) -> float:
    """Write the workspace's logs and deployment, and return how many megabytes they are."""
    home.mkdir()
    world = make_world(home)
    written = 0
    for day in (FIRST + dt.timedelta(n) for n in range(DAYS)):
        for number, log in enumerate(LOGS):
            file = world.log(WORKSPACE, log, f"{day}T{10 + number}:00", f"app-{day:%Y%m%d}100000-{number:04}")
            written += file.stat().st_size
    return written / 1e6


def by_runner(home: Path) -> None:
    """Load every table for the days, as the library does it."""
    from overwatch_assets.contract.registry import modules
    from overwatch_assets.engine.session import session
    from overwatch_assets.runner.runner import Runner
    from overwatch_assets.sources.registry import Sources
    from overwatch_assets.sources.standard import workspace_readers
    from overwatch_assets.storage.location import Location
    from overwatch_assets.storage.tables import TableStore

    workspace = next(w for w in World(home).deployment.workspaces if w.workspace_id == WORKSPACE)
    with session() as spark:
        store = TableStore(spark, Location(workspace.table_root(external_metastore=False)), WORKSPACE)
        runner = Runner(workspace, store, Sources(workspace_readers(None)), dt.datetime.now(dt.UTC))
        for result in runner.load_all(modules(), [FIRST + dt.timedelta(n) for n in range(DAYS)]):
            sys.stdout.write(f"{result.table} {result.window}: {result.status}, {result.seconds:.1f} s\n")


def by_dagster(home: Path) -> None:
    """Materialize the range of partitions in one run, with its checks."""
    os.environ["OVERWATCH_DEPLOYMENT"] = World(home).path
    os.environ["DAGSTER_HOME"] = str(home / "dagster")
    Path(os.environ["DAGSTER_HOME"]).mkdir()
    set_up_instance(Path(os.environ["DAGSTER_HOME"]))
    import dagster as dg

    from overwatch_assets.definitions import defs
    from overwatch_assets.orchestration.partitions import range_tags

    with dg.DagsterInstance.get() as instance:
        done = defs.resolve_job_def("all_job").execute_in_process(
            instance=instance, tags=range_tags(WORKSPACE, FIRST, FIRST + dt.timedelta(DAYS - 1))
        )
    assert done.success


if __name__ == "__main__":
    {"runner": by_runner, "dagster": by_dagster}[sys.argv[1]](Path(sys.argv[2]))
