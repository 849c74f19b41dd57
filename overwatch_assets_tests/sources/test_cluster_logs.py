import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import SourceError
from overwatch_assets.runner.changes import Changes
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.runner.window import to_ms
from overwatch_assets.sources.cluster_logs import (
    UNREACHABLE,
    destination_of,
    event_log_prefixes,
    mounts_of,
    unmounted,
)
from overwatch_assets.sources.registry import Sources
from overwatch_assets.sources.workspace_clusters import _ROW
from overwatch_assets.storage import location
from overwatch_assets.storage.lease import lease
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, NOON, START, World, at, event, window

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("conf", "destination"),
    [
        ({"dbfs": {"destination": "dbfs:/logs/"}, "s3": {"destination": "s3://b/x"}}, "dbfs:/logs"),
        ({"s3": {"destination": "s3://b/x", "region": "r"}}, "s3://b/x"),
        ({"volumes": {"destination": "/Volumes/c/s/v/"}}, "/Volumes/c/s/v"),
        ({"abfss": {"destination": "abfss://c@a.dfs.core.windows.net/x"}}, "abfss://c@a.dfs.core.windows.net/x"),
        ({"gcs": {"destination": "gs://b/x"}}, "gs://b/x"),
        ({"dbfs": {"destination": ""}, "s3": None}, None),
        ({}, None),
        ([1], None),
        ("no JSON", None),
    ],
)
def test_destination(conf: Any, destination: str | None) -> None:
    assert destination_of(conf if isinstance(conf, str) else json.dumps(conf)) == destination


MOUNTS = {"/mnt/log": "s3://one", "/mnt/logs": "s3://two/x", "/mnt/logs/deep": "s3://three"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("dbfs:/mnt/logs/a/a/b", "s3://two/x/a/a/b"),
        ("dbfs:/mnt/log/a", "s3://one/a"),
        ("dbfs:/mnt/logs/deep/a", "s3://three/a"),
        ("dbfs:/mnt/logs/deeper/a", "s3://two/x/deeper/a"),
        ("dbfs:///mnt/logs", "s3://two/x"),
        ("/mnt/logs/a", "s3://two/x/a"),
        ("dbfs:/mnt/logsaway/a", "dbfs:/mnt/logsaway/a"),
        ("s3://mnt/logs/a", "s3://mnt/logs/a"),
        ("dbfs:/Volumes/c/s/v/a", "/Volumes/c/s/v/a"),
    ],
)
def test_mounts_match_whole_segments_and_the_longest_wins(path: str, found: str) -> None:
    assert unmounted(path, MOUNTS) == found


@pytest.fixture
def world(spark: SparkSession, tmp_path: Path) -> World:
    (tmp_path / "audit").mkdir()
    return World(spark, tmp_path, {})


def prefixes(world: World, *days: Any) -> tuple[list[str], Counter[str]]:
    with lease(world.store.location) as held:
        load = Load(
            table=tables()["spark_events_bronze"],
            window=window(*days),
            workspace=world.workspace,
            store=world.store,
            changes=Changes(world.store, "prod", at(DAY3), "run"),
            lease=held,
            now=at(DAY3),
            run_id="run",
        )
        return event_log_prefixes(load), load.counts


def create(cluster_id: str, destination: Path | str, **fields: Any) -> dict[str, Any]:
    conf = json.dumps({"dbfs": {"destination": str(destination)}})
    response = {"statusCode": 200, "result": json.dumps({"cluster_id": cluster_id})}
    return event("clusters", "create", {"cluster_log_conf": conf}, response=response, **fields)


def logs(folder: Path, cluster_id: str) -> str:
    path = folder / cluster_id / "eventlog"
    path.mkdir(parents=True)
    return str(path)


def snapshot(world: World, day: Any, *clusters: Mapping[str, Any]) -> None:
    def read(load: Load) -> Reading:
        rows = [(c["cluster_id"], json.dumps(c), to_ms(load.now)) for c in clusters]
        return Reading(frames=[load.store.frame(rows, _ROW)])

    now = at(day)
    world.load("audit_log_bronze", day, now=now)
    world.load("clusters_snapshot_bronze", day, now=now, sources=Sources(readers={"workspace_clusters": read}))


@pytest.mark.engine
def test_without_upstream_tables_only_the_configured_ones_also_missing_ones(
    spark: SparkSession, tmp_path: Path
) -> None:
    world = World(spark, tmp_path, {"cluster_log_prefixes": ["/srv/b", "/srv/a"]})
    assert prefixes(world, DAY2) == (["/srv/a", "/srv/b"], Counter())
    with pytest.raises(SourceError, match="There is nothing at /srv/a"):
        world.load("spark_events_bronze", DAY2)


@pytest.mark.engine
def test_clusters_with_activity_in_the_window_and_their_destinations_of_any_day(world: World) -> None:
    place = world.folder / "logs"
    created, idle = logs(place, "created"), logs(place, "idle")
    earlier = START - 12 * HOUR
    world.deliver(
        DAY1, "a.json", [create("created", f"{place}/", timestamp=earlier), create("idle", place, timestamp=earlier)]
    )
    world.deliver(DAY2, "a.json", [event("clusters", "startResult", {"clusterId": "created"}), create("new", place)])
    world.load("audit_log_bronze", DAY1, DAY2)
    assert prefixes(world, DAY2) == (
        [created],
        Counter({"declared log prefixes: read": 1, "declared log prefixes: without logs yet": 1}),
    )
    assert prefixes(world, DAY1)[0] == sorted([created, idle])
    assert prefixes(world, DAY3)[0] == []


@pytest.mark.engine
def test_destinations_are_looked_for_on_days_with_records_of_the_clusters_alone(world: World) -> None:
    place = world.folder / "logs"
    known = logs(place, "c1")
    world.deliver(DAY1, "a.json", [create("other", place, timestamp=START - HOUR)])
    world.deliver(DAY2, "a.json", [create("c1", place)])
    world.deliver(DAY3, "a.json", [event("clusters", "startResult", {"clusterId": "c1"}, timestamp=START + 30 * HOUR)])
    world.load("audit_log_bronze", DAY1, DAY2, DAY3)
    for file in world.folder.glob(f"ow/**/audit_log_bronze/date={DAY1}/*.parquet"):
        file.unlink()
    assert prefixes(world, DAY3)[0] == [known]


@pytest.mark.engine
def test_clusters_alive_in_the_window_or_running_in_the_latest_snapshot(world: World) -> None:
    place = world.folder / "logs"
    paths = {name: logs(place, name) for name in ("ended", "running", "ended_before", "started_after", "moved")}
    conf = {"dbfs": {"destination": str(place)}}
    common = {"cluster_log_conf": conf, "start_time": START - 100 * HOUR}
    snapshot(
        world,
        DAY1,
        {
            **common,
            "cluster_id": "moved",
            "state": "RUNNING",
            "cluster_log_conf": {"s3": {"destination": "/elsewhere"}},
        },
    )
    snapshot(
        world,
        DAY3,
        {**common, "cluster_id": "ended", "state": "TERMINATED", "terminated_time": START + HOUR},
        {**common, "cluster_id": "running", "state": "RUNNING"},
        {**common, "cluster_id": "ended_before", "state": "TERMINATED", "terminated_time": START - HOUR},
        {
            **common,
            "cluster_id": "started_after",
            "state": "TERMINATED",
            "start_time": NOON + 24 * HOUR,
            "terminated_time": NOON + 25 * HOUR,
        },
        {**common, "cluster_id": "moved", "state": "TERMINATED", "terminated_time": START},
    )
    assert prefixes(world, DAY2)[0] == sorted(paths[name] for name in ("ended", "running", "moved"))
    assert prefixes(world, DAY1)[0] == sorted(paths[name] for name in ("ended", "running", "moved", "ended_before"))


@pytest.mark.engine
def test_on_gcp_what_is_not_mounted_lies_in_the_default_bucket(spark: SparkSession, tmp_path: Path) -> None:
    mapping = tmp_path / "mounts.csv"
    mapping.write_text("mountPoint,source,workspace_id\n/mnt/logs,gs://own/logs,123\n")
    fields = {"cloud": "GCP", "mount_mapping_path": str(mapping)}
    mounts = mounts_of(World(spark, tmp_path, fields).workspace)
    found = {
        path: unmounted(path, mounts) for path in ("dbfs:/mnt/logs/a", "dbfs:/logs/a", "gs://b/a", "/Volumes/c/s/v")
    }
    assert found == {
        "dbfs:/mnt/logs/a": "gs://own/logs/a",
        "dbfs:/logs/a": "gs://databricks-123/123/logs/a",
        "gs://b/a": "gs://b/a",
        "/Volumes/c/s/v": "/Volumes/c/s/v",
    }
    bare = mounts_of(World(spark, tmp_path, {"cloud": "GCP"}).workspace)
    assert unmounted("dbfs:/mnt/logs/a", bare) == "gs://databricks-123/123/mnt/logs/a"
    assert mounts_of(World(spark, tmp_path, {}).workspace) == {}


@pytest.mark.engine
def test_mounts_are_of_this_workspace(spark: SparkSession, tmp_path: Path) -> None:
    place, other = tmp_path / "logs", tmp_path / "other"
    path = logs(place, "c1")
    logs(other, "c1")
    mapping = tmp_path / "mounts.csv"
    mapping.write_text(
        "mountPoint,source,workspace_id\n"
        f"/mnt/logs/,{other},999\n/mnt/logs/,{place}/,123\n/,{other},123\n,{other},123\n"
    )
    world = World(spark, tmp_path, {"mount_mapping_path": str(mapping)})
    world.deliver(DAY2, "a.json", [create("c1", "dbfs:/mnt/logs")])
    world.load("audit_log_bronze", DAY2)
    assert prefixes(world, DAY2)[0] == [path]
    mapping.write_text("mount,source\n/mnt,x\n")
    with pytest.raises(SourceError, match="must have the columns mountPoint, source, workspace_id"):
        prefixes(world, DAY2)
    mapping.unlink()
    with pytest.raises(SourceError, match=r"The mounts at .* can't be read: FileNotFoundError"):
        prefixes(world, DAY2)


@pytest.mark.engine
def test_destinations_that_nothing_here_reaches_are_in_quarantine_until_something_does(world: World) -> None:
    records = [
        create("c1", "dbfs:/cluster-logs"),
        create("c2", "nosuchstore://x"),
        create("c3", "/Volumes/c/s/v/logs"),
    ]
    world.deliver(DAY2, "a.json", records)
    world.deliver(DAY3, "a.json", [event("clusters", "startResult", {"clusterId": "c2"}, timestamp=NOON + 24 * HOUR)])
    world.load("audit_log_bronze", DAY2, DAY3)
    for times in (3, 0):  # the same is no news
        loaded = world.load("spark_events_bronze", DAY2)
        assert loaded.status == (
            "EMPTY: no cluster-log prefix: of those that clusters declare, 3 can't be reached from here"
        )
        assert loaded.counts[UNREACHABLE] == 3
        assert loaded.counts.get("quarantined", 0) == times
    assert refused(world) == {
        "dbfs:/cluster-logs/c1/eventlog": "not reachable: dbfs:/cluster-logs/c1/eventlog is a path of Databricks' file "
        "system, which this machine does not have at /dbfs: name the storage itself, or set FSSPEC_DBFS_INSTANCE to the "
        "workspace's host and FSSPEC_DBFS_TOKEN to a token",
        "nosuchstore://x/c2/eventlog": "not reachable: Protocol not known: nosuchstore",
        "/Volumes/c/s/v/logs/c3/eventlog": "not reachable: this machine has no volume /Volumes/c/s/v",
    }
    assert world.load("spark_events_bronze", DAY3).counts["quarantined"] == 1  # of each day that lacks them
    place, mapping = world.folder / "logs", world.folder / "mounts.csv"
    path = logs(place, "c1")
    mapping.write_text(f"mountPoint,source,workspace_id\n/cluster-logs,{place},123\n")
    world.fields = {"mount_mapping_path": str(mapping)}
    assert prefixes(world, DAY2) == ([path], Counter({UNREACHABLE: 2, "declared log prefixes: read": 1}))
    assert sorted(refused(world)) == ["/Volumes/c/s/v/logs/c3/eventlog", "nosuchstore://x/c2/eventlog"]


def refused(world: World) -> dict[str, str]:
    rows = [row for row in world.rows("quarantine_bronze") if row["source"] == "spark_events_bronze"]
    return {row["location"]: row["reason"] for row in rows}


@pytest.fixture
def mounted(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this machine has Databricks' file system."""
    folder = world.folder / "dbfs"
    monkeypatch.setattr(location, "_MOUNTED", folder)
    return folder


@pytest.mark.engine
def test_logs_in_the_file_system_of_databricks_where_it_is_mounted(world: World, mounted: Path) -> None:
    folder = Path(logs(mounted / "cluster-logs", "c1")) / "c1_10_0_0_7" / "77"
    folder.mkdir(parents=True)
    line = json.dumps({"Event": "SparkListenerApplicationEnd", "Timestamp": NOON})
    (folder / "eventlog").write_text(f"{line}\n")
    world.deliver(DAY2, "a.json", [create("c1", "dbfs:/cluster-logs"), create("new", "dbfs:/cluster-logs")])
    world.load("audit_log_bronze", DAY2)
    loaded = world.load("spark_events_bronze", DAY2)
    assert loaded.counts["declared log prefixes: without logs yet"] == 1
    (row,) = world.rows("spark_events_bronze")
    assert (row["clusterId"], row["SparkContextID"]) == ("c1", "77")
    (read,) = world.rows("spark_events_processedfiles")
    assert read["filename"] == "dbfs:/cluster-logs/c1/eventlog/c1_10_0_0_7/77/eventlog"


@pytest.mark.engine
def test_a_file_system_of_databricks_without_any_of_the_clusters_is_of_another_workspace(
    world: World, mounted: Path
) -> None:
    logs(mounted / "cluster-logs", "of_another")
    world.deliver(DAY2, "a.json", [create("c1", "dbfs:/cluster-logs")])
    world.load("audit_log_bronze", DAY2)
    assert world.load("spark_events_bronze", DAY2).counts[UNREACHABLE] == 1
    assert refused(world) == {
        "dbfs:/cluster-logs/c1/eventlog": "not reachable: dbfs:/ of this machine has no logs of the workspace"
    }
