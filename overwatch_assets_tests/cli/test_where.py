"""Which deployment a command is about."""

from pathlib import Path

import pytest

from overwatch_assets.cli.where import absolute, deployment_file, deployment_of, spark_only
from overwatch_assets.errors import StorageError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OVERWATCH_DEPLOYMENT", raising=False)


def test_paths_become_absolute_and_urls_stay(tmp_path: Path) -> None:
    assert absolute("a/../b") == str(tmp_path / "b")
    assert absolute("/x/") == "/x"
    assert [absolute(u) for u in ("s3://b/x", "dbfs:/x")] == ["s3://b/x", "dbfs:/x"]


def test_option_then_variable_then_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = tmp_path / ".overwatch" / "demo" / "deployment.yaml"
    demo.parent.mkdir(parents=True)
    demo.touch()
    assert deployment_file(None) == ".overwatch/demo/deployment.yaml"
    monkeypatch.setenv("OVERWATCH_DEPLOYMENT", "/v.yaml")
    assert deployment_file(None) == "/v.yaml"
    assert deployment_file("o.yaml") == "o.yaml"


def test_workspace_of_event_logs_alone(tmp_path: Path) -> None:
    workspace = spark_only("tables", "local", ("logs", "s3://b/logs"))
    assert workspace.scopes == {"sparkEvents"}
    assert workspace.cluster_log_prefixes == (str(tmp_path / "logs"), "s3://b/logs")
    assert workspace.table_root(external_metastore=False) == f"{tmp_path}/tables/local/overwatch.db"


def test_storage_folder_is_a_deployment_of_the_workspaces_in_it(tmp_path: Path) -> None:
    for name in ("1/ow.db", "2/ow.db"):
        (tmp_path / "s" / name).mkdir(parents=True)
    found = deployment_of(None, "s")
    assert [w.workspace_id for w in found.active_workspaces] == ["1", "2"]
    assert found.table_root("2") == f"{tmp_path}/s/2/ow.db"


def test_storage_folder_with_two_databases(tmp_path: Path) -> None:
    for name in ("1/a.db", "2/b.db"):
        (tmp_path / "s" / name).mkdir(parents=True)
    with pytest.raises(StorageError, match=r"holds several databases \(a, b\)"):
        deployment_of(None, "s")
