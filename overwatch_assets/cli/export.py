"""`overwatch export`: names and tags of clusters, jobs, notebooks and warehouses as JSON files, a day each."""

import datetime as dt
from collections.abc import Sequence

from rich.console import Console

from overwatch_assets.cli.output import print_json, print_table
from overwatch_assets.cli.where import absolute, deployment_of
from overwatch_assets.errors import ConfigurationError


def run(
    deployment: str | None,
    *,
    day: str | None,
    since: str | None,
    workspaces: Sequence[str],
    to: str | None,
    as_json: bool,
) -> None:
    """Write the files of some days, and say where; who asks for a day that is not loaded is told so.

    Raises:
        ConfigurationError: a day is none or is not over, or a workspace is unknown.
    """
    from overwatch_assets.consumer.exports import days_between, export  # noqa: PLC0415 - errors of options come quickly
    from overwatch_assets.runner.platform import opened  # noqa: PLC0415 - as above

    today = dt.datetime.now(dt.UTC).date()
    last = _date("--day", day) or today - dt.timedelta(days=1)
    days = days_between(_date("--since", since), last, today)
    known = deployment_of(deployment)
    known.chosen(workspaces)
    with opened(known) as platform:
        files = list(export(platform, days, workspaces=workspaces, to=None if to is None else absolute(to).rstrip("/")))
    if as_json:
        print_json([{"dimension": f.dimension, "path": f.path, "rows": f.rows, "behind": f.behind} for f in files])
    else:
        print_table("Exported", ("dimension", "file", "rows"), [(f.dimension, f.path, f.rows) for f in files])
    for file in files:
        if file.behind:
            Console(stderr=True).print(
                f"Warning: {file.path} may lack changes: {file.dimension} is not loaded until the end of that day in "
                f"{', '.join(file.behind)}",
                soft_wrap=True,
            )


def _date(option: str, text: str | None) -> dt.date | None:
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{option} must be a day such as 2026-10-31, but is {text!r}") from None
