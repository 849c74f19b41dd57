"""A deployment opened for work: its session, and a runner for each of its workspaces."""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from overwatch_assets.config.deployment import Deployment
from overwatch_assets.engine.session import session
from overwatch_assets.runner.context import Progress, silent
from overwatch_assets.runner.runner import Runner
from overwatch_assets.sources.registry import Sources
from overwatch_assets.sources.standard import standard_sources
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass
class Platform:
    """The workspaces of a deployment on one Spark session.

    Attributes:
        deployment: the settings.
        spark: the session, shared by all workspaces.
        sources: readers for some workspaces in place of the standard ones.
    """

    deployment: Deployment
    spark: "SparkSession"
    sources: Mapping[str, Sources] = field(default_factory=dict)
    _stores: dict[str, TableStore] = field(default_factory=dict)

    def store(self, workspace_id: str) -> TableStore:
        """Tables of one workspace."""
        if workspace_id not in self._stores:
            root = self.deployment.table_root(workspace_id)
            self._stores[workspace_id] = TableStore(
                self.spark, Location(root), workspace_id, shared=self.deployment.external_metastore
            )
        return self._stores[workspace_id]

    def runner(self, workspace_id: str, *, now: dt.datetime, run_id: str, progress: Progress = silent) -> Runner:
        """A runner for one workspace as of ``now``."""
        workspace = self.deployment.workspace(workspace_id)
        sources = self.sources.get(workspace_id) or standard_sources(workspace)
        return Runner(workspace, self.store(workspace_id), sources, now, run_id, progress)


@contextmanager
def opened(deployment: Deployment) -> Iterator[Platform]:
    """Start the deployment's engine, and stop it at the end."""
    engine = deployment.engine
    remote = engine.remote_url()
    with session(
        engine.kind, remote=None if remote is None else remote.get_secret_value(), config=engine.spark_config()
    ) as spark:
        yield Platform(deployment, spark)
