from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import IneligibleError, SourceError
from overwatch_assets.sample.server import Fault, Known
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, ApiWorld, World, at, event

pytestmark = pytest.mark.engine

SNAPSHOT, ERRORS, AUDIT = "clusters_snapshot_bronze", "clusters_snapshot_error_bronze", "audit_log_bronze"

Clusters = dict[str, dict[str, Any]]


def body(cluster_id: str, state: str = "RUNNING", **fields: Any) -> dict[str, Any]:
    return {"cluster_id": cluster_id, "cluster_name": f"name of {cluster_id}", "state": state, **fields}


class Workspace(ApiWorld):
    """`clusters` is what the workspace knows and lists."""

    @property
    def clusters(self) -> Any:
        return self.known.clusters

    @clusters.setter
    def clusters(self, clusters: Clusters) -> None:
        self.known = Known(clusters)

    def snapshot(self, day: Any, hour: int = 12) -> Any:
        now = at(day, hour)
        self.load(AUDIT, day, now=now)
        return self.load(SNAPSHOT, day, now=now, sources=self.sources())


@pytest.fixture
def world(spark: SparkSession, tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.serving(spark, tmp_path) as world:
        yield world


def by_id(rows: list[dict[str, Any]]) -> Mapping[str, dict[str, Any]]:
    assert len({r["cluster_id"] for r in rows}) == len(rows)
    return {r["cluster_id"]: r for r in rows}


def test_clusters_of_the_list_need_no_audit_record(world: Workspace) -> None:
    world.clusters = {"c1": body("c1"), "c2": body("c2", "TERMINATED")}
    result = world.snapshot(DAY2)
    assert result.status == "SUCCESS"
    assert result.counts["inserted"] == 2
    rows = by_id(world.rows(SNAPSHOT))
    assert {i: (r["state"], r["snapshot_date"], r["cluster_name"]) for i, r in rows.items()} == {
        "c1": ("RUNNING", DAY2, "name of c1"),
        "c2": ("TERMINATED", DAY2, "name of c2"),
    }


def test_the_last_snapshot_of_a_day_wins_and_the_same_answer_changes_nothing(world: Workspace) -> None:
    world.clusters = {"c1": body("c1"), "c2": body("c2")}
    world.snapshot(DAY2, 6)
    version = world.store.version(tables()[SNAPSHOT])
    world.snapshot(DAY2, 7)
    assert world.store.version(tables()[SNAPSHOT]) == version
    world.clusters = {"c1": body("c1", "TERMINATED", terminated_time=5)}
    result = world.snapshot(DAY2, 18)
    assert (result.counts["updated"], result.counts["inserted"]) == (1, 0)
    rows = by_id(world.rows(SNAPSHOT))
    assert (rows["c1"]["state"], rows["c1"]["terminated_time"], rows["c2"]["state"]) == ("TERMINATED", 5, "RUNNING")
    world.snapshot(DAY3)
    assert sorted((r["cluster_id"], r["snapshot_date"]) for r in world.rows(SNAPSHOT)) == [
        ("c1", DAY2),
        ("c1", DAY3),
        ("c2", DAY2),
    ]


def test_a_past_day_is_empty_and_keeps_what_it_has(world: Workspace) -> None:
    world.clusters = {"c1": body("c1")}
    world.snapshot(DAY2)
    world.load(AUDIT, DAY1, DAY2)
    world.clusters = {}
    past = world.load(SNAPSHOT, DAY1, DAY2, now=at(DAY3), sources=world.sources())
    assert past.status == "EMPTY: snapshots are as of now, which is not in 2024-05-01 to 2024-05-02"
    assert [r["cluster_id"] for r in world.rows(SNAPSHOT)] == ["c1"]


def test_clusters_that_only_audit_logs_name_of_the_window_and_the_day_before(world: Workspace) -> None:
    unlisted = {"cluster_id": "unlisted"}
    world.deliver(DAY1, "a.json", [event("clusters", "edit", unlisted, timestamp=1_714_521_600_000)])
    world.load(AUDIT, DAY1)
    world.clusters = {}
    world.api.add_fault(
        Fault(path="*/clusters/get", query=unlisted, status=200, times=None, body=body("unlisted", "TERMINATED"))
    )
    world.snapshot(DAY2)
    assert [(r["cluster_id"], r["snapshot_date"]) for r in world.rows(SNAPSHOT)] == [("unlisted", DAY2)]
    empty = world.snapshot(DAY3)
    assert empty.status == "EMPTY: no clusters: neither the audit logs nor clusters/list name any"


def test_a_cluster_that_is_refused_is_in_the_error_table_and_asked_for_again(world: Workspace) -> None:
    world.clusters = {"c1": body("c1"), "c2": body("c2")}
    world.deliver(DAY2, "a.json", [event("clusters", "delete", {"cluster_id": "gone"})])
    denied = {"error_code": "PERMISSION_DENIED", "message": "No.", "details": [{"credentials": {"a": "hunter2"}}]}
    world.api.add_fault(Fault(path="*/clusters/get", query={"cluster_id": "c2"}, status=403, body=denied))
    result = world.snapshot(DAY2)
    assert result.status == "SUCCESS"
    assert result.counts["clusters not described"] == 2
    errors = by_id(world.rows(ERRORS))
    assert {i: (e["snapshot_date"], e["http_code"], e["error_code"]) for i, e in errors.items()} == {
        "c2": (DAY2, 403, "PERMISSION_DENIED"),
        "gone": (DAY2, 400, "INVALID_PARAMETER_VALUE"),
    }
    assert errors["gone"]["message"] == "Cluster gone does not exist"
    assert errors["c2"]["rawResponse"] == '{"error_code":"PERMISSION_DENIED","message":"No.","details":[{}]}'
    before = world.api.count("*/clusters/get")
    world.api.add_fault(Fault(path="*/clusters/list", status=200, body={"next_page_token": ""}))
    world.load(AUDIT, DAY3, now=at(DAY3))
    (world.audit / "date=2024-05-02/a.json").unlink()
    world.load(SNAPSHOT, DAY3, now=at(DAY3), sources=world.sources())
    asked = [r.query["cluster_id"] for r in world.api.received if r.path.endswith("get")][before:]
    assert sorted(asked) == ["c2", "gone"]  # audit logs name the latter on the day before
    assert ("c2", DAY3) in {(r["cluster_id"], r["snapshot_date"]) for r in world.rows(SNAPSHOT)}


def test_a_list_that_fails_is_counted_unless_nothing_else_names_a_cluster(world: Workspace) -> None:
    world.clusters = {"c1": body("c1")}
    world.api.add_fault(Fault(path="*/clusters/list", status=403, times=None))
    with pytest.raises(SourceError, match="clusters/list"):
        world.snapshot(DAY2)
    world.deliver(DAY2, "a.json", [event("clusters", "startResult", {"clusterId": "c1"})])
    result = world.snapshot(DAY2)
    assert (result.status, result.counts["clusters/list failed"]) == ("SUCCESS", 1)
    assert [r["cluster_id"] for r in world.rows(SNAPSHOT)] == ["c1"]


def test_it_waits_for_the_audit_logs_of_the_window(world: Workspace) -> None:
    with pytest.raises(IneligibleError, match="audit_log_bronze is not loaded for 2024-05-02"):
        world.load(SNAPSHOT, DAY2, now=at(DAY2), sources=world.sources())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"excluded_scopes": "clusters:clusterEvents:sparkEvents:jobs"}, "the scope clusters is excluded"),
        (
            {
                "workspace_url": None,
                "excluded_scopes": "clusters:clusterEvents:pools:jobs:accounts:dbsql",
                "cluster_log_prefixes": "/srv/logs",
            },
            "the scope clusters is excluded",
        ),
    ],
)
def test_without_the_scope_it_is_empty(
    spark: SparkSession, tmp_path: Path, fields: Mapping[str, Any], reason: str
) -> None:
    world = World(spark, tmp_path, fields)
    world.audit.mkdir()
    world.load(AUDIT, DAY2)
    assert world.load(SNAPSHOT, DAY2, now=at(DAY2)).status == f"EMPTY: {reason}"


def test_secrets_are_in_no_file_of_the_tables(world: Workspace) -> None:
    world.clusters = {
        "c1": body(
            "c1",
            spark_conf={"spark.hadoop.fs.s3a.secret.key": "hunter2", "spark.sql.shuffle.partitions": "8"},
            spark_env_vars={"DB_PASSWORD": "hunter2"},
            docker_image={"url": "x", "basic_auth": {"username": "u", "password": "hunter2"}},
        )
    }
    world.snapshot(DAY2)
    (row,) = world.rows(SNAPSHOT)
    assert row["droppedProperties"] == 3
    assert (row["spark_conf"], row["spark_env_vars"]) == ({"spark_sql_shuffle_partitions": "8"}, {})
    assert '"docker_image":{"basic_auth":{"username":"u"},"url":"x"}' in row["value"]
    files = [f for f in (world.folder / "ow").rglob("*") if f.is_file()]
    assert files
    assert not [f for f in files if b"hunter2" in f.read_bytes()]
