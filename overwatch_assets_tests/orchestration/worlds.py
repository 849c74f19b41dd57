"""A small deployment of two workspaces, with recorded event logs at days of our own choice."""

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from overwatch_assets.config.deployment import Deployment
from overwatch_assets.orchestration import settings
from overwatch_assets.orchestration.assets import IO_MANAGER, table_assets
from overwatch_assets.orchestration.io_manager import DeltaIOManager
from overwatch_assets.orchestration.partitions import partitions_of
from overwatch_assets.orchestration.resources import SparkResource
from overwatch_assets.sample.logs import recorded, retime

_SCOPES = "audit:clusters:clusterEvents:pools:jobs:accounts:notebooks:dbsql:notebookCommands:warehouseEvents"


@dataclass(frozen=True)
class World:
    """Workspaces 123 (from 1 May 2024) and 456 (from 2 May), each with a folder of event logs."""

    home: Path

    @property
    def path(self) -> str:
        return str(self.home / "deployment.yaml")

    @property
    def deployment(self) -> Deployment:
        return settings.deployment(self.path)

    def logs(self, workspace_id: str) -> Path:
        return self.home / "logs" / workspace_id

    def log(self, workspace_id: str, recording: str, at: str, app_id: str, lines: int | None = None) -> Path:
        """Put a recorded application there, beginning at a time; its file is as old as a minute later."""
        began = dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC)
        written = list(retime(recorded(recording), start_ms=round(began.timestamp() * 1000), app_id=app_id))
        file = self.logs(workspace_id) / app_id
        file.write_bytes(b"".join(written[:lines]))
        os.utime(file, (began.timestamp() + 60, began.timestamp() + 60))
        return file

    def break_report(self, workspace_id: str) -> None:
        """Leave a report there that nobody can read."""
        log = Path(self.deployment.table_root(workspace_id)) / "pipeline_report" / "_delta_log"
        log.mkdir(parents=True)
        (log / f"{0:020}.json").write_text("no commit")

    def assets(self) -> tuple[list[dg.AssetsDefinition], dict[str, object]]:
        """The assets without retries, and the resources to materialize them with."""
        spark = SparkResource.configure_at_launch()  # reads OVERWATCH_DEPLOYMENT
        partitions = partitions_of(self.deployment)
        assets = table_assets(partitions, database="overwatch_etl", retry=None)
        return assets, {"spark": spark, IO_MANAGER: DeltaIOManager(spark=spark)}


def make_world(home: Path) -> World:
    world = World(home)
    workspace = """
  - workspace_name: {name}
    workspace_id: "{id}"
    cloud: AWS
    primordial_date: {primordial}
    storage_prefix: {home}/store
    etl_database_name: overwatch_etl
    consumer_database_name: overwatch
    excluded_scopes: "{scopes}"
    cluster_log_prefixes: ["{logs}"]
"""
    text = "workspaces:"
    for workspace_id, primordial in (("123", "2024-05-01"), ("456", "2024-05-02")):
        world.logs(workspace_id).mkdir(parents=True)
        text += workspace.format(
            name=f"w{workspace_id}",
            id=workspace_id,
            primordial=primordial,
            home=home,
            scopes=_SCOPES,
            logs=world.logs(workspace_id),
        )
    (home / "deployment.yaml").write_text(text)
    return world
