"""Every error is a sentence on standard error and exit code 2."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from pyspark.errors import AnalysisException
from typer.testing import CliRunner, Result

from overwatch_assets.cli import app
from overwatch_assets.cli.guard import Guarded
from overwatch_assets.errors import OverwatchError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OVERWATCH_DEPLOYMENT", raising=False)


def overwatch(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def failing(error: BaseException) -> typer.Typer:
    one = typer.Typer(cls=Guarded)

    @one.callback()
    def options(*, debug: bool = False) -> None: ...

    @one.command()
    def fail() -> None:
        raise error

    return one


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OverwatchError("The thing is not there."), "The thing is not there.\n"),
        (
            ZeroDivisionError("division by zero"),
            "Stopped by the ZeroDivisionError: division by zero (`overwatch --debug …` shows where)\n",
        ),
        (
            AnalysisException("\nno such column: x\nat line 2"),
            "Stopped by the engine's AnalysisException: no such column: x (`overwatch --debug …` shows where)\n",
        ),
        (
            ValueError(""),
            "Stopped by the ValueError: it has no message (`overwatch --debug …` shows where)\n",
        ),
    ],
)
def test_errors_are_one_sentence(error: Exception, said: str) -> None:
    result = CliRunner().invoke(failing(error), ["fail"])
    assert (result.exit_code, result.stderr, result.stdout) == (2, said, "")


def test_debug_shows_the_traceback() -> None:
    result = CliRunner().invoke(failing(ZeroDivisionError("by zero")), ["--debug", "fail"])
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert result.stderr.rstrip().endswith("ZeroDivisionError: by zero")


def test_interrupt_says_that_it_can_go_on() -> None:
    result = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert (result.exit_code, result.stderr) == (
        130,
        "Interrupted. What was committed stays; run the same command again to go on.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tables"], "Which deployment? Give --deployment FILE, set OVERWATCH_DEPLOYMENT, or run `overwatch demo`"),
        (["report"], "Which deployment?"),
        (["validate", "--deployment", "no.yaml"], "no.yaml: the deployment file does not exist."),
        (["sql", "select 1", "--storage", "x", "--deployment", "y.yaml"], "Give --deployment or --storage, not both"),
        (["tables", "--storage", "x"], "There are no workspaces' tables under "),
        (["load-event-logs", "no-log", "--storage", "x"], "/no-log: check the path of the event logs"),
        (["load-event-logs", "s3://b/x", "--storage", "wasb://x"], "--storage must be an absolute path or a URL"),
        (["load-event-logs", "s3://b/x", "--storage", "x", "--organization-id", "a b"], "--organization-id must be "),
        (["load-event-logs", "s3://b/x", "--storage", "x", "--remote", "spark"], "--remote must be a Spark Connect"),
        (
            ["load-event-logs", "s3://b/x", "--storage", "x", "--remote", "sc://127.0.0.1:1"],
            "No Spark Connect server answers at 127.0.0.1:1: Connection refused",
        ),
        (
            ["load-event-logs", "s3://b/x", "--storage", "/proc/none"],
            "The tables cannot be written to /proc/none/local",
        ),
        (["dictionary", "--check", "--output", "no.md"], "no.md is not what the contracts say: run `overwatch dict"),
        (["ui"], "Which deployment?"),
        (
            ["demo", "--clouds", "gcp,oracle"],
            "--clouds must be some of aws, azure, gcp, separated by commas, not 'gcp,",
        ),
    ],
)
def test_what_a_user_gets_wrong(arguments: list[str], said: str) -> None:
    result = overwatch(*arguments)
    assert said in result.stderr
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_wrong_deployment_file_names_each_wrong_line(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text("workspaces:\n  - workspace_name: a\n    cloud: Oracle\n")
    result = overwatch("validate", "--deployment", str(file))
    assert result.exit_code == 2
    assert f"{file}:3: workspaces[0].cloud: must be AWS, Azure or GCP, not 'Oracle'" in result.stderr.splitlines()


@pytest.mark.parametrize("arguments", [["load-event-logs"], ["load-event-logs", "x"], ["no-such-command"]])
def test_wrong_use_is_code_2(arguments: list[str]) -> None:
    result = overwatch(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_help_names_every_command_and_imports_no_engine() -> None:
    program = "import sys\nfrom overwatch_assets.cli import main\ntry:\n main()\nfinally:\n print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    shown, _, modules = done.stdout.rpartition("\n\n")
    for command in ("demo", "ui", "load-event-logs", "tables", "sql", "queries", "report", "validate", "dictionary"):
        assert f" {command} " in shown
    assert not {"pyspark", "dagster", "pysail", "pyarrow", "pydantic"}.intersection(modules.split())


def test_loading_event_logs_imports_no_dagster() -> None:
    program = "import sys, overwatch_assets.cli.event_logs\nprint([m for m in sys.modules if m.startswith('dagster')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout == "[]\n"
