"""A workspace of the sample, of any cloud, loaded by the runner in this process as it is at the story's end."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
from pyspark.sql import SparkSession

from overwatch_assets.cli.where import deployment_of
from overwatch_assets.config.deployment import Workspace
from overwatch_assets.config.fields import Cloud
from overwatch_assets.contract.registry import modules, tables
from overwatch_assets.runner.runner import Runner
from overwatch_assets.sample import demo
from overwatch_assets.sample.server import SampleApi
from overwatch_assets.sample.story import DAYS, LOOKS, SampleWorkspace, story
from overwatch_assets.sample.warehouses import write_system_tables
from overwatch_assets.sample.world import write_until
from overwatch_assets.sources.rest import ApiSettings
from overwatch_assets.sources.standard import standard_sources
from overwatch_assets.sources.workspace_api import WorkspaceApi
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore

END = LOOKS[-1]
_FAST = ApiSettings(requests_per_second=1000)


@dataclass(frozen=True)
class Loaded:
    """A loaded workspace."""

    told: SampleWorkspace
    workspace: Workspace

    @cached_property
    def filled(self) -> set[tuple[str, str]]:
        """Tables and columns that have a value in some row."""
        found = {table.name: self.table(table.name) for table in modules()}
        return {(name, c) for name, rows in found.items() for c in rows.column_names if rows[c].null_count < len(rows)}

    def table(self, name: str) -> pa.Table:
        """All rows of a table; none if it was not loaded."""
        path = self._path(name)
        if not (path / "_delta_log").is_dir():
            return pa.table({})
        return deltalake.DeltaTable(str(path)).to_pyarrow_table()

    def _path(self, name: str) -> Path:
        return Path(self.workspace.table_root(external_metastore=False)) / name

    def count(self, name: str) -> int:
        """How many rows a table has."""
        path = self._path(name)
        return int(deltalake.DeltaTable(str(path)).count()) if (path / "_delta_log").is_dir() else 0

    def rows(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        """Some columns of all rows, maps as dictionaries."""
        found = self.table(name).select(list(columns)).to_pylist(maps_as_pydicts="strict")
        return [tuple(row.values()) for row in found]


def load(
    spark: SparkSession,
    home: Path,
    cloud: Cloud,
    wanted: Iterable[str] | None = None,
    *,
    spoil: Callable[[SampleWorkspace, Path], None] | None = None,
) -> Loaded:
    """Load a workspace: all tables, or some with all that these need.

    Args:
        spark: the engine.
        home: a folder for all of it.
        cloud: of the workspace.
        wanted: the tables.
        spoil: does something to what it delivers, in a folder, before it is loaded.
    """
    demo._prepared(home, (cloud,))
    told = story(clouds=(cloud,))
    write_until(told, home / "world", END)
    write_system_tables(told, home / demo._SYSTEM_TABLES, END)
    (sample,) = told.workspaces
    if spoil is not None:
        spoil(sample, home / "world" / sample.name)
    known = demo.known_at(sample, round(END.timestamp() * 1000))
    with SampleApi({"dapi-sample": known}, demo._faults({"dapi-sample": sample})) as server, demo._hubs(home):
        demo._write_deployment(home, server.port)
        (workspace,) = deployment_of(str(home / "deployment.yaml")).workspaces

        def connect() -> WorkspaceApi:
            return WorkspaceApi.with_token(server.url, "dapi-sample", workspace="x", secret="env:x", settings=_FAST)

        store = TableStore(spark, Location(workspace.table_root(external_metastore=False)), workspace.workspace_id)
        runner = Runner(workspace, store, standard_sources(workspace, api_factory=connect), END)
        (window,) = runner.windows(DAYS)
        asked = _with_inputs(wanted) if wanted is not None else {table.name for table in modules()}
        with closing(runner.load_side_by_side([t for t in modules() if t.name in asked], window)) as loads:
            assert not [done for done in loads if not done.status.startswith(("SUCCESS", "EMPTY: only workspaces on"))]
    return Loaded(sample, workspace)


def _with_inputs(wanted: Iterable[str]) -> set[str]:
    found: set[str] = set()
    rest = list(wanted)
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            rest += tables()[name].upstreams
    return found
