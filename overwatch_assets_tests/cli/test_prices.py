"""`overwatch prices`, and what `overwatch validate` says of price files."""

from pathlib import Path

import orjson
import pytest
from click.testing import Result
from typer.testing import CliRunner

from overwatch_assets.cli import app
from overwatch_assets_tests.cli.test_ask import DEPLOYMENT


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    (tmp_path / "prices.csv").write_text(
        "table,key,contract_price,activeFrom,price_source\ndbu,interactive,0.6,2024-05-02,contract 7\n"
    )
    file = tmp_path / "d.yaml"
    file.write_text(DEPLOYMENT + f"    prices: {tmp_path}/prices.csv\n")
    return file


def run(*args: str, deployment: Path) -> Result:
    return CliRunner().invoke(app, ["prices", "--deployment", str(deployment), *args])


def cells(text: str) -> list[list[str]]:
    return [[c.strip() for c in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def test_what_applies_on_a_day(deployment: Path) -> None:
    before = run("--day", "2024-05-01", "--sku", "Interactive", deployment=deployment)
    assert before.exit_code == 0
    assert cells(before.stdout) == [
        ["interactive", "0.55", "2024-05-01", "2024-05-02", "interactive_dbu_price's default"],
        ["interactive", "2", "2024-05-01", "", "Overwatch's data dictionary 0.7.1.x: clusterStateFact"],
    ]
    after = run("--day", "2024-05-02", "--sku", "interactive", deployment=deployment)
    assert cells(after.stdout)[0] == ["interactive", "0.6", "2024-05-02", "", "contract 7"]


def test_a_node_type(deployment: Path) -> None:
    result = run("--node-type", "standard_ds3_v2", "--day", "2024-05-01", deployment=deployment)
    (row,) = cells(result.stdout)
    assert row[:8] == ["Standard_DS3_v2", "4", "14", "0.293", "0.293", "0.75", "2024-05-01", ""]
    assert result.stdout.splitlines()[0] == "Workspace 123 (prod) on 2024-05-01. Node types, USD and DBUs per hour"


def test_as_json(deployment: Path) -> None:
    args = ("--workspace", "123", "--node-type", "Standard_DS3_v2", "--sku", "jobsLight", "--day", "2024-05-09")
    rows = orjson.loads(run(*args, "--json", deployment=deployment).stdout)
    assert [(r["table"], r["key"]) for r in rows] == [
        ("instance", "Standard_DS3_v2"),
        ("dbu", "jobsLight"),
        ("photon", "jobsLight"),
    ]
    assert rows[1] == {
        "organization_id": "123",
        "workspace_name": "prod",
        "table": "dbu",
        "key": "jobsLight",
        "contract_price": 0.1,
        "activeFrom": "2024-05-01",
        "activeUntil": None,
        "isActive": True,
        "price_source": "the deployment file's jobs_light_dbu_price",
        "price_date": None,
    }


def test_everything_of_today(deployment: Path) -> None:
    result = run(deployment=deployment)
    assert len(cells(result.stdout)) > 100


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--day", "2024-5-1x"), "--day must be a day as yyyy-MM-dd, not '2024-5-1x'"),
        (("--node-type", "m5.xlarge", "--day", "2024-05-01"), "On 2024-05-01 no price of m5.xlarge is known"),
        (("--workspace", "9"), "Workspace 9 is not in the deployment file"),
    ],
)
def test_what_cannot_be_answered(deployment: Path, args: tuple[str, ...], said: str) -> None:
    result = run(*args, deployment=deployment)
    assert result.exit_code == 2
    assert said in result.stderr.replace("\n", " ")


def test_validate_reads_the_price_file(deployment: Path) -> None:
    (deployment.parent / "prices.csv").write_text("table,key,contract_price,activeFrom\ndbu,automated,x,2024-05-02\n")
    result = CliRunner().invoke(app, ["validate", "--deployment", str(deployment)])
    assert result.exit_code == 2
    assert "prices.csv:2: dbu automated: contract_price must be a number, 0 or more, not 'x'" in result.stderr.replace(
        "\n", ""
    )
