"""What the tests of sources share: a workspace in a folder, loaded through the runner."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pyspark.sql import SparkSession

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.contract.registry import tables
from overwatch_assets.rules.days import day_start_ms
from overwatch_assets.runner.runner import Result, Runner
from overwatch_assets.runner.window import Window
from overwatch_assets.sample.server import Known, SampleApi
from overwatch_assets.sources.registry import Sources
from overwatch_assets.sources.rest import ApiSettings
from overwatch_assets.sources.standard import standard_sources
from overwatch_assets.sources.workspace_api import WorkspaceApi
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore

DAY1, DAY2, DAY3 = (dt.date(2024, 5, n) for n in (1, 2, 3))
ORG = "123"
TOKEN = "dapi-test"
FAST = ApiSettings(requests_per_second=1000, request_seconds=5, api_waiting_seconds=1)
START, NOON = day_start_ms(DAY2), day_start_ms(DAY2) + 12 * 3_600_000


def at(day: dt.date, hour: int = 12) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, hour, tzinfo=dt.UTC)


@dataclass
class World:
    """A workspace whose tables and audit logs lie under a folder."""

    spark: SparkSession
    folder: Path
    fields: Mapping[str, Any]

    @property
    def audit(self) -> Path:
        return self.folder / "audit"

    @property
    def workspace(self) -> Workspace:
        given = {
            "workspace_name": "prod",
            "workspace_id": ORG,
            "cloud": "AWS",
            "workspace_url": "http://127.0.0.1:1",
            "primordial_date": "2024-05-01",
            "storage_prefix": str(self.folder / "ow"),
            "etl_database_name": "etl",
            "consumer_database_name": "consumer",
            "auditlogprefix_source_path": str(self.audit),
        }
        return Workspace.model_validate(given | dict(self.fields))

    @property
    def store(self) -> TableStore:
        return TableStore(self.spark, Location(self.workspace.table_root(external_metastore=False)), ORG)

    def runner(self, now: dt.datetime, sources: Sources | None = None) -> Runner:
        return Runner(self.workspace, self.store, sources or standard_sources(self.workspace), now)

    def load(
        self, table: str, *days: dt.date, now: dt.datetime | None = None, sources: Sources | None = None
    ) -> Result:
        """Load one table for one window of whole days, cut at `now`."""
        runner = self.runner(now or at(max(days) + dt.timedelta(days=1), 0), sources)
        (window,) = runner.windows(days)
        return runner.load(tables()[table], window)

    def rows(self, table: str) -> list[dict[str, Any]]:
        contract = tables()[table]
        frame = self.store.read(contract).select(*contract.compared)
        return [row.asDict(recursive=True) for row in frame.collect()]

    def deliver(self, day: dt.date, name: str, lines: Iterable[str | Mapping[str, Any]]) -> Path:
        folder = self.audit / f"date={day}"
        folder.mkdir(parents=True, exist_ok=True)
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        (folder / name).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        return folder / name


class ApiWorld(World):
    """A world with an API, which tells what is `known`."""

    api: SampleApi
    known: Known

    def sources(self) -> Sources:
        def connect() -> WorkspaceApi:
            return WorkspaceApi.with_token(self.api.url, TOKEN, workspace="prod", secret="env:PAT", settings=FAST)

        return standard_sources(self.workspace, api_factory=connect)

    @classmethod
    @contextmanager
    def serving(cls, spark: SparkSession, folder: Path) -> "Iterator[Self]":
        world = cls(spark, folder, {})
        world.audit.mkdir()
        world.known = Known()
        with SampleApi({TOKEN: lambda: world.known}) as api:
            world.api = api
            yield world


def event(service: str, action: str, params: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A delivered audit record at noon of the second day."""
    return {
        "version": "2.0",
        "auditLevel": "WORKSPACE_LEVEL",
        "timestamp": NOON,
        "sourceIPAddress": "10.20.30.40",
        "userIdentity": {"email": "ana@example.com"},
        "serviceName": service,
        "actionName": action,
        "requestId": "r1",
        "requestParams": params or {},
        "response": {"statusCode": 200, "errorMessage": None, "result": None},
        **fields,
    }


AZURE = {"cloud": "Azure", "auditlogprefix_source_path": None}  # fields of a workspace whose audit logs are in a hub


def azure(folder: Path, **fields: Any) -> Workspace:
    """Such a workspace."""
    return World(None, folder, {**AZURE, "eh_name": "cloud", **fields}).workspace  # type: ignore[arg-type]  # no tables


def window(*days: dt.date) -> Window:
    return Window(day_start_ms(min(days)), day_start_ms(max(days) + dt.timedelta(days=1)))
