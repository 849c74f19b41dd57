"""`overwatch demo`: load the sample, show its tables, say what to look at."""

import sys
from pathlib import Path

from overwatch_assets.cli.ask import print_stored
from overwatch_assets.cli.output import Steps, console
from overwatch_assets.cli.where import DEMO_HOME, deployment_of
from overwatch_assets.config.fields import Cloud
from overwatch_assets.consumer.inventory import inventory
from overwatch_assets.errors import ConfigurationError
from overwatch_assets.sample.demo import run as run_demo


def run(home: Path | None, clouds: str | None) -> None:
    """Run the command.

    Raises:
        ConfigurationError: there is no such cloud, or a demo cannot be loaded there.
    """
    wanted = None if clouds is None else _clouds(clouds)
    with Steps() as steps:
        said = ""

        def progress(what: str, done: int, total: int) -> None:
            nonlocal said
            steps.expect(total)
            if sys.stderr.isatty():
                steps.at(what, done)
            elif what != said:
                sys.stderr.write(f"{done}/{total} {what}\n")
            said = what

        done = run_demo(home or DEMO_HOME, progress=progress, clouds=wanted)
    print_stored(list(inventory(deployment_of(str(done.deployment_file)))))
    option = f" --deployment {done.deployment_file}" if home is not None else ""
    console().print(
        f"""
Next:
  overwatch ui{option}
      Dagster's web UI. Assets: the graph of the tables, in the groups bronze, silver and gold. An asset's page:
      its columns and checks, and the rows of each day and workspace.
  overwatch report{option}
      What was loaded when, and with what result.
  overwatch sql "select workspace_name, job_result.Result, count(*) from sparkJob group by 1, 2"{option}
      Any query over the consumer views and the tables; `overwatch tables{option} --json` has their columns."""
    )


def _clouds(text: str) -> tuple[Cloud, ...]:
    known = {cloud.lower(): cloud for cloud in Cloud}
    names = {name.strip().lower() for name in text.split(",")}
    if not names <= known.keys():
        raise ConfigurationError(f"--clouds must be some of {', '.join(known)}, separated by commas, not {text!r}.")
    return tuple(known[name] for name in known if name in names)
