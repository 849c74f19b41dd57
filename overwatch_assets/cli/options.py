"""Options that several commands have."""

from typing import Annotated

import typer

DeploymentOption = Annotated[
    str | None,
    typer.Option("--deployment", metavar="FILE", help="Deployment file; else OVERWATCH_DEPLOYMENT, else the demo's."),
]
StorageOption = Annotated[
    str | None, typer.Option("--storage", metavar="DIR", help="Folder that load-event-logs wrote, instead.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
