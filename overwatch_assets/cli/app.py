"""The commands of `overwatch`: their options, and which part of the package does the work."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from overwatch_assets.cli.guard import Guarded
from overwatch_assets.cli.options import DeploymentOption, JsonOption, StorageOption
from overwatch_assets.cli.queries import app as queries
from overwatch_assets.consumer.dialect import Dialect

app = typer.Typer(
    name="overwatch",
    cls=Guarded,
    help="Overwatch's tables for Databricks and Spark, on a laptop or a cluster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(queries, name="queries")

WorkspacesOption = Annotated[
    str | None,
    typer.Option("--workspaces", metavar="ID,ID,...", help="These workspaces alone, by id or name; else all."),
]


def listed(option: str | None) -> tuple[str, ...]:
    """Take the items of an option apart."""
    return tuple(item.strip() for item in (option or "").split(",") if item.strip())


class Engine(StrEnum):
    """Engines that the command line can start."""

    sail = "sail"
    spark = "spark"


@app.callback()
def options(*, debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    """Overwatch's tables for Databricks and Spark, on a laptop or a cluster."""


@app.command("load-event-logs")
def load_event_logs(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Event logs, or folders to search: local or any URL.")
    ],
    storage: Annotated[str, typer.Option(metavar="DIR", help="Folder or URL for the tables; made if missing.")],
    *,
    organization_id: Annotated[str, typer.Option(help="Workspace id that the rows get.")] = "local",
    cluster_id: Annotated[
        str | None,
        typer.Option(help="Cluster of logs that name none in their path or properties; else the application is it."),
    ] = None,
    engine: Annotated[Engine, typer.Option(help="Spark engine: sail is built in, spark needs Java.")] = Engine.sail,
    remote: Annotated[str | None, typer.Option(metavar="URL", help="Spark Connect server, sc://host:port.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Load Spark event logs into tables, and report what ran. Run it again to load what is new."""
    from overwatch_assets.cli import event_logs  # noqa: PLC0415 - --help must be quick

    event_logs.run(
        paths,
        storage=storage,
        organization_id=organization_id,
        cluster_id=cluster_id,
        engine=engine.value,
        remote=remote,
        as_json=as_json,
    )


@app.command()
def tables(deployment: DeploymentOption = None, storage: StorageOption = None, *, as_json: JsonOption = False) -> None:
    """List every table of every workspace with its rows, partitions, path and columns."""
    from overwatch_assets.cli import ask  # noqa: PLC0415 - --help must be quick

    ask.tables(deployment, storage, as_json=as_json)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT over the consumer views and the tables.")],
    deployment: DeploymentOption = None,
    storage: StorageOption = None,
    *,
    workspaces: WorkspacesOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show; --json prints all.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Ask the tables of all workspaces, or of some; --json prints one line for each row."""
    from overwatch_assets.cli import ask  # noqa: PLC0415 - --help must be quick

    ask.sql(query, deployment, storage, workspaces=listed(workspaces), limit=limit, as_json=as_json)


@app.command()
def views(
    deployment: DeploymentOption = None,
    *,
    dialect: Annotated[
        Dialect | None,
        typer.Option(help="Any Spark's metastore, Databricks' Hive metastore, or Unity Catalog; else by the names."),
    ] = None,
    workspaces: WorkspacesOption = None,
    etl_database: Annotated[str | None, typer.Option(metavar="NAME", help="Database of the tables instead.")] = None,
    consumer_database: Annotated[
        str | None, typer.Option(metavar="NAME", help="Database of the views instead.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Run the statements on the deployment's engine.")] = False,
) -> None:
    """Print the consumer views as SQL for a metastore; with --workspaces views of those alone, for a share."""
    from overwatch_assets.cli import views as command  # noqa: PLC0415 - --help must be quick

    command.run(
        deployment,
        dialect=dialect,
        workspaces=listed(workspaces),
        etl=etl_database,
        consumer=consumer_database,
        apply=apply,
    )


@app.command()
def export(
    deployment: DeploymentOption = None,
    *,
    day: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="UTC day, at the end of which; else yesterday.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Each day from this one on.")] = None,
    workspaces: WorkspacesOption = None,
    to: Annotated[str | None, typer.Option(metavar="DIR", help="Folder; else exports under the storage.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write names and tags of clusters, jobs, notebooks and warehouses as JSON for dashboards."""
    from overwatch_assets.cli import export as command  # noqa: PLC0415 - --help must be quick

    command.run(deployment, day=day, since=since, workspaces=listed(workspaces), to=to, as_json=as_json)


@app.command()
def report(
    deployment: DeploymentOption = None,
    storage: StorageOption = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show; --json prints all.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show what was loaded when and with what result (pipReport), newest first."""
    from overwatch_assets.cli import ask  # noqa: PLC0415 - --help must be quick

    ask.report(deployment, storage, limit=limit, as_json=as_json)


@app.command()
def validate(deployment: DeploymentOption = None, *, as_json: JsonOption = False) -> None:
    """Check the deployment file and list its workspaces."""
    from overwatch_assets.cli import ask  # noqa: PLC0415 - --help must be quick

    ask.validate(deployment, as_json=as_json)


@app.command()
def prices(
    deployment: DeploymentOption = None,
    *,
    workspace: Annotated[str | None, typer.Option(metavar="ID", help="One workspace; else all active ones.")] = None,
    day: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="UTC day; else today.")] = None,
    node_type: Annotated[str | None, typer.Option(metavar="TYPE", help="One node type, such as m5.xlarge.")] = None,
    sku: Annotated[str | None, typer.Option(metavar="SKU", help="One sku, such as interactive.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what applies on a day: DBU prices, Photon factors and node types, since when, and where each is from."""
    from overwatch_assets.cli import prices as command  # noqa: PLC0415 - --help must be quick

    command.run(deployment, workspace=workspace, day=day, node_type=node_type, sku=sku, as_json=as_json)


@app.command()
def optimize(
    names: Annotated[list[str] | None, typer.Argument(metavar="TABLE...", help="Tables; else all.")] = None,
    deployment: DeploymentOption = None,
    storage: StorageOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Write small files together, in z-order, and remove those that no version of the last week needs."""
    from overwatch_assets.cli import optimize as command  # noqa: PLC0415 - --help must be quick

    command.run(names or [], deployment, storage, as_json=as_json)


@app.command()
def demo(
    home: Annotated[Path | None, typer.Option(metavar="DIR", help="Where; .overwatch/demo unless given.")] = None,
    clouds: Annotated[
        str | None,
        typer.Option(metavar="CLOUDS", help="A workspace on each: of aws,azure,gcp; aws,azure unless given."),
    ] = None,
) -> None:
    """Load the sample's workspaces, three days of them, without Databricks or Java."""
    from overwatch_assets.cli import demonstration  # noqa: PLC0415 - --help must be quick

    demonstration.run(home, clouds)


@app.command()
def ui(
    deployment: DeploymentOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address that the web UI listens on.")] = "127.0.0.1",
) -> None:
    """Serve Dagster's web UI and run its daemon until Ctrl-C."""
    from overwatch_assets.cli import web  # noqa: PLC0415 - --help must be quick

    web.run(deployment, host=host, port=port)


@app.command()
def dictionary(
    output: Annotated[Path, typer.Option(metavar="FILE", help="The Markdown file.")] = Path("docs/data-dictionary.md"),
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if the file is stale.")] = False,
) -> None:
    """Write the data dictionary from the tables' contracts."""
    from overwatch_assets.cli import ask  # noqa: PLC0415 - --help must be quick

    ask.dictionary(output, check=check)


def main() -> None:
    """Run the command line."""
    app()
