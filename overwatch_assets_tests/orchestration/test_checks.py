"""What the checks of tables look at, workspace by workspace."""

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.orchestration import checks
from overwatch_assets.orchestration.checks import Checked
from overwatch_assets.orchestration.resources import SparkResource
from overwatch_assets.runner.state import QUARANTINE
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore
from overwatch_assets_tests.literal_rows import rows_of

pytestmark = pytest.mark.engine


def test_a_null_in_one_workspace_does_not_hide_doubled_keys_of_another(spark: SparkSession, tmp_path: Path) -> None:
    loaded = {"Pipeline_SnapTS": dt.datetime(2024, 5, 1, tzinfo=dt.UTC), "Overwatch_RunID": "r"}
    good = {"source": "s", "location": "l", "line": 1, "reason": "torn", "hash": 1, **loaded}
    stores = {w: TableStore(spark, Location(str(tmp_path / w)), w) for w in ("123", "456")}

    def put(workspace_id: str, *rows: dict[str, Any]) -> None:
        full = [{"organization_id": workspace_id, **row} for row in rows]
        stores[workspace_id].append(QUARANTINE, lambda: rows_of(spark, QUARANTINE, *full))

    put("123", {**good, "reason": None})
    put("456", good, good, {**good, "line": 2})
    resource = cast("SparkResource", SimpleNamespace(platform=SimpleNamespace(store=stores.__getitem__)))
    unique, contract = checks._rows(QUARANTINE, Checked(resource, {"123": None, "456": None}))
    assert (unique.passed, unique.description) == (False, "workspace 456: 1 keys have several rows")
    assert (contract.passed, contract.description) == (False, "workspace 123: 1 rows have no reason")
