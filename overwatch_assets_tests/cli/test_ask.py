"""Commands that need no engine: validate, dictionary, views, and options that are refused."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from overwatch_assets.cli import app
from overwatch_assets.contract.dictionary import render

DEPLOYMENT = """
workspaces:
  - workspace_name: prod
    workspace_id: "123"
    cloud: Azure
    primordial_date: 2024-05-01
    storage_prefix: /tables
    etl_database_name: ow
    consumer_database_name: owc
    workspace_url: https://adb-123.azuredatabricks.net
    excluded_scopes: pools:dbsql
    jobs_light_dbu_price: 0.1
    temp_dir_path: /tmp/x
"""


def test_valid_deployment_file(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text(DEPLOYMENT)
    result = CliRunner().invoke(app, ["validate", "--deployment", str(file)])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"{file} is valid"
    assert "│ prod      │ 123 │ Azure │ true   │ 2024-05-01 │ dbsql pools     │" in lines
    assert lines[-2:] == [
        "Tables of 123: /tables/123/ow.db",
        "Warning: temp_dir_path has no effect yet (workspaces 123)",
    ]


def test_valid_deployment_file_as_json(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text(DEPLOYMENT)
    said = orjson.loads(CliRunner().invoke(app, ["validate", "--json"], env={"OVERWATCH_DEPLOYMENT": str(file)}).stdout)
    assert (said["file"], said["valid"], said["unused_fields"]) == (str(file), True, {"temp_dir_path": ["123"]})
    assert said["workspaces"][0]["storage_prefix"] == "/tables"


def test_dictionary_is_written_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "docs" / "d.md"
    assert CliRunner().invoke(app, ["dictionary", "--output", str(file)]).exit_code == 0
    assert file.read_text() == render()
    check = ["dictionary", "--check", "--output", str(file)]
    assert CliRunner().invoke(app, check).exit_code == 0
    file.write_text(render() + "\n")
    assert CliRunner().invoke(app, check).exit_code == 2


def two_workspaces(tmp_path: Path) -> str:
    file, first = tmp_path / "d.yaml", DEPLOYMENT.replace("/tables", str(tmp_path))
    item = first.partition("workspaces:\n")[2]
    file.write_text(first + item.replace("prod", "lab").replace("123", "456"))
    return str(file)


def test_views_are_printed_for_a_metastore(tmp_path: Path) -> None:
    file = two_workspaces(tmp_path)
    result = CliRunner().invoke(app, ["views", "--deployment", file, "--dialect", "hive"])
    assert result.exit_code == 0
    assert "CREATE OR REPLACE VIEW `hive_metastore`.`owc`.`clusterStateFact` " in result.stdout
    assert result.stdout.startswith("-- Not loaded yet, so empty until this is run again: ")
    named = ["--workspaces", "456", "--etl-database", "a.b", "--consumer-database", "a.c"]
    result = CliRunner().invoke(app, ["views", "--deployment", file, *named])
    assert "CREATE OR REPLACE VIEW `a`.`c`.`clusterStateFact` " in result.stdout
    assert "accountLogin" not in result.stdout
    assert "-- a.b must be there; who may make it runs: CREATE SCHEMA IF NOT EXISTS `a`.`b` " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["views", "--apply"],
            "--apply needs the engine spark or databricks in the deployment file: sail keeps no metastore",
        ),
        (["views", "--workspaces", "7"], "Workspace 7 is not in the deployment file, which has 123, 456."),
        (["sql", "select 1", "--workspaces", "7"], "Workspace 7 is not in the deployment file, which has 123, 456."),
        (["export", "--workspaces", "7"], "Workspace 7 is not in the deployment file, which has 123, 456."),
        (["export", "--day", "2024-13-01"], "--day must be a day such as 2026-10-31, but is '2024-13-01'"),
        (["export", "--day", "2999-01-01"], "The day 2999-01-01 is not over: the last one that is, is "),
    ],
)
def test_what_cannot_be_shown_or_exported_is_said(tmp_path: Path, arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, [*arguments, "--deployment", two_workspaces(tmp_path)])
    assert result.exit_code == 2
    assert said in result.stderr
