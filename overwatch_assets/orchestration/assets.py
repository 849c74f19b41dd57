"""A table as an asset: its contract is the asset's key, description, columns, lineage and place in the graph."""

import datetime as dt
import warnings
from types import FunctionType

import dagster as dg

from overwatch_assets.contract.registry import modules, tables
from overwatch_assets.contract.table import Table
from overwatch_assets.errors import ConfigurationError
from overwatch_assets.orchestration.loads import PendingLoads
from overwatch_assets.orchestration.partitions import split

IO_MANAGER = "delta"
FRESH = dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(hours=26))
RETRY = dg.RetryPolicy(max_retries=1, delay=10)  # sources and commits have retries of their own


def table_assets(
    partitions: dg.MultiPartitionsDefinition, *, database: str, retry: dg.RetryPolicy | None = RETRY
) -> list[dg.AssetsDefinition]:
    """Make every module's table an asset on the shared partitions."""
    with (
        warnings.catch_warnings()
    ):  # backfill policies and code references are beta in Dagster 1.13, the pinned release
        warnings.simplefilter("ignore", dg.BetaWarning)
        return [asset_of(t, partitions, database=database, retry=retry) for t in modules()]


def asset_of(
    table: Table, partitions: dg.MultiPartitionsDefinition, *, database: str, retry: dg.RetryPolicy | None
) -> dg.AssetsDefinition:
    """Make one table an asset. Its body only says what is to be loaded; the IO manager loads it."""

    @dg.asset(
        name=table.name,
        description=table.doc,
        group_name=table.layer,
        kinds={"pyspark", "delta"},
        owners=["team:overwatch"],
        tags={"overwatch/module_id": str(table.module_id)},
        code_version=str(table.version),
        metadata=_metadata(table, database),
        deps=list(table.upstreams),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key=IO_MANAGER,
        retry_policy=retry,
        freshness_policy=FRESH,
    )
    def load(context: dg.AssetExecutionContext) -> PendingLoads:
        try:
            return PendingLoads(table, split(context.partition_keys, table))
        except ConfigurationError as error:
            raise dg.Failure(str(error), allow_retries=False) from error

    return load


def _metadata(table: Table, database: str) -> dict[str, object]:
    assert isinstance(table.transform, FunctionType)  # noqa: S101 - every module has one
    code = table.transform.__code__
    return {
        "module": f"{table.module_id} {table.module_name}",
        "dagster/table_name": f"{database}.{table.name}",
        "dagster/column_schema": dg.TableSchema(
            [
                dg.TableColumn(c.name, c.type, c.doc, dg.TableColumnConstraints(nullable=c.nullable))
                for c in table.columns
            ]
        ),
        "dagster/column_lineage": _lineage(table),
        "dagster/code_references": dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(file_path=code.co_filename, line_number=code.co_firstlineno, label=table.name)
            ]
        ),
    }


def _lineage(table: Table) -> dg.TableColumnLineage:
    """Name the upstream columns that columns are copied or renamed from; where one is computed, none is guessed."""
    known = tables()
    return dg.TableColumnLineage(
        {
            column.name: [
                dg.TableColumnDep(dg.AssetKey(upstream), name)
                for upstream, _, name in (source.partition(".") for source in column.source)
                if upstream in known and known[upstream].module_id is not None
            ]
            for column in table.columns
            if column.source
        }
    )
