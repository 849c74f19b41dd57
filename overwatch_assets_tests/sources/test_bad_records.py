"""Bad audit records and damaged files and tables, by every way of delivery: what is wrong is said, the rest is rows."""

import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import deltalake
import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from overwatch_assets.errors import SourceError
from overwatch_assets_tests.sources import audit_routes as routes
from overwatch_assets_tests.sources.loading import DAY2, NOON, ORG, World

pytestmark = pytest.mark.engine

AUDIT = "audit_log_bronze"
NAMES = ("serviceName", "actionName", "requestId", "userIdentity", "requestParams", "response")
GOOD = {
    "serviceName": "jobs",
    "actionName": "runNow",
    "requestId": "good",
    "userIdentity": '{"email":"ana@example.com"}',
    "requestParams": '{"job_id":"7"}',
    "response": '{"statusCode":200,"result":"{\\"run_id\\":5}"}',
}
# What is wrong with a record, and the reason that quarantine has; those with "the rest is a row" are rows too.
BAD: Sequence[tuple[Mapping[str, Any], str]] = (
    ({"requestParams": '{"token":"hunter2","job_id":"8"'}, "requestParams: not what it should be; the rest is a row"),
    ({"response": "504 gateway"}, "response: not what it should be; the rest is a row"),
    ({"userIdentity": "[1]"}, "userIdentity: not what it should be; the rest is a row"),
    (
        {"response": '{"statusCode":200,"result":"{\\"run_id\\""}'},
        "response.result: not what it should be; the rest is a row",
    ),
    ({"serviceName": None}, "no serviceName"),
    ({"actionName": " "}, "no actionName"),
)
RECORDS = [GOOD, *({**GOOD, "requestId": f"bad {number}", **wrong} for number, (wrong, _) in enumerate(BAD))]
TEXTS = [(name, pa.string()) for name in NAMES]


def json_lines(world: World) -> dict[str, str]:
    world.deliver(DAY2, "a.json", [{**record, "timestamp": NOON} for record in RECORDS])
    return {}


def parquet(world: World) -> dict[str, str]:
    schema = pa.schema([*TEXTS, ("timestamp", pa.int64())])
    folder = world.audit / f"date={DAY2}"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([{**r, "timestamp": NOON} for r in RECORDS], schema), folder / "a.parquet")
    return {"audit_log_format": "parquet"}


def delta(world: World) -> dict[str, str]:
    schema = pa.schema([*TEXTS, ("timestamp", pa.int64()), ("date", pa.date32())])
    rows = pa.Table.from_pylist([{**r, "timestamp": NOON, "date": DAY2} for r in RECORDS], schema)
    deltalake.write_deltalake(str(world.audit), rows)
    return {"audit_log_format": "delta"}


SNAKE = {
    "serviceName": "service_name",
    "actionName": "action_name",
    "requestId": "request_id",
    "userIdentity": "user_identity",
    "requestParams": "request_params",
    "response": "response",
}


def system(world: World) -> dict[str, str]:
    schema = pa.schema(
        [
            *((SNAKE[name], kind) for name, kind in TEXTS),
            ("workspace_id", pa.string()),
            ("event_time", pa.timestamp("us", "UTC")),
            ("event_date", pa.date32()),
        ]
    )
    own = {"workspace_id": ORG, "event_time": NOON * 1000, "event_date": DAY2}
    rows = [{**{SNAKE[name]: record[name] for name in NAMES}, **own} for record in RECORDS]
    deltalake.write_deltalake(str(world.audit), pa.Table.from_pylist(rows, schema))
    return {"auditlogprefix_source_path": "system", "audit_log_table": str(world.audit)}


def capture(world: World) -> dict[str, str]:
    records = [
        {
            "time": "2024-05-02T12:00:00Z",
            "identity": record["userIdentity"],
            "properties": {name: value for name, value in record.items() if name != "userIdentity"},
        }
        for record in RECORDS
    ]
    folder = world.audit / f"date={DAY2}"
    folder.mkdir(parents=True)
    (folder / "a.avro").write_bytes(routes.avro([json.dumps({"records": records}).encode()]))
    return {"audit_log_format": "capture"}


@pytest.mark.parametrize("write", [json_lines, parquet, delta, system, capture])
def test_of_a_record_what_can_be_read_is_a_row_and_what_can_not_is_in_quarantine(
    spark: SparkSession, tmp_path: Path, write: Callable[[World], dict[str, str]]
) -> None:
    world = World(spark, tmp_path, write(World(spark, tmp_path, {})))
    counts = world.load(AUDIT, DAY2).counts
    assert (counts["inserted"], counts["quarantined"]) == (5, len(BAD))
    assert sorted(row["reason"] for row in world.rows("quarantine_bronze")) == sorted(reason for _, reason in BAD)
    rows = {row["requestId"]: row for row in world.rows(AUDIT)}
    assert rows.keys() == {"good", "bad 0", "bad 1", "bad 2", "bad 3"}
    assert {name: row["event_run_id"] for name, row in rows.items()} == {
        **dict.fromkeys(("good", "bad 0", "bad 2"), 5),
        **dict.fromkeys(("bad 1", "bad 3"), None),
    }
    assert {name: row["event_job_id"] for name, row in rows.items()} == dict.fromkeys(rows, 7) | {"bad 0": None}
    assert rows["bad 2"]["userIdentity"] is None
    assert "hunter2" not in str([*rows.values(), *world.rows("quarantine_bronze")])
    assert world.load(AUDIT, DAY2).counts.get("quarantined", 0) == 0, "once"


@pytest.mark.parametrize("by", ["date", "timestamp", "event_time"])
def test_rows_of_tables_without_a_time_are_not_left_out(spark: SparkSession, tmp_path: Path, by: str) -> None:
    """Nobody knows of which day they are, so every load looks at them."""
    timeless = [{**GOOD, "requestId": f"r{n}"} for n in range(2)]
    place = str(tmp_path / "audit")
    if by == "event_time":
        fields = {"auditlogprefix_source_path": "system", "audit_log_table": place}
        times = [("event_time", pa.timestamp("us", "UTC")), ("event_date", pa.date32()), ("workspace_id", pa.string())]
        rows = [{SNAKE[name]: record[name] for name in NAMES} | {"workspace_id": ORG} for record in timeless]
        schema = pa.schema([*((SNAKE[name], kind) for name, kind in TEXTS), *times])
    else:
        fields = {"audit_log_format": "delta"}
        rows = [dict(record) for record in timeless]
        schema = pa.schema([*TEXTS, ("timestamp", pa.int64()), *([("date", pa.date32())] if by == "date" else [])])
    at = {"event_time": "event_time", "date": "timestamp", "timestamp": "timestamp"}[by]
    rows[1][at] = NOON * 1000 if by == "event_time" else NOON
    deltalake.write_deltalake(place, pa.Table.from_pylist(rows, schema))
    world = World(spark, tmp_path, fields)
    counts = world.load(AUDIT, DAY2).counts
    assert (counts["inserted"], counts["quarantined"]) == (1, 1)
    (bad,) = world.rows("quarantine_bronze")
    assert bad["reason"] == "no timestamp, and no day of its delivery"


def other_avro(kind: Any, rows: Sequence[Any]) -> bytes:
    file = io.BytesIO()
    fastavro.writer(file, fastavro.parse_schema(kind), rows)
    return file.getvalue()


def without(*left_out: str) -> bytes:
    fields = [
        f
        for f in ({"name": "SequenceNumber", "type": "long"}, {"name": "Body", "type": "string"})
        if f["name"] not in left_out
    ]
    row = {"SequenceNumber": 1, "Body": "text"}
    return other_avro({"type": "record", "name": "M", "fields": fields}, [row])


NO_MESSAGES = "ValueError: no SequenceNumber and Body, which messages have that Event Hubs Capture wrote"


def test_files_that_event_hubs_capture_did_not_write_are_named_and_the_others_read(
    spark: SparkSession, tmp_path: Path
) -> None:
    body = json.dumps({"records": [routes.hub_record(routes.EVENTS[1], objects=True)]}).encode()
    rest = [json.dumps({"records": [routes.hub_record(e, objects=False)]}).encode() for e in routes.EVENTS[2:60]]
    whole = routes.avro(rest, "deflate")
    marker = bytearray(routes.avro(rest))
    marker[-1] ^= 255
    files = {
        "junk.avro": (random.Random(3).randbytes(4000), "ValueError: no Avro file"),
        "empty.avro": (b"", "ValueError: no Avro file"),
        "cut.avro": (whole[: len(whole) // 2], ""),
        "marker.avro": (bytes(marker), "ValueError: expected sync marker not found"),
        "texts.avro": (other_avro({"type": "string"}, ["a", "b"]), NO_MESSAGES),
        "no-body.avro": (without("Body"), NO_MESSAGES),
        "no-number.avro": (without("SequenceNumber"), NO_MESSAGES),
        "body-is-text.avro": (without(), NO_MESSAGES),
    }
    world = World(spark, tmp_path, {"audit_log_format": "capture"})
    folder = world.audit / f"date={DAY2}"
    folder.mkdir(parents=True)
    (folder / "good.avro").write_bytes(routes.avro([body]))
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    counts = world.load(AUDIT, DAY2).counts
    bad = {Path(row["location"]).name: row["reason"] for row in world.rows("quarantine_bronze")}
    assert bad.keys() == files.keys()
    begin = "can't be read from here on: "
    assert all(reason.startswith(begin) for reason in bad.values())
    said = {name: reason.removeprefix(begin) for name, reason in bad.items()}
    assert {name: said[name] for name, (_, reason) in files.items() if reason} == {
        name: reason for name, (_, reason) in files.items() if reason
    }
    assert said["cut.avro"].partition(": ")[2], "in words"
    assert counts["inserted"] >= 1


def test_json_files_that_are_none_are_all_quarantine_and_the_others_read(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path, {})
    line = {**GOOD, "timestamp": NOON}
    folder = world.deliver(DAY2, "good.json", [line]).parent
    (folder / "wide.json").write_text(json.dumps({**line, "requestId": "wide"}) + "\n", encoding="utf-16")
    (folder / "mark.json").write_text(json.dumps({**line, "requestId": "mark"}) + "\n", encoding="utf-8-sig")
    (folder / "no.json.gz").write_bytes(json.dumps({**line, "requestId": "no gz"}).encode())
    (folder / "array.json").write_text(json.dumps([line], indent=1))
    (folder / "junk.json").write_bytes(random.Random(3).randbytes(4000))
    (folder / "empty.json").write_bytes(b"")
    world.load(AUDIT, DAY2)
    assert {row["requestId"] for row in world.rows(AUDIT)} == {"good", "no gz"}, (
        "what a file is its bytes say, not its name"
    )
    bad = {Path(row["location"]).name for row in world.rows("quarantine_bronze")}
    assert bad == {"wide.json", "mark.json", "array.json", "junk.json"}


def test_parquet_files_that_are_none_or_say_other_things_are_named_and_the_others_read(
    spark: SparkSession, tmp_path: Path
) -> None:
    world = World(spark, tmp_path, {"audit_log_format": "parquet"})
    folder = world.audit / f"date={DAY2}"
    folder.mkdir(parents=True)
    good = pa.Table.from_pylist([{**GOOD, "timestamp": NOON}])
    pq.write_table(good, folder / "good.parquet")
    whole = (folder / "good.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.parquet").write_bytes(b"")
    damaged = bytearray(whole)
    damaged[10:200] = bytes(190)
    (folder / "page.parquet").write_bytes(bytes(damaged))
    pq.write_table(pa.table({"amount": [1, 2]}), folder / "other.parquet")
    pq.write_table(pa.table({"serviceName": [5], "actionName": ["x"], "timestamp": [[1, 2]]}), folder / "types.parquet")
    world.load(AUDIT, DAY2)
    assert [row["requestId"] for row in world.rows(AUDIT)] == ["good"]
    bad: dict[str, list[str]] = {}
    for row in world.rows("quarantine_bronze"):
        bad.setdefault(Path(row["location"]).name, []).append(row["reason"].partition(":")[0])
    unreadable = ["can't be read from here on"]
    assert bad == {
        **dict.fromkeys(("cut.parquet", "empty.parquet", "page.parquet"), unreadable),
        "other.parquet": ["no serviceName"] * 2,
        "types.parquet": ["no serviceName"],
    }


def query_history(place: Path, start: pa.DataType, value: Any) -> dict[str, str]:
    """A table like `system.query.history` with one good row and one whose start may be something else."""
    texts = (
        *("workspace_id", "statement_id", "execution_status", "statement_text", "statement_type", "executed_by"),
        *("executed_by_user_id", "executed_as", "executed_as_user_id", "error_message", "client_application"),
        "session_id",
    )
    numbers = (
        *("total_duration_ms", "compilation_duration_ms", "execution_duration_ms", "result_fetch_duration_ms"),
        *("total_task_duration_ms", "read_bytes", "written_bytes", "spilled_local_bytes", "pruned_files_bytes"),
        *("pruned_files", "read_files", "read_partitions", "read_rows", "produced_rows"),
    )
    times = (("start_time", start), ("end_time", pa.timestamp("us", "UTC")), ("update_time", start))
    schema = pa.schema(
        [
            *((name, pa.string()) for name in texts),
            *((name, pa.int64()) for name in numbers),
            *times,
            ("from_result_cache", pa.bool_()),
            ("compute", pa.struct([("warehouse_id", pa.string())])),
        ]
    )
    good = NOON * 1000 if pa.types.is_timestamp(start) else "2024-05-02T12:00:00Z"
    rows = [
        {"workspace_id": ORG, "statement_id": "good", "start_time": good, "update_time": good},
        {"workspace_id": ORG, "statement_id": "bad", "start_time": value, "update_time": value},
    ]
    deltalake.write_deltalake(str(place), pa.Table.from_pylist(rows, schema))
    return {"sql_query_history_path": str(place)}


def warehouse_events(place: Path, kind: pa.DataType, value: Any) -> dict[str, str]:
    """The same of `system.compute.warehouse_events`, with a count that is none."""
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("workspace_id", "warehouse_id", "event_type", "cluster_count")),
            ("event_time", kind),
        ]
    )
    good = NOON * 1000 if pa.types.is_timestamp(kind) else "2024-05-02T12:00:00Z"
    same = {"workspace_id": ORG, "warehouse_id": "w", "event_type": "RUNNING", "cluster_count": "many"}
    rows = [{**same, "event_time": good}, {**same, "event_time": value}]
    deltalake.write_deltalake(str(place), pa.Table.from_pylist(rows, schema))
    return {"warehouse_events_source": str(place)}


def system_audit(place: Path, kind: pa.DataType, value: Any) -> dict[str, str]:
    """The same of `system.access.audit`."""
    schema = pa.schema([*((SNAKE[name], k) for name, k in TEXTS), ("workspace_id", pa.string()), ("event_time", kind)])
    good = NOON * 1000 if pa.types.is_timestamp(kind) else "2024-05-02T12:00:00Z"
    same = {SNAKE[name]: GOOD[name] for name in NAMES} | {"workspace_id": ORG}
    rows = [{**same, "event_time": good}, {**same, "event_time": value}]
    deltalake.write_deltalake(str(place), pa.Table.from_pylist(rows, schema))
    return {"auditlogprefix_source_path": "system", "audit_log_table": str(place)}


def delta_audit(place: Path, kind: pa.DataType, value: Any) -> dict[str, str]:
    """The same of a Delta table of delivered records, by its `date`."""
    dated = "2024-05-02" if kind == pa.string() else DAY2
    rows = [{**GOOD, "timestamp": NOON, "date": dated}, {**GOOD, "timestamp": None, "date": value}]
    schema = pa.schema([*TEXTS, ("timestamp", pa.int64()), ("date", kind if kind == pa.string() else pa.date32())])
    deltalake.write_deltalake(str(place), pa.Table.from_pylist(rows, schema))
    return {"auditlogprefix_source_path": str(place), "audit_log_format": "delta"}


Table = tuple[Callable[[Path, pa.DataType, Any], dict[str, str]], str, str]
TABLES = pytest.mark.parametrize(
    "table",
    [
        (delta_audit, AUDIT, "auditlogprefix_source_path"),
        (system_audit, AUDIT, "audit_log_table"),
        (warehouse_events, "warehouse_events_bronze", "warehouse_events_source"),
        (query_history, "sql_query_history_bronze", "sql_query_history_path"),
    ],
    ids=lambda t: t[2],
)


@TABLES
@pytest.mark.parametrize(
    ("kind", "value"), [(pa.timestamp("us", "UTC"), None), (pa.string(), "yesterday")], ids=["none", "a text"]
)
def test_a_row_of_a_table_whose_time_is_none_is_in_quarantine_and_the_others_are_rows(
    spark: SparkSession, tmp_path: Path, table: Table, kind: pa.DataType, value: Any
) -> None:
    write, name, _ = table
    counts = World(spark, tmp_path, write(tmp_path / "table", kind, value)).load(name, DAY2).counts
    assert (counts["inserted"], counts["quarantined"]) == (1, 1)


@TABLES
@pytest.mark.parametrize("damage", ["a file is gone", "a file is cut", "the log is cut"])
def test_a_damaged_table_is_one_sentence(spark: SparkSession, tmp_path: Path, table: Table, damage: str) -> None:
    write, name, field = table
    place = tmp_path / "table"
    world = World(spark, tmp_path, write(place, pa.timestamp("us", "UTC"), None))
    (data,), (log,) = place.glob("*.parquet"), place.glob("_delta_log/*.json")
    if damage == "a file is gone":
        data.unlink()
    else:
        broken = data if damage == "a file is cut" else log
        broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(SourceError) as raised:
        world.load(name, DAY2)
    said = str(raised.value)
    assert f" {place} can't be read: " in said
    assert said.endswith(f". Check {field} in the deployment file.")
    assert "\n" not in said
