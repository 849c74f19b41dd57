"""Events of SQL warehouses from a Delta table, or a table that the engine knows by name."""

import datetime as dt
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from overwatch_assets.errors import SourceError
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, ORG, World

pytestmark = pytest.mark.engine

TABLE = "warehouse_events_bronze"
EVENTS = pa.schema(
    [
        ("account_id", pa.string()),
        ("workspace_id", pa.string()),
        ("warehouse_id", pa.string()),
        ("event_type", pa.string()),
        ("cluster_count", pa.int32()),
        ("event_time", pa.timestamp("us", "UTC")),
    ]
)


def event(kind: str | None, at: dt.datetime | None, count: int | None = 1, **more: Any) -> dict[str, Any]:
    return {
        "account_id": "acc",
        "workspace_id": ORG,
        "warehouse_id": "w1",
        "event_type": kind,
        "cluster_count": count,
        "event_time": at,
        **more,
    }


def moment(day: dt.date, hour: int = 12, micros: int = 0) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, hour, microsecond=micros, tzinfo=dt.UTC)


def written(folder: Path, events: Iterable[dict[str, Any]], schema: pa.Schema = EVENTS) -> str:
    deltalake.write_deltalake(
        str(folder / "events"),
        pa.Table.from_pylist(list(events), schema=schema),
        mode="overwrite",
        schema_mode="overwrite",
    )
    return str(folder / "events")


def world_of(spark: SparkSession, folder: Path, *events: dict[str, Any]) -> World:
    return World(spark, folder, {"warehouse_events_source": written(folder, events)})


def test_events_are_rows_of_their_own_day(spark: SparkSession, tmp_path: Path) -> None:
    world = world_of(
        spark,
        tmp_path,
        event("STARTING", moment(DAY1, 0), 0),
        event("RUNNING", moment(DAY1, 23, 504_000), 1),
        event("SCALED_UP", moment(DAY2), 2),
        event("STOPPED", moment(DAY3), 0),
        event("RUNNING", moment(DAY2), 1, workspace_id="other"),
        event("RUNNING", moment(DAY2), 1, workspace_id=None),
    )
    result = world.load(TABLE, DAY2)
    assert (result.status, result.counts["inserted"]) == ("SUCCESS", 3), "from a day before the window on"
    rows = sorted(world.rows(TABLE), key=lambda r: r["timestamp"])
    assert [(r["event_type"], r["date"], r["cluster_count"]) for r in rows] == [
        ("STARTING", DAY1, 0),
        ("RUNNING", DAY1, 1),
        ("SCALED_UP", DAY2, 2),
    ]
    assert (rows[1]["timestamp"], rows[1]["event_time"]) == (1714604400504, "2024-05-01T23:00:00.504000Z")
    assert (rows[0]["warehouse_id"], rows[0]["account_id"]) == ("w1", "acc")
    assert json.loads(rows[0]["value"])["workspace_id"] == ORG


def test_an_event_is_one_row_however_often_it_is_read_also_with_columns_that_are_new(
    spark: SparkSession, tmp_path: Path
) -> None:
    twice = event("RUNNING", moment(DAY2), 1)
    world = world_of(spark, tmp_path, twice, twice, event("RUNNING", moment(DAY2, micros=7), 1))
    assert world.load(TABLE, DAY2).counts["inserted"] == 2, "microseconds tell two events apart"
    more = EVENTS.append(pa.field("reason", pa.string()))
    written(tmp_path, [{**twice, "reason": "query"}], more)
    assert world.load(TABLE, DAY2, DAY3).counts.get("inserted", 0) == 0
    written(tmp_path, [{**twice, "reason": "query"}, {**twice, "cluster_count": 2, "reason": "query"}], more)
    assert world.load(TABLE, DAY2, DAY3).counts["inserted"] == 1
    assert [json.loads(r["value"])["reason"] for r in world.rows(TABLE) if r["cluster_count"] == 2] == ["query"]


def test_what_is_no_event_is_in_quarantine_with_its_reason(spark: SparkSession, tmp_path: Path) -> None:
    at = moment(DAY2)
    bad = [event(None, at), event("RUNNING", None), event("RUNNING", at, warehouse_id=" ")]
    world = world_of(spark, tmp_path, *bad, event("RUNNING", at))
    result = world.load(TABLE, DAY2)
    assert (result.counts["inserted"], result.counts["quarantined"]) == (1, 3)
    found = world.rows("quarantine_bronze")
    assert {(r["source"], r["reason"]) for r in found} == {
        (TABLE, "no event_type"),
        (TABLE, "no event_time"),
        (TABLE, "no warehouse_id"),
    }
    assert world.load(TABLE, DAY2).counts.get("quarantined", 0) == 0


def test_a_table_by_its_name(spark: SparkSession, tmp_path: Path) -> None:
    location = written(tmp_path, [event("RUNNING", moment(DAY2), 3)])
    spark.sql(f"CREATE TABLE default.events_of_a_test USING delta LOCATION '{location}'")
    try:
        world = World(spark, tmp_path, {"warehouse_events_source": "default.events_of_a_test"})
        assert world.load(TABLE, DAY2).counts["inserted"] == 1
    finally:
        spark.sql("DROP TABLE default.events_of_a_test")
    with pytest.raises(SourceError, match=r"default\.events_of_a_test can't be read.*warehouse_events_source"):
        world.load(TABLE, DAY3)


def test_no_source_no_events_and_an_excluded_scope_are_empty(spark: SparkSession, tmp_path: Path) -> None:
    nothing = World(spark, tmp_path / "a", {}).load(TABLE, DAY2).status
    assert nothing == "EMPTY: source not configured: warehouse_events_source is no table of events of SQL warehouses"
    assert world_of(spark, tmp_path).load(TABLE, DAY2).status == "EMPTY: no events until the end of 2024-05-02"
    without = World(spark, tmp_path / "b", {"excluded_scopes": "warehouseEvents"})
    assert without.load(TABLE, DAY2).status == "EMPTY: the scope warehouseEvents is excluded"


def test_a_table_that_is_not_there_or_is_another_fails_the_load(spark: SparkSession, tmp_path: Path) -> None:
    """The original took a missing table for one without events; so the day would be done."""
    gone = World(spark, tmp_path / "a", {"warehouse_events_source": str(tmp_path / "nothing")})
    with pytest.raises(SourceError, match=r"nothing can't be read: .*Check warehouse_events_source"):
        gone.load(TABLE, DAY2)
    schema = pa.schema([f for f in EVENTS if f.name != "cluster_count"])
    other = World(spark, tmp_path / "b", {"warehouse_events_source": written(tmp_path, [], schema)})
    with pytest.raises(SourceError, match="has no column cluster_count: check warehouse_events_source"):
        other.load(TABLE, DAY2)


def test_where_audit_logs_are_system_tables_the_events_are_one_too(spark: SparkSession, tmp_path: Path) -> None:
    audit = {"auditlogprefix_source_path": "system"}
    assert World(spark, tmp_path, audit).workspace.warehouse_events_table == "system.compute.warehouse_events"
    own = World(spark, tmp_path, {**audit, "warehouse_events_source": "main.copies.events"})
    assert own.workspace.warehouse_events_table == "main.copies.events"
    assert World(spark, tmp_path, {}).workspace.warehouse_events_table is None
