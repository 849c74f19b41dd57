"""The one place where an error becomes a sentence on standard error and exit code 2."""

import errno
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from overwatch_assets.errors import OverwatchError

EXIT = 2
INTERRUPTED = 130  # what shells give for Ctrl-C


class Guarded(TyperGroup):
    """A group of commands that never shows a traceback unless `--debug` is given."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; turn what it raises into a sentence."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("Interrupted. What was committed stays; run the same command again to go on.", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if _is_for_typer(error):
                raise
            if ctx.params.get("debug"):
                traceback.print_exc()
            else:
                typer.echo(sentence(error), err=True)
            raise typer.Exit(EXIT) from None


def sentence(error: Exception) -> str:
    """Say it as the user is told. An error that nobody foresaw is named with its class."""
    if isinstance(error, OverwatchError):
        return str(error)
    validation = getattr(sys.modules.get("pydantic"), "ValidationError", None)
    if validation is not None and isinstance(error, validation):
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        return f"The settings are wrong: {'; '.join(wrong)}"
    kind = "engine's " if type(error).__module__.startswith("pyspark.") else ""
    return f"Stopped by the {kind}{type(error).__name__}: {first_line(error)} (`overwatch --debug …` shows where)"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message that says anything."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), "it has no message")


def _is_for_typer(error: Exception) -> bool:
    """Exit, usage errors and a closed pipe are Typer's own to handle."""
    closed = isinstance(error, OSError) and error.errno == errno.EPIPE
    return closed or isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "exit_code")
