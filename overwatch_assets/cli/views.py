"""`overwatch views`: the consumer views as SQL for a metastore, printed or run."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from overwatch_assets.cli.guard import first_line
from overwatch_assets.cli.output import console
from overwatch_assets.cli.where import deployment_of
from overwatch_assets.consumer.dialect import Dialect
from overwatch_assets.errors import ConfigurationError, OverwatchError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from overwatch_assets.consumer.rendered import Script


class ViewsError(OverwatchError):
    """The engine refused some of the statements."""


def run(
    deployment: str | None,
    *,
    dialect: Dialect | None,
    workspaces: Sequence[str],
    etl: str | None,
    consumer: str | None,
    apply: bool,
) -> None:
    """Print the statements, or run them on the deployment's engine.

    Raises:
        ConfigurationError: a workspace is unknown, a name is none of the dialect's, or the engine keeps no metastore.
        ViewsError: a database is missing that is not ours to make, or the engine refused a statement.
    """
    from overwatch_assets.consumer.rendered import render  # noqa: PLC0415 - errors of options come quickly

    known = deployment_of(deployment)
    if apply and known.engine.kind == "sail":
        raise ConfigurationError(
            "--apply needs the engine spark or databricks in the deployment file: sail keeps no metastore. Without "
            "--apply the statements are printed, for a notebook or an SQL editor"
        )
    script = render(known, dialect, workspaces=workspaces, etl=etl, consumer=consumer)
    if not apply:
        sys.stdout.write(script.text)
        return
    from overwatch_assets.runner.platform import opened  # noqa: PLC0415 - as above

    with opened(known) as platform:
        applied(platform.spark, script)
    console().print(f"Made {len(script.statements)} databases, tables and views")


def applied(spark: "SparkSession", script: "Script") -> None:
    """Run a script; what fails does not keep the rest from being made.

    Raises:
        ViewsError: a database is missing that is not ours to make, or statements failed.
    """
    from pyspark.errors import PySparkException  # noqa: PLC0415 - as above

    missing = [needed for needed in script.needed if not spark.catalog.databaseExists(needed.makes)]
    if missing:
        made = "; ".join(needed.sql for needed in missing)
        raise ViewsError(f"There is no {' and no '.join(n.makes for n in missing)}. Who may make it runs: {made}")
    failed = []
    for statement in script.statements:
        try:
            spark.sql(statement.sql).collect()
        except PySparkException as error:
            failed.append(f"{statement.makes}: {first_line(error)}")
    if failed:
        raise ViewsError(f"{len(failed)} of {len(script.statements)} statements failed: {'; '.join(failed)}")
