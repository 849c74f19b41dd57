"""`overwatch ui`: Dagster's web server and daemon as two children that live and end together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from overwatch_assets.cli.output import console
from overwatch_assets.cli.where import absolute, deployment_file, deployment_of
from overwatch_assets.config.loading import VARIABLE
from overwatch_assets.errors import OverwatchError
from overwatch_assets.sample.demo import environment, serving, set_up_instance

_POLL_S = 0.5
_PATIENCE_S = 15.0


class WebError(OverwatchError):
    """One of Dagster's processes ended by itself."""


def run(option: str | None, *, host: str, port: int) -> None:
    """Serve until Ctrl-C.

    Raises:
        ConfigurationError: there is no deployment file, or it is wrong.
        WebError: a process ended by itself; what it said is above.
    """
    file = absolute(deployment_file(option))
    demo = Path(file).parent
    with serving(demo):  # the sample's API, if this is the demo's deployment file
        deployment_of(file)  # a wrong file is told here in a sentence, not in Dagster's log
        of_demo = environment(demo) if (demo / "sample.json").exists() else {}
        _serve(file, host, port, of_demo)


def _serve(file: str, host: str, port: int, variables: Mapping[str, str]) -> None:
    home = Path(variables.get("DAGSTER_HOME") or dagster_home(file))
    home.mkdir(parents=True, exist_ok=True)
    set_up_instance(home)
    commands = {
        "web server": [sys.executable, "-m", "dagster_webserver", *_location(), "-h", host, "-p", str(port)],
        "daemon": [sys.executable, "-m", "dagster._daemon", "run", *_location()],
    }
    console().print(f"Dagster on http://{host}:{port} for {file}; its records are in {home}. Ctrl-C ends it.")
    try:
        with _children(commands, {**os.environ, **variables, VARIABLE: file, "DAGSTER_HOME": str(home)}) as children:
            _watch(children)
    except KeyboardInterrupt:
        console().print("Stopped.")


def _watch(children: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Wait until a process ends by itself, which is an error."""
    while all(child.poll() is None for child in children.values()):
        time.sleep(_POLL_S)
    ended = next(name for name, child in children.items() if child.poll() is not None)
    raise WebError(f"Dagster's {ended} ended with code {children[ended].returncode}: see what it said above")


def dagster_home(deployment: str) -> Path:
    """Where Dagster keeps its records: DAGSTER_HOME, else a folder beside the deployment file."""
    given = os.environ.get("DAGSTER_HOME", "").strip()
    if given:
        return Path(given).absolute()
    beside = Path(".overwatch") if "://" in deployment else Path(deployment).parent
    return (beside / "dagster").absolute()


def _location() -> Sequence[str]:
    """Where Dagster finds the definitions: the repository's workspace file, else the installed package."""
    return ("-w", "workspace.yaml") if Path("workspace.yaml").exists() else ("-m", "overwatch_assets.definitions")


@contextmanager
def _children(
    commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start processes, each the head of a group of its own, and end all groups at the end."""
    children: dict[str, subprocess.Popen[bytes]] = {}
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        for name, command in commands.items():
            children[name] = subprocess.Popen(command, env=dict(environment), start_new_session=True)  # noqa: S603 - our own words
        yield children
    finally:
        signal.signal(signal.SIGTERM, before)
        for child in children.values():
            _signal(child, signal.SIGINT)
        deadline = time.monotonic() + _PATIENCE_S
        for child in children.values():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(child, signal.SIGKILL)
                child.wait()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return  # it has ended, and so has its group


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
