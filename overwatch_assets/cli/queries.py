"""`overwatch queries`: its commands and their options; `cli/answers.py` does the work."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from overwatch_assets.cli.guard import Guarded
from overwatch_assets.cli.options import DeploymentOption, JsonOption, StorageOption

app = typer.Typer(cls=Guarded, help="Questions that people ask, each a named query with parameters.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the query; `overwatch queries` lists them.")]


class Format(StrEnum):
    """How an answer is printed."""

    table = "table"
    csv = "csv"
    json = "json"


@app.callback(invoke_without_command=True)
def listing(ctx: typer.Context, *, as_json: JsonOption = False) -> None:
    """List the queries by topic; `run NAME` answers one, `show NAME` describes it."""
    if ctx.invoked_subcommand is None:
        from overwatch_assets.cli import answers  # noqa: PLC0415 - --help must be quick

        answers.listing(as_json=as_json)


@app.command()
def show(name: NameArgument, *, as_json: JsonOption = False) -> None:
    """Describe a query: what it means, its parameters, and its SQL with their defaults."""
    from overwatch_assets.cli import answers  # noqa: PLC0415 - --help must be quick

    answers.show(name, as_json=as_json)


@app.command()
def run(
    name: NameArgument,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter of the query; as often as needed."),
    ] = None,
    deployment: DeploymentOption = None,
    storage: StorageOption = None,
    *,
    form: Annotated[Format, typer.Option("--format", help="How rows are printed.")] = Format.table,
    limit: Annotated[int, typer.Option(min=1, help="Rows of a table to show; csv and json print all.")] = 100,
) -> None:
    """Answer a query over all workspaces of a deployment, or over those of its parameter `workspaces`."""
    from overwatch_assets.cli import answers  # noqa: PLC0415 - --help must be quick

    answers.run(name, parameters or [], deployment, storage, form=form.value, limit=limit)


@app.command()
def docs(
    output: Annotated[Path, typer.Option(metavar="FILE", help="The Markdown file.")] = Path("docs/queries.md"),
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if the file is stale.")] = False,
) -> None:
    """Write the list of queries from their files."""
    from overwatch_assets.cli import answers  # noqa: PLC0415 - --help must be quick

    answers.docs(output, check=check)
