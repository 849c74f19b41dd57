"""`overwatch queries` without an engine: lists, descriptions, and what is wrong with a request."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from overwatch_assets.cli import app
from overwatch_assets.consumer.named_queries import TOPICS, named_queries
from overwatch_assets.consumer.query_docs import render
from overwatch_assets_tests.cli.test_ask import DEPLOYMENT


def queries(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["queries", *arguments])


def test_all_by_topic() -> None:
    shown = queries().stdout.splitlines()
    assert [line for line in shown if line in TOPICS.values()] == list(TOPICS.values())
    listed = [line.split("│")[1:3] for line in shown if line.startswith("│")]
    assert [(n.strip(), q.strip()) for n, q in listed] == [(q.name, q.question) for q in named_queries().values()]


def test_all_as_json() -> None:
    found = orjson.loads(queries("--json").stdout)
    assert [q["name"] for q in found] == list(named_queries())
    skew = next(q for q in found if q["name"] == "skew")
    assert (skew["topic"], skew["question"]) == ("spark", "Which stages are skewed?")
    assert skew["parameters"][-1] == {
        "name": "limit",
        "type": "int",
        "default": 100,
        "meaning": "How many rows the answer has at most.",
    }


def test_one() -> None:
    shown = queries("show", "large_tasks").stdout
    assert shown.startswith("Which tasks handle more than 400 MB?\n\nOne row: a task attempt")
    assert "│ size_mb    │ int   │ 400           │ Tasks that read or wrote more than so many MB." in shown
    assert shown.rstrip().endswith(named_queries()["large_tasks"].sql().rstrip()[-200:])
    assert orjson.loads(queries("show", "skew", "--json").stdout)["sql"] == named_queries()["skew"].sql()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "skow"], "There is no query skow: did you mean skew?"),
        (["run", "skew", "-p", "limit"], "Query skew: write a parameter as NAME=VALUE, not 'limit'"),
        (["run", "skew", "-p", "limit=1", "-p", "limit=2"], "Query skew: limit is given twice"),
        (["run", "skew", "-p", "until=now"], "Query skew: until must be a UTC day, YYYY-MM-DD, not 'now'"),
        (["run", "skew", "-p", "workspaces=x"], "Workspace x is not in the deployment file, which has 123."),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    file = tmp_path / "d.yaml"
    file.write_text(DEPLOYMENT)
    where = ["--deployment", str(file)] if arguments[0] == "run" else []
    result = queries(*arguments, *where)
    assert (result.exit_code, result.stderr) == (2, said + "\n")


def test_list_is_written_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "docs" / "q.md"
    assert queries("docs", "--output", str(file)).exit_code == 0
    assert file.read_text() == render()
    assert queries("docs", "--check", "--output", str(file)).exit_code == 0
    file.write_text(render() + "\n")
    assert queries("docs", "--check", "--output", str(file)).exit_code == 2
