"""The same events as each way of delivery writes them: doubled here and there, and in no order."""

import datetime as dt
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.sample.capture import captured, hub_record
from overwatch_assets_tests.sources.loading import DAY1, NOON, ORG, START, World

DAY_MS = 86_400_000
BEGIN = START - DAY_MS  # of the first of three days
ACTIONS = (
    *(("clusters", "create"), ("clusters", "edit"), ("jobs", "runStart"), ("jobs", "update")),
    *(("notebook", "runCommand"), ("databrickssql", "executeFastQuery"), ("accounts", "login")),
)
PARAMS = {
    "cluster_id": lambda r: f"0501-{r.randrange(50)}",
    "num_workers": lambda r: str(r.randrange(9)),
    "jobId": lambda r: str(r.randrange(99)),
    "start_cluster": lambda r: r.choice(("true", "false")),
    "new_settings": lambda r: json.dumps(
        {"name": "é\u2028ß", "tasks": [{"task_key": "b", "a": None}], "n": r.random()}
    ),
    "commandText": lambda r: f'select "{r.randrange(9)}" -- \\ \t ,\n 日本',
    "not_documented": lambda r: "x" * r.randrange(40),
    "DataSourceId": lambda r: "d1",
    "spark_conf": lambda r: '{"fs.azure.account.key.x":"hunter2","spark.speculation":"true"}',
    "token": lambda r: "hunter2",
    "empty": lambda r: "",
}
AS_NUMBERS = ("num_workers", "jobId")

Event = Mapping[str, Any]


def events(count: int) -> list[Event]:
    """Events of three days, each unlike the others."""
    rng = random.Random(7)
    made = []
    for number in range(count):
        service, action = rng.choice(ACTIONS)
        names = rng.sample(sorted(PARAMS), rng.randrange(6))
        made.append(
            {
                "timestamp": BEGIN + rng.randrange(3 * DAY_MS),
                "serviceName": service,
                "actionName": action,
                "requestId": None if number % 50 == 0 else f"r{number // 2}",
                "sessionId": rng.choice((None, f"s{number % 7}")),
                "sourceIPAddress": f"10.0.0.{number % 256}",
                "userAgent": rng.choice(("Mozilla/5.0", None)),
                "userIdentity": {"email": f"u{number % 9}@example.com", "subjectName": rng.choice((None, "subject"))},
                "requestParams": {name: PARAMS[name](rng) for name in names},
                "response": rng.choice(
                    (
                        None,
                        {"statusCode": 200, "errorMessage": None, "result": '{"cluster_id": "c1"}'},
                        {"statusCode": 403, "errorMessage": "no", "result": None},
                    )
                ),
            }
        )
    return made


EVENTS = events(10_000)


def rows_of(world: World) -> pa.Table:
    """All that the rows say but who loaded them."""
    table = tables()["audit_log_bronze"]
    found = world.store.arrow(world.store.read(table).select(*table.compared))
    return found.combine_chunks().sort_by([("lineHash", "ascending"), ("date", "ascending")])


def day_of(event: Event) -> dt.date:
    return DAY1 + dt.timedelta(days=(event["timestamp"] - BEGIN) // DAY_MS)


def delivered(made: Sequence[Event], seed: int) -> list[Event]:
    """The events in another order, every tenth of them twice."""
    both = [*made, *made[::10]]
    random.Random(seed).shuffle(both)
    return both


def iso(event: Event, digits: int = 3) -> str:
    text = dt.datetime.fromtimestamp(event["timestamp"] / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return (text + "0000")[: 20 + digits] + "Z"


def json_folder(root: Path, made: Sequence[Event]) -> None:
    """Lines of JSON: properties in another order each time, nulls now and then, some numbers as such."""
    rng = random.Random(1)
    lines: dict[dt.date, list[str]] = {}
    for event in delivered(made, 1):
        params = {n: int(v) if n in AS_NUMBERS and rng.random() < 0.5 else v for n, v in event["requestParams"].items()}
        known = [
            *event.items(),
            ("version", "2.0"),
            ("auditLevel", "WORKSPACE_LEVEL"),
            ("accountId", "a"),
            ("orgId", ORG),
        ]
        record = dict(rng.sample(known, len(known))) | {"requestParams": params}
        lean = {name: value for name, value in record.items() if value is not None or rng.random() < 0.5}
        lines.setdefault(day_of(event), []).append(json.dumps(lean, ensure_ascii=rng.random() < 0.5))
    for day, texts in lines.items():
        (root / f"date={day}").mkdir(parents=True)
        (root / f"date={day}" / "part-0.json").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


def parquet_folder(root: Path, made: Sequence[Event]) -> None:
    """Parquet with a struct of all parameters, numbers as numbers, as JSON that was read with an inferred schema."""
    kinds = {name: pa.int64() if name in AS_NUMBERS else pa.string() for name in PARAMS}
    params = pa.struct([(name, kind) for name, kind in sorted(kinds.items())])
    schema = pa.schema([*columns(params), ("version", pa.string()), ("unknown", pa.float64())])
    by_day: dict[dt.date, list[dict[str, Any]]] = {}
    for event in delivered(made, 2):
        said = {n: int(v) if n in AS_NUMBERS else v for n, v in event["requestParams"].items()}
        by_day.setdefault(day_of(event), []).append({**event, "requestParams": said, "version": "2.0"})
    for day, rows in by_day.items():
        (root / f"date={day}").mkdir(parents=True)
        for part in range(2):
            pq.write_table(pa.Table.from_pylist(rows[part::2], schema), root / f"date={day}" / f"part-{part}.parquet")


def columns(params: pa.DataType) -> list[tuple[str, pa.DataType]]:
    texts = ("serviceName", "actionName", "requestId", "sessionId", "sourceIPAddress", "userAgent")
    return [
        ("timestamp", pa.int64()),
        *((name, pa.string()) for name in texts),
        ("userIdentity", pa.struct([("email", pa.string()), ("subjectName", pa.string())])),
        ("requestParams", params),
        ("response", pa.struct([("statusCode", pa.int32()), ("errorMessage", pa.string()), ("result", pa.string())])),
    ]


def delta_table(spark: SparkSession, path: Path, made: Sequence[Event]) -> None:
    """A Delta table with a map of parameters, partitioned by day."""
    schema = pa.schema(
        [*columns(pa.map_(pa.string(), pa.string())), ("date", pa.date32()), ("auditLevel", pa.string())]
    )
    rows = [
        {**e, "requestParams": list(e["requestParams"].items()), "date": day_of(e), "auditLevel": "WORKSPACE_LEVEL"}
        for e in delivered(made, 3)
    ]
    frame = spark.createDataFrame(pa.Table.from_pylist(rows, schema))
    frame.write.format("delta").partitionBy("date").save(str(path))


def system_rows(made: Sequence[Event], workspace_id: str = ORG) -> pa.Table:
    """Rows of `system.access.audit`."""
    schema = pa.schema(
        [
            ("version", pa.string()),
            ("event_time", pa.timestamp("us", "UTC")),
            ("event_date", pa.date32()),
            ("workspace_id", pa.int64()),
            ("source_ip_address", pa.string()),
            ("user_agent", pa.string()),
            ("session_id", pa.string()),
            ("user_identity", pa.struct([("email", pa.string()), ("subject_name", pa.string())])),
            ("service_name", pa.string()),
            ("action_name", pa.string()),
            ("request_id", pa.string()),
            ("request_params", pa.map_(pa.string(), pa.string())),
            (
                "response",
                pa.struct([("status_code", pa.int32()), ("error_message", pa.string()), ("result", pa.string())]),
            ),
            ("audit_level", pa.string()),
            ("account_id", pa.string()),
            ("event_id", pa.string()),
            ("identity_metadata", pa.struct([("run_by", pa.string()), ("run_as", pa.string())])),
        ]
    )
    rows = [
        {
            "version": "2.0",
            "event_time": dt.datetime.fromtimestamp(e["timestamp"] / 1000, dt.UTC),
            "event_date": day_of(e),
            "workspace_id": int(workspace_id),
            "source_ip_address": e["sourceIPAddress"],
            "user_agent": e["userAgent"],
            "session_id": e["sessionId"],
            "user_identity": {"email": e["userIdentity"]["email"], "subject_name": e["userIdentity"]["subjectName"]},
            "service_name": e["serviceName"],
            "action_name": e["actionName"],
            "request_id": e["requestId"],
            "request_params": list(e["requestParams"].items()),
            "response": e["response"]
            and {
                "status_code": e["response"]["statusCode"],
                "error_message": e["response"]["errorMessage"],
                "result": e["response"]["result"],
            },
            "audit_level": "WORKSPACE_LEVEL",
            "account_id": "a",
            "event_id": f"e{number}",
            "identity_metadata": {"run_by": "x", "run_as": None},
        }
        for number, e in enumerate(delivered(made, 4))
    ]
    return pa.Table.from_pylist(rows, schema)


def hub_messages(made: Sequence[Event], seed: int, partitions: int, records: int = 40) -> Iterator[tuple[int, bytes]]:
    """Messages of both generations for some partitions."""
    rng = random.Random(seed)
    waiting = delivered(made, seed)
    for begin in range(0, len(waiting), records):
        objects = rng.random() < 0.5
        body = {"records": [hub_record(event, objects=objects) for event in waiting[begin : begin + records]]}
        yield rng.randrange(partitions), json.dumps(body).encode()


def avro(bodies: Iterable[bytes | None], codec: str = "null") -> bytes:
    """A file of Event Hubs Capture."""
    return captured(bodies, NOON, codec=codec)


def capture_folder(root: Path, made: Sequence[Event]) -> None:
    """Captured files of two partitions: those of a day hold its events, in messages."""
    for day in {day_of(event) for event in made}:
        of_day = list(hub_messages([event for event in made if day_of(event) == day], 6, 2))
        for partition in (0, 1):
            folder = root / str(partition) / f"{day:%Y/%m/%d}"
            bodies = [body for to, body in of_day if to == partition]
            for hour, codec in enumerate(("null", "deflate")):
                (folder / f"{hour:02}" / "03").mkdir(parents=True)
                (folder / f"{hour:02}" / "03" / "17.avro").write_bytes(avro(bodies[hour::2], codec))
            (folder / "23" / "59").mkdir(parents=True)
            (folder / "23" / "59" / "00.avro").write_bytes(avro([]))  # what an hour without messages leaves
