"""Pools and clusters loaded day by day: what comes late ends in the rows that it had ended in on time."""

import datetime as dt
import json
import uuid
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.contract.registry import tables
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.runner.runner import Runner
from overwatch_assets.sources.registry import Sources
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore
from overwatch_assets_tests.definition_lines import DAY, HOUR, Record, record

pytestmark = pytest.mark.engine

DAYS = [dt.date(2024, 5, day) for day in (1, 2, 3)]
BRONZE = ("audit_log_bronze", "clusters_snapshot_bronze", "pools_snapshot_bronze")
MADE = ("pools_silver", "cluster_spec_silver", "cluster_gold", "instancepool_gold")

ON_TIME: list[Record] = [
    record("clusters", "create", DAY + HOUR, result={"cluster_id": "c"}, cluster_name="etl", instance_pool_id="w"),
]
LATE: list[Record] = [
    record("clusters", "create", DAY + 2 * HOUR, result={"cluster_id": "d"}, cluster_name="made"),
    record("instancePools", "create", DAY + 26 * HOUR, result={"instance_pool_id": "w"}, node_type_id="m"),
    record("clusters", "permanentDelete", DAY + 50 * HOUR, by="eve@x", cluster_id="c"),
]
SEEN = {"cluster_id": "d", "cluster_name": "seen"}


class World:
    """A workspace whose audit log can grow."""

    def __init__(self, spark: SparkSession, root: Path, records: list[Record]) -> None:
        self.spark, self.records = spark, list(records)
        self.workspace = Workspace(
            workspace_name="test",
            workspace_id="1",
            cloud="AWS",
            primordial_date="2024-01-01",
            storage_prefix=str(root),
            etl_database_name="ow",
            consumer_database_name="owc",
            auditlogprefix_source_path=str(root),
            workspace_url="https://test.cloud.databricks.com",
            api_url="https://test.cloud.databricks.com",
        )
        self.store = TableStore(spark, Location(self.workspace.table_root(external_metastore=False)), "1")

    def _audit(self, load: Load) -> Reading:
        lines = [
            ("f", 1, 0, None, json.dumps(r))
            for r in self.records
            if load.window.from_ms <= r["timestamp"] < load.window.until_ms
        ]
        kind = "file string, line bigint, pos bigint, day date, value string"
        return Reading(frames=[self.spark.createDataFrame(lines, kind)] if lines else [], empty="" if lines else "none")

    def _clusters(self, load: Load) -> Reading:
        if not load.window.from_ms <= DAY + 30 * HOUR < load.window.until_ms:
            return Reading(empty="none")
        rows = [("d", json.dumps(SEEN), DAY + 30 * HOUR)]
        return Reading(frames=[self.spark.createDataFrame(rows, "cluster_id string, body string, fetched_ms bigint")])

    def load(self, *days: dt.date) -> None:
        """Load all tables for some days, as one run."""
        sources = Sources(
            {
                "audit_log_files": self._audit,
                "workspace_clusters": self._clusters,
                "workspace_pools": lambda _: Reading(empty="none"),
            }
        )
        runner = Runner(self.workspace, self.store, sources, dt.datetime(2024, 5, 4, tzinfo=dt.UTC), uuid.uuid4().hex)
        list(runner.load_all([tables()[n] for n in (*BRONZE, *MADE)], days))

    def rows(self) -> dict[str, list[str]]:
        """What the tables ended with."""
        frames = {n: self.store.read(tables()[n]).select(*tables()[n].compared) for n in MADE}
        return {n: sorted(str(r) for r in frame.collect()) for n, frame in frames.items()}


def test_late_days_heal_also_where_rows_go(spark: SparkSession, tmp_path: Path) -> None:
    late, on_time = World(spark, tmp_path / "late", ON_TIME), World(spark, tmp_path / "on_time", ON_TIME + LATE)
    on_time.load(*DAYS)
    late.load(*DAYS)
    actions = late.store.read(tables()["cluster_spec_silver"]).select("cluster_id", "actionName").collect()
    assert {tuple(r) for r in actions} == {("c", "create"), ("d", "snapImpute")}
    late.records += LATE
    for day in (DAYS[1], DAYS[2], DAYS[0]):
        late.load(day)
    assert late.rows() == on_time.rows()
    spec = late.store.read(tables()["cluster_spec_silver"])
    found = spec.select("cluster_id", "actionName", "node_type_id", "deleted_by").collect()
    assert {tuple(r) for r in found} == {
        ("c", "create", "m", "eve@x"),
        ("c", "permanentDelete", "m", "eve@x"),
        ("d", "create", None, None),
    }
