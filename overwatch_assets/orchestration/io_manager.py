"""Writes a table's pending loads, and says on each partition what became of it; reads tables for users' own assets."""

import datetime as dt
import logging
from collections.abc import Mapping
from functools import reduce

import dagster as dg
from pyspark.sql import DataFrame, functions as F

from overwatch_assets.config.deployment import ACCOUNT
from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import ConfigurationError, IneligibleError, OverwatchError
from overwatch_assets.orchestration.loads import Done, PendingLoads
from overwatch_assets.orchestration.partitions import key_of, split
from overwatch_assets.orchestration.resources import SparkResource
from overwatch_assets.runner.runner import Runner
from overwatch_assets.storage.tables import TableStore, is_any

logger = logging.getLogger(__name__)

Metadata = Mapping[str, dg.MetadataValue | str | int | float]
_COUNTED = (
    "inserted",
    "updated",
    "deleted",
    "quarantined",
    "entities",
    "appended entities",
    "files read",
    "files failed",
)


class DeltaIOManager(dg.ConfigurableIOManager):
    """Performs pending loads one by one; gives the tables' rows of the asked partitions as DataFrames."""

    spark: dg.ResourceDependency[SparkResource]

    def handle_output(self, context: dg.OutputContext, obj: PendingLoads) -> None:
        """Load every workspace of the step, and put counts and status on each partition.

        A workspace that fails does not keep the others from being loaded.

        Raises:
            Failure: names the workspaces that failed; not retried where a retry cannot help.
        """
        done: dict[str, Metadata] = {}
        errors: dict[str, Exception] = {}
        for workspace_id in obj.days:
            try:
                for part in obj.perform(workspace_id, lambda w: self._runner(w, context.run_id)):
                    done |= self._described(obj, workspace_id, part)
            except Exception as error:
                errors[workspace_id] = error
                if not isinstance(error, OverwatchError):
                    logger.exception("%s of workspace %s failed", obj.table.name, workspace_id)
        if errors:
            for key, metadata in done.items():
                context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
            raise _failure(obj, errors) from next(iter(errors.values()))
        for key, metadata in done.items():
            context.step_context.add_asset_metadata(metadata, asset_key=context.asset_key, partition_key=key)

    def load_input(self, context: dg.InputContext) -> DataFrame:
        """Rows of the asked partitions; of all active workspaces and days for an asset without partitions.

        In a notebook, take the value from `defs.get_asset_value_loader()` inside `with`: the session ends with it.
        """
        table = tables()[context.asset_key.path[-1]]
        platform = self.spark.platform
        everything: dict[str, list[dt.date] | None] = {
            w.workspace_id: None for w in platform.deployment.active_workspaces
        }
        asked = dict(split(context.asset_partition_keys, table)) if context.has_asset_partitions else everything
        frames = [
            of_days(platform.store(workspace_id), table.name, days)
            for workspace_id, days in asked.items()
            if workspace_id != ACCOUNT
        ]
        if not frames:
            return platform.spark.createDataFrame([], table.schema)
        return reduce(DataFrame.unionByName, frames)

    def _runner(self, workspace_id: str, run_id: str) -> Runner:
        return self.spark.platform.runner(workspace_id, now=self.spark.now, run_id=run_id.replace("-", ""))

    def _described(self, loads: PendingLoads, workspace_id: str, part: Done) -> dict[str, Metadata]:
        """Metadata of each partition of one load."""
        stored: Mapping[dt.date, int] = dict.fromkeys(part.days, 0)
        common: dict[str, dg.MetadataValue | str | int | float] = {"status": part.status}
        if part.window is not None:
            store = self.spark.platform.store(workspace_id)
            if loads.table.day is None:
                stored, common["dagster/row_count"] = {}, store.row_count(loads.table)
            else:
                stored = store.rows_per_day(loads.table, part.days)
            common["window"] = str(part.window)
            common["seconds"] = round(part.seconds, 3)
            common |= {f"window: {name}": part.counts[name] for name in _COUNTED if name in part.counts}
        return {
            key_of(day, workspace_id): common | ({"dagster/partition_row_count": stored[day]} if day in stored else {})
            for day in part.days
        }


def of_days(store: TableStore, name: str, days: list[dt.date] | None) -> DataFrame:
    """Read a table's rows of some days, or all if none are given or the table has no days."""
    table = tables()[name]
    rows = store.read(table)
    return rows if days is None or table.day is None else rows.where(is_any(F.col(table.day), days))


def _failure(loads: PendingLoads, errors: Mapping[str, Exception]) -> dg.Failure:
    sentences = [f"workspace {w}: {error if str(error) else type(error).__name__}" for w, error in errors.items()]
    final = all(isinstance(error, IneligibleError | ConfigurationError) for error in errors.values())
    return dg.Failure(f"{loads.table.name} failed for " + "; ".join(sentences), allow_retries=not final)
