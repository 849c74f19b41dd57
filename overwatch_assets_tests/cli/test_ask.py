"""Commands that need no engine: validate and dictionary."""

from pathlib import Path

import orjson
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
