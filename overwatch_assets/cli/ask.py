"""Commands that read: tables, sql, report, validate, dictionary."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overwatch_assets.cli.guard import first_line
from overwatch_assets.cli.output import console, plain_rows, print_json, print_table, write_generated
from overwatch_assets.cli.where import deployment_file, deployment_of
from overwatch_assets.config.deployment import Deployment
from overwatch_assets.config.prices import price_book
from overwatch_assets.errors import OverwatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from overwatch_assets.consumer.inventory import Stored
    from overwatch_assets.runner.platform import Platform


LAYERS = ("bronze", "silver", "gold", "state")
_TELLS = re.compile(r"\s*(show|describe|desc)\b", re.I)
_EXPLAINS = re.compile(r"^\s*explain\b(\s+(analyze|codegen|cost|extended|formatted|logical|verbose)\b)*", re.I)


class QueryError(OverwatchError):
    """The engine refused a query."""


def tables(deployment: str | None, storage: str | None, *, as_json: bool) -> None:
    """Print every table of every workspace."""
    from overwatch_assets.consumer.inventory import inventory  # noqa: PLC0415 - `validate` needs no PySpark

    stored = list(inventory(deployment_of(deployment, storage)))
    if as_json:
        print_json([_as_document(s) for s in stored])
    else:
        print_stored(stored)


def print_stored(stored: "list[Stored]") -> None:
    """Print each workspace's tables, by layer and module; those that were never made have no numbers."""
    for (organization_id, root), group in groupby(stored, key=lambda s: (s.organization_id, s.path.rpartition("/")[0])):
        rows = sorted(group, key=lambda s: (LAYERS.index(s.table.layer), s.table.module_id or 9_999, s.table.name))
        print_table(
            f"Workspace {organization_id}, each table in {root}/<table>",
            ("table", "layer", "module", "rows", "partitions", "columns"),
            [(s.table.name, s.table.layer, s.table.module_id, s.rows, s.partitions, len(s.columns)) for s in rows],
        )


def _as_document(stored: "Stored") -> dict[str, Any]:
    table = stored.table
    return {
        "organization_id": stored.organization_id,
        "workspace_name": stored.workspace_name,
        "name": table.name,
        "layer": table.layer,
        "module_id": table.module_id,
        "view": table.view.name if table.view else None,
        "path": stored.path,
        "rows": stored.rows,
        "partitions": stored.partitions,
        "partitioned_by": table.partition,
        "columns": [{"name": c.name, "type": c.type, "doc": c.doc} for c in stored.columns],
    }


def sql(
    query: str,
    deployment: str | None,
    storage: str | None,
    *,
    workspaces: Sequence[str] = (),
    limit: int,
    as_json: bool,
) -> None:
    """Run a query over some workspaces, or all, and print its rows."""
    known = deployment_of(deployment, storage)
    ids = known.chosen(workspaces)
    with platform_of(known) as platform:
        print_query(platform, query, ids, limit=limit, as_json=as_json)


def report(deployment: str | None, storage: str | None, *, limit: int, as_json: bool) -> None:
    """Print the pipeline report, newest first."""
    columns = "*" if as_json else "workspace_name, module_id, module_name, fromTS, untilTS, status, write_metrics"
    sql(f"select {columns} from pipReport", deployment, storage, limit=limit, as_json=as_json)


def print_query(platform: "Platform", query: str, ids: Sequence[str], *, limit: int, as_json: bool) -> None:
    """Run a query over some workspaces and print its rows: as a table, or one line of JSON for each."""
    with answered(platform, ids, query) as frame:
        if as_json:
            for row in rows_of(frame):
                print_json(row)
        else:
            print_rows(frame, limit=limit)


@contextmanager
def answered(platform: "Platform", workspace_ids: Sequence[str], query: str) -> "Iterator[DataFrame]":
    """A query's answer over the views of some workspaces.

    Raises:
        QueryError: it is no query, or the engine refuses it, then or while its rows are read; the first line of what it
            says.
    """
    from pyspark.errors import PySparkException  # noqa: PLC0415 - as above

    from overwatch_assets.consumer.views import register  # noqa: PLC0415

    statement = query.strip().rstrip(";")
    register(platform, workspace_ids, query=query)
    try:
        _require_query(platform.spark, statement)
        yield platform.spark.sql(statement)
    except PySparkException as error:
        raise QueryError(f"The query failed: {first_line(error)}") from error


def _require_query(spark: "SparkSession", statement: str) -> None:
    """Refuse what writes: a step of a query can be a query alone, so the engine is given the statement as a step.

    Sail runs what it is to explain, so that is looked at too.

    Raises:
        QueryError: the statement is no query.
    """
    from pyspark.errors import IllegalArgumentException, ParseException  # noqa: PLC0415 - as above

    if _TELLS.match(statement):
        return
    try:
        spark.sql(f"with asked as (\n{_EXPLAINS.sub('', statement)}\n) select 1")
    except (IllegalArgumentException, ParseException) as error:
        said = f"The query failed: {first_line(error)}. Only queries can be asked, nothing that writes"
        raise QueryError(said) from error


def print_rows(frame: "DataFrame", *, limit: int, more_by: str = "--limit or --json") -> None:
    """Print the first rows as a table, and whether there are more; ``more_by``: options that show them."""
    shown = list(islice(rows_of(frame.limit(limit + 1)), limit + 1))
    more = f"more than {limit} rows: {more_by} shows more" if len(shown) > limit else f"{len(shown)} rows"
    print_table("", frame.columns, [list(row.values()) for row in shown[:limit]], below=more)


def rows_of(frame: "DataFrame") -> Iterator[dict[str, Any]]:
    """Collect an answer."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    yield from plain_rows(frame.toArrow().combine_chunks() if frame.columns else pa.table({}))


@contextmanager
def platform_of(deployment: Deployment) -> "Iterator[Platform]":
    """Open a deployment for questions."""
    from overwatch_assets.runner.platform import opened  # noqa: PLC0415 - as above

    # Sail merges sorted parts out of order with more: engines in docs/internals.md.
    os.environ.setdefault("SAIL_EXECUTION__DEFAULT_PARALLELISM", "1")
    with opened(deployment) as platform:
        yield platform


def validate(option: str | None, *, as_json: bool) -> None:
    """Check a deployment file and the price files that it names, and print what is in it."""
    path = deployment_file(option)
    deployment = deployment_of(path)
    for workspace in deployment.active_workspaces:
        price_book(workspace)
    unused = deployment.unused_fields
    if as_json:
        document = deployment.model_dump(mode="json")
        print_json({"file": path, "valid": True, "unused_fields": unused, **document})
        return
    out = console()
    print_table(
        f"{path} is valid",
        ("workspace", "id", "cloud", "active", "from", "excluded scopes"),
        [
            (
                w.workspace_name,
                w.workspace_id,
                w.cloud.value,
                w.active,
                w.primordial_date.isoformat(),
                " ".join(sorted(w.excluded_scopes)),
            )
            for w in deployment.workspaces
        ],
    )
    for workspace_id in (w.workspace_id for w in deployment.active_workspaces):
        out.print(f"Tables of {workspace_id}: {deployment.table_root(workspace_id)}")
    for name, ids in unused.items():
        out.print(f"Warning: {name} has no effect yet (workspaces {', '.join(ids)})")


def dictionary(output: Path, *, check: bool) -> None:
    """Write the data dictionary, or check that it is what the contracts say."""
    from overwatch_assets.contract.dictionary import render  # noqa: PLC0415 - as above

    write_generated(output, render(), check=check, source="the contracts", command="overwatch dictionary")
