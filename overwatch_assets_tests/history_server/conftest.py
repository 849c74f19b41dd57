import datetime as dt
import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.cli.event_logs import spark_tables
from overwatch_assets.config.deployment import Workspace
from overwatch_assets.contract.registry import tables
from overwatch_assets.rules.days import day_start_ms
from overwatch_assets.runner.runner import Runner
from overwatch_assets.runner.window import Window
from overwatch_assets.sample.record.__main__ import RECORDED
from overwatch_assets.sample.record.manifest import describe
from overwatch_assets.sources.registry import Sources
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore
from overwatch_assets_tests.history_server.server import HistoryServer, history_server, place_log


def lines_of(log: Path) -> list[bytes]:
    """The records of a log in their order."""
    with zstandard.ZstdDecompressor().stream_reader(log.read_bytes(), read_across_frames=True) as text:
        return text.read().splitlines()


def _logs() -> list[dict[str, Any]]:
    recorded = [RECORDED / entry["name"] for entry in json.loads((RECORDED / "manifest.json").read_text())]
    return [{"path": path, **describe(lines_of(path))} for path in (*recorded, LOCAL)]


LOCAL = Path(__file__).parent / "local_mode" / "local.zstd"
LOGS = _logs()
"""The sample's recorded logs, and one of local mode; each with what `describe` counts in it."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HistoryServer]:
    """A History Server with all logs."""
    work = tmp_path_factory.mktemp("history-server")
    logs = work / "logs"
    logs.mkdir()
    for log in LOGS:
        place_log(log["path"], log["app_id"], logs)
    with history_server(logs, work) as running:
        running.wait_for(len(LOGS))
        yield running


@pytest.fixture(scope="session")
def gold(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], DataFrame]:
    """The Spark gold tables of the logs, loaded by the runner; by name."""
    root = str(tmp_path_factory.mktemp("store"))
    first = min(log["first_ms"] for log in LOGS)
    last = max(log["last_ms"] for log in LOGS)
    days = [dt.datetime.fromtimestamp(ms / 1000, dt.UTC).date() for ms in (first, last)]
    workspace = Workspace(
        workspace_name="recorded",
        workspace_id="1",
        cloud="AWS",
        primordial_date=days[0],
        storage_prefix=root,
        etl_database_name="overwatch_etl",
        consumer_database_name="overwatch",
        max_days=1000,
        excluded_scopes="audit:clusters:clusterEvents:pools:jobs:accounts:notebooks:dbsql:notebookCommands:warehouseEvents",
        cluster_log_prefixes=[str(log["path"]) for log in LOGS],
    )
    store = TableStore(spark, Location(workspace.table_root(external_metastore=False)), "1")
    tomorrow = days[1] + dt.timedelta(days=1)
    runner = Runner(workspace, store, Sources(), dt.datetime.combine(tomorrow, dt.time(), dt.UTC))
    window = Window(day_start_ms(days[0]), day_start_ms(tomorrow))
    for each in (tables()["spark_events_bronze"], *spark_tables()):
        runner.load(each, window)

    @functools.cache
    def table(name: str) -> DataFrame:
        return store.read(tables()[name])

    return table
