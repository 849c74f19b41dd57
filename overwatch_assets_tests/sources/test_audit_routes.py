"""The same events give the same rows, whichever way they came."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileSystem
from pyspark.sql import SparkSession

from overwatch_assets.errors import SourceError
from overwatch_assets_tests.sources import audit_routes as routes
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, World, at, event

pytestmark = pytest.mark.engine

DAYS = (DAY1, DAY2, DAY3)
FILES = {"parquet": 3 * 2, "capture": 3 * 2 * 3}  # of three days


def test_the_rows_are_the_events(by_json: pa.Table) -> None:
    found = sorted((r["timestamp"], r["actionName"], r["requestId"] or "") for r in by_json.to_pylist())
    assert found == sorted((e["timestamp"], e["actionName"], e["requestId"] or "") for e in routes.EVENTS)
    jobs = {r["requestParams"]["jobId"] for r in by_json.to_pylist() if r["requestParams"]} - {None}
    assert jobs == {int(e["requestParams"]["jobId"]) for e in routes.EVENTS if "jobId" in e["requestParams"]}
    assert "hunter2" not in str(by_json.column("value").to_pylist())
    dropped = sum(by_json.column("droppedProperties").to_pylist())
    assert dropped == sum(str(e["requestParams"]).count("hunter2") for e in routes.EVENTS)


def write_delta(world: World) -> dict[str, str]:
    routes.delta_table(world.spark, world.audit, routes.EVENTS)
    return {"audit_log_format": "delta"}


def write_parquet(world: World) -> dict[str, str]:
    routes.parquet_folder(world.audit, routes.EVENTS)
    return {"audit_log_format": "parquet"}


def write_capture(world: World) -> dict[str, str]:
    routes.capture_folder(world.audit, routes.EVENTS)
    return {"audit_log_format": "capture", "cloud": "Azure"}


def write_system(world: World) -> dict[str, str]:
    both = pa.concat_tables(
        [routes.system_rows(routes.EVENTS), routes.system_rows(routes.EVENTS[:99], workspace_id="456")]
    )
    world.spark.createDataFrame(both).write.format("delta").save(str(world.audit))
    return {"auditlogprefix_source_path": "system", "audit_log_table": str(world.audit)}


@pytest.mark.parametrize("write", [write_delta, write_parquet, write_capture, write_system])
def test_tables_and_files_give_the_rows_of_json(
    spark: SparkSession, tmp_path: Path, by_json: pa.Table, write: Callable[[World], dict[str, str]]
) -> None:
    world = World(spark, tmp_path, {})
    world = World(spark, tmp_path, write(world))
    loaded = world.load("audit_log_bronze", *DAYS)
    assert loaded.counts["inserted"] == 10_000
    assert loaded.counts["duplicates"] >= 1000
    assert routes.rows_of(world).equals(by_json)
    assert world.rows("quarantine_bronze") == []


def test_damaged_files_are_read_as_far_as_they_go(spark: SparkSession, tmp_path: Path) -> None:
    bodies = [body for _, body in routes.hub_messages(routes.EVENTS[:400], 1, 1, records=10)]
    whole = routes.avro(bodies)
    captured = World(spark, tmp_path / "capture", {"audit_log_format": "capture"})
    folder = captured.audit / f"date={DAY3}"
    folder.mkdir(parents=True)
    (folder / "cut.avro").write_bytes(whole[: len(whole) // 2])
    (folder / "note.txt").write_text("x")
    parquet = World(spark, tmp_path / "parquet", {"audit_log_format": "parquet"})
    routes.parquet_folder(parquet.audit, routes.EVENTS[:20])
    (parquet.audit / f"date={DAY3}" / "junk.parquet").write_bytes(b"PAR1junk")
    captured.load("audit_log_bronze", DAY3)
    assert sorted(
        (Path(r["location"]).name, r["reason"].split(":")[0]) for r in captured.rows("quarantine_bronze")
    ) == [
        ("cut.avro", "can't be read from here on"),
        ("note.txt", "no .avro file, as audit_log_format says"),
    ]
    parquet.load("audit_log_bronze", *DAYS)
    (bad,) = parquet.rows("quarantine_bronze")
    assert (Path(bad["location"]).name, bad["line"], bad["reason"][:26]) == (
        "junk.parquet",
        1,
        "can't be read from here on",
    )
    assert len(routes.rows_of(parquet)) == 20


@pytest.mark.parametrize("kind", ["parquet", "capture"])
@pytest.mark.parametrize("refused", ["opened once", "opened twice", "read"])
def test_a_file_that_the_storage_refuses_is_no_damaged_one(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, refused: str
) -> None:
    """Each file is opened twice: for what is no record, and for the records."""
    world = World(spark, tmp_path, {"audit_log_format": kind})
    write = {"parquet": routes.parquet_folder, "capture": routes.capture_folder}[kind]
    write(world.audit, routes.EVENTS[:60])
    opens, opened = [0], LocalFileSystem.open

    class Refusing(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "503 Slow Down")

    def now_and_then(self: Any, path: str, mode: str = "rb", **options: Any) -> Any:
        if str(path).endswith((".parquet", ".avro")) and str(world.audit) in str(path):
            opens[0] += 1
            if refused == "read" and opens[0] == 1:
                return Refusing(path)
            if opens[0] == {"opened once": 1, "opened twice": 1 + FILES[kind]}.get(refused):
                raise OSError(5, "503 Slow Down")
        return opened(self, path, mode, **options)

    monkeypatch.setattr(LocalFileSystem, "open", now_and_then)
    with pytest.raises(SourceError, match=r"can't be read from here on: OSError: 503 Slow Down\. Load that again$"):
        world.load("audit_log_bronze", *DAYS)
    world.load("audit_log_bronze", *DAYS)
    assert len(routes.rows_of(world)) == 60
    assert world.rows("quarantine_bronze") == []


def test_a_partition_of_a_hub_that_cannot_be_looked_into_is_not_left_out(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(spark, tmp_path, {"audit_log_format": "capture"})
    (world.audit / "0/2024/05/02").mkdir(parents=True)
    asked = LocalFileSystem.info

    def refused(self: Any, path: str, **options: Any) -> Any:
        if str(path).endswith("0/2024/05/02"):
            raise PermissionError(13, "Permission denied", path)
        return asked(self, path, **options)

    monkeypatch.setattr(LocalFileSystem, "info", refused)
    with pytest.raises(SourceError, match=r"/0/2024/05/02 can't be listed: PermissionError: Permission denied\.$"):
        world.load("audit_log_bronze", DAY2)


def test_rows_of_tables_that_are_no_records_are_in_quarantine(spark: SparkSession, tmp_path: Path) -> None:
    made = [*routes.EVENTS[:3], {**routes.EVENTS[3], "serviceName": None}]
    world = World(spark, tmp_path, {"audit_log_format": "delta"})
    routes.delta_table(spark, world.audit, made)
    world.load("audit_log_bronze", *DAYS)
    assert len(routes.rows_of(world)) == 3
    (bad,) = world.rows("quarantine_bronze")
    assert (bad["location"], bad["reason"]) == (str(world.audit), "no serviceName")
    assert "hunter2" not in bad["content"]


def test_a_delta_table_without_days_is_read_by_the_time_of_its_rows(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path, {"audit_log_format": "delta"})
    made = [event for event in routes.EVENTS if routes.day_of(event) == DAY2][:4]
    lines = [{**one, "timestamp": None if number == 3 else one["timestamp"]} for number, one in enumerate(made)]
    rows = pa.Table.from_pylist(lines, pa.schema([c for c in routes.columns(pa.string()) if c[0] != "requestParams"]))
    spark.createDataFrame(rows).write.format("delta").save(str(world.audit))
    assert world.load("audit_log_bronze", DAY1).counts == {"days read": 1, "quarantined": 1}
    assert world.load("audit_log_bronze", DAY2).counts["inserted"] == 3
    (bad,) = world.rows("quarantine_bronze")
    assert bad["reason"] == "no timestamp, and no day of its delivery"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"audit_log_format": "delta"}, "The audit logs in {audit} can't be read: "),
        (
            {"auditlogprefix_source_path": "system", "audit_log_table": "no.such.table_at_all"},
            "The audit logs in no.such.table_at_all can't be read: ",
        ),
        ({"audit_log_format": "capture"}, "{audit} has no date=yyyy-MM-dd folder, but other: "),
    ],
)
def test_a_source_of_another_kind_is_one_sentence(
    spark: SparkSession, tmp_path: Path, fields: dict[str, str], sentence: str
) -> None:
    world = World(spark, tmp_path, fields)
    (world.audit / "other").mkdir(parents=True)
    with pytest.raises(SourceError) as error:
        world.load("audit_log_bronze", DAY1)
    assert str(error.value).startswith(sentence.format(audit=world.audit))


def test_the_system_table_by_its_name_and_no_way_back(spark: SparkSession, tmp_path: Path) -> None:
    rows = spark.createDataFrame(routes.system_rows(routes.EVENTS[:30]))
    rows.createOrReplaceTempView("audit_of_the_system")
    files = World(spark, tmp_path, {})
    files.deliver(DAY1, "a.json", [event("clusters", "get", timestamp=routes.BEGIN)])
    assert files.load("audit_log_bronze", DAY1).counts["inserted"] == 1
    system = World(spark, tmp_path, {"auditlogprefix_source_path": "system", "audit_log_table": "audit_of_the_system"})
    assert system.load("audit_log_bronze", *DAYS).counts["inserted"] == 30
    assert system.load("audit_log_bronze", DAY3, now=at(DAY3, 1)).status == "SUCCESS"
    with pytest.raises(SourceError, match=r"^The audit logs of this workspace were read from the system table: "):
        files.load("audit_log_bronze", DAY1)


def test_the_folder_of_the_workspace_is_found_below_that_of_all(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path, {"cloud": "GCP"})
    own = World(spark, tmp_path, {"auditlogprefix_source_path": str(world.audit / "workspaceId=123")})
    (world.audit / "workspaceId=456").mkdir(parents=True)
    folder = Path(own.workspace.auditlogprefix_source_path or "") / f"date={DAY2}"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps(event("clusters", "get")) + "\n")
    assert world.load("audit_log_bronze", DAY2).counts["inserted"] == 1
    assert "inserted" not in own.load("audit_log_bronze", DAY2).counts
