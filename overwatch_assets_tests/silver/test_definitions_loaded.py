"""Definitions loaded day by day: what comes late ends in the rows that it had ended in on time."""

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

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
BRONZE = ("audit_log_bronze", "clusters_snapshot_bronze", "pools_snapshot_bronze", "jobs_snapshot_bronze")
MADE = ("pools_silver", "cluster_spec_silver", "job_status_silver", "cluster_gold", "instancepool_gold")

ON_TIME: list[Record] = [
    record("clusters", "create", DAY + HOUR, result={"cluster_id": "c"}, cluster_name="etl", instance_pool_id="w"),
]
LATE: list[Record] = [
    record("clusters", "create", DAY + 2 * HOUR, result={"cluster_id": "d"}, cluster_name="made"),
    record("instancePools", "create", DAY + 26 * HOUR, result={"instance_pool_id": "w"}, node_type_id="m"),
    record("clusters", "permanentDelete", DAY + 50 * HOUR, by="eve@x", cluster_id="c"),
]
Taken = tuple[int, dict[str, Any]]
SEEN: list[Taken] = [(DAY + 30 * HOUR, {"cluster_id": "d", "cluster_name": "seen"})]


class World:
    """A workspace whose audit log can grow. What its API says is when it was asked, and the answer."""

    def __init__(
        self,
        spark: SparkSession,
        root: Path,
        records: Sequence[Record],
        clusters: Sequence[Taken] = SEEN,
        jobs: Sequence[Taken] = (),
    ) -> None:
        self.spark, self.records = spark, list(records)
        self._clusters, self._jobs = clusters, jobs
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

    def _taken(self, load: Load, all_taken: Sequence[Taken], key: str, kind: str) -> Reading:
        within = [(at, body) for at, body in all_taken if load.window.from_ms <= at < load.window.until_ms]
        rows = [(body[key], json.dumps(body), at) for at, body in within]
        schema = f"{key} {kind}, body string, fetched_ms bigint"
        return Reading(frames=[self.spark.createDataFrame(rows, schema)] if rows else [], empty="" if rows else "none")

    def load(self, *days: dt.date) -> dict[str, int]:
        """Load all tables for some days, as one run, and return how many entities of each were looked at."""
        sources = Sources(
            {
                "audit_log_files": self._audit,
                "workspace_clusters": lambda load: self._taken(load, self._clusters, "cluster_id", "string"),
                "workspace_jobs": lambda load: self._taken(load, self._jobs, "job_id", "bigint"),
                "workspace_pools": lambda _: Reading(empty="none"),
            }
        )
        runner = Runner(self.workspace, self.store, sources, dt.datetime(2024, 5, 9, tzinfo=dt.UTC), uuid.uuid4().hex)
        done = list(runner.load_all([tables()[n] for n in (*BRONZE, *MADE)], days))
        return {result.table: result.counts.get("entities", 0) for result in done}

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


def _shown(day: int, number: int, **settings: Any) -> tuple[Taken, Taken]:
    """A cluster and a job of that number, as they are shown at noon."""
    at = DAY + 24 * HOUR * day + 12 * HOUR
    cluster = {"cluster_id": f"c{number}", "cluster_name": f"name {number}", "start_time": at, **settings}
    return (at, cluster), (at, {"job_id": number, "creator_user_name": "ann@x", "settings": settings})


def test_a_snapshot_that_says_nothing_new_rebuilds_nothing(spark: SparkSession, tmp_path: Path) -> None:
    shown = [_shown(day, number) for day in range(3) for number in range(1, 4)]
    edit = record("clusters", "edit", DAY + 26 * HOUR, cluster_id="c1", cluster_name="new", num_workers="4")
    update = record("jobs", "update", DAY + 26 * HOUR, job_id="2", new_settings={"max_retries": 3})
    world = World(spark, tmp_path, [edit, update], *zip(*shown, strict=True))
    looked_at = [world.load(day) for day in DAYS]
    assert [day["cluster_spec_silver"] for day in looked_at] == [3, 1, 0], "what changed is looked at with its change"
    assert [day["job_status_silver"] for day in looked_at] == [3, 1, 0]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(1, 6))])
def test_snapshots_on_any_days_in_any_order(spark: SparkSession, tmp_path: Path, seed: int) -> None:
    rng, days = Random(seed), [DAYS[0] + dt.timedelta(n) for n in range(6)]
    records: list[Record] = []
    shown = []
    for number in range(40):
        for day in range(len(days)):
            said = {"num_workers": rng.randrange(9), "spark_version": f"{rng.randrange(9)}.0.x-scala2.12"}
            names = rng.sample(sorted(said), rng.randrange(3))
            if rng.random() < 0.5:
                shown.append(_shown(day, number, **{n: said[n] for n in names}))
            for _ in range(rng.choice((0, 0, 0, 1, 2))):
                at = DAY + 24 * HOUR * day + rng.randrange(24) * HOUR
                told = {n: said[n] for n in rng.sample(sorted(said), rng.randrange(3))}
                action = rng.choice(("create", "edit", "edit", "resize", "permanentDelete"))
                made = {"cluster_id": f"c{number}"} if action == "create" else None
                whose = {} if made else {"cluster_id": f"c{number}"}
                records.append(record("clusters", action, at, by=f"{rng.randrange(3)}@x", result=made, **whose, **told))
                of_job = rng.choice(("reset", "update", "update", "delete"))
                records.append(record("jobs", of_job, at, job_id=str(number), new_settings=told))
    clusters, jobs = zip(*shown, strict=True)
    at_once = World(spark, tmp_path / "at_once", records, clusters, jobs)
    at_once.load(*days)
    one_by_one = World(spark, tmp_path / "one_by_one", records, clusters, jobs)
    for day in rng.sample(days, len(days)):
        one_by_one.load(day)
    assert one_by_one.rows() == at_once.rows()
