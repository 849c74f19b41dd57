"""`overwatch demo` as a user runs it: a process, then the tables that it says there are."""

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from overwatch_assets.config.fields import Cloud
from overwatch_assets.contract.registry import modules
from overwatch_assets.sample import demo
from overwatch_assets.sample.story import DAYS, story
from overwatch_assets.sample.world import CLUSTER_LOGS
from overwatch_assets_tests.consumer.documented import documented, twice
from overwatch_assets_tests.sample.conftest import Demo, overwatch

pytestmark = pytest.mark.engine

_FOR_ERRORS = {
    "quarantine_bronze",
    "clusters_snapshot_error_bronze",
    "cluster_events_errors_bronze",
}  # rows in one workspace are enough
_ON_AWS = {"instance_profiles_snapshot_bronze"}


def stored(home: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """What `overwatch tables` says, by table and workspace."""
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in json.loads(overwatch("tables", "--json", "--deployment", home / "deployment.yaml").stdout):
        found[row["name"]][row["workspace_name"]] = row
    return found


def warning(home: Path, table: str, check: str) -> str:
    """What the last result of a check says, in Dagster; it has to be a warning."""
    key = dg.AssetCheckKey(dg.AssetKey(table), check)
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        found = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert found.event is not None
    assert found.event.dagster_event is not None
    said = found.event.dagster_event.event_specific_data
    assert isinstance(said, dg.AssetCheckEvaluation)
    assert (said.passed, said.severity) == (False, dg.AssetCheckSeverity.WARN)
    return said.description or ""


def records(folder: Path) -> list[dict[str, Any]]:
    """Every record of the cluster logs that the demo wrote."""
    found = []
    for path in (p for p in folder.rglob("*") if p.is_file() and "eventlog" in str(p)):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for line in data.splitlines():
            try:
                found.append({"_context": path.parent.name, **json.loads(line)})
            except ValueError:
                continue  # the story's broken lines
    return found


def test_a_folder_keeps_its_workspaces_until_others_are_asked_for(tmp_path: Path) -> None:
    def clouds() -> list[str]:
        return [w["cloud"] for w in yaml.safe_load((tmp_path / "deployment.yaml").read_text())["workspaces"]]

    demo._prepared(tmp_path, (Cloud.AZURE, Cloud.GCP))
    assert clouds() == ["Azure", "GCP"]
    table = tmp_path / "storage" / "table"
    table.mkdir()
    demo._prepared(tmp_path, None)
    assert (clouds(), table.exists()) == (["Azure", "GCP"], True)
    demo._prepared(tmp_path, (Cloud.AWS, Cloud.AZURE))
    assert (clouds(), table.exists()) == (["AWS", "Azure"], False)


@pytest.mark.timeout(900)
def test_rows_of_both_workspaces_and_all_days_and_a_second_demo_changes_nothing(
    loaded_demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, shown = loaded_demo.home, loaded_demo.shown
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    assert "overwatch ui" in shown
    first = stored(home)
    names = {w.name for w in story().workspaces}
    assert len(names) == 2
    for table in modules():
        assert table.name in shown
        rows = first[table.name]
        assert set(rows) == names
        filled = {w.name for w in story().workspaces if w.cloud == Cloud.AWS} if table.name in _ON_AWS else names
        assert {n for n in names if rows[n]["rows"]} == filled, table.name
        if table.partition is not None and table.of_month is None:
            assert all(rows[n]["partitions"] == len(DAYS) == 3 for n in filled), table.name
    for name in _FOR_ERRORS:
        assert any(row["rows"] for row in first[name].values()), name
    in_a_hub = {w.name: 2 if w.cloud == Cloud.AZURE else 0 for w in story().workspaces}  # the last of each partition
    assert {n: first["audit_log_raw_events"][n]["rows"] for n in names} == in_a_hub
    for name in names:
        events = records(home / "world" / name / CLUSTER_LOGS)
        jobs = {(e["_context"], e["Job ID"]) for e in events if e.get("Event") == "SparkListenerJobStart"}
        tasks = {(e["_context"], e["Task Info"]["Task ID"]) for e in events if "Task Info" in e}
        for table, expected in (("sparkjob_gold", jobs), ("sparktask_gold", tasks)):
            assert first[table][name]["rows"] == len(expected) > 100
    for view in documented().values():
        assert [twice(view.key, first[view.table][name]["path"]) for name in names] == [[], []], view.name
    assert "Standard_DS4_v2" in warning(home, "clusterstatefact_gold", "priced")
    assert "Standard_DS4_v2" in warning(home, "cluster_cost_segments_silver", "priced")
    assert "5X-Large" in warning(home, "warehousestatefact_gold", "priced")
    overwatch("demo", "--home", home)
    second = stored(home)
    for table in modules():
        for name in names:
            assert second[table.name][name]["rows"] == first[table.name][name]["rows"], table.name
    assert {n: second["audit_log_raw_events"][n]["rows"] for n in names} == in_a_hub
