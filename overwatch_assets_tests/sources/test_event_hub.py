"""Audit logs through an Event Hub, which a real Kafka broker stands for."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import ConfigurationError, SourceError
from overwatch_assets.sources.audit_logs.hub import Hub, endpoint_of
from overwatch_assets_tests.sources import audit_routes as routes
from overwatch_assets_tests.sources.audit_routes import EVENTS, rows_of
from overwatch_assets_tests.sources.kafka import Broker
from overwatch_assets_tests.sources.loading import AZURE, DAY1, DAY3, World, at, azure

pytestmark = [pytest.mark.engine, pytest.mark.jvm]


def hub(spark: SparkSession, folder: Path, kafka: Broker, monkeypatch: pytest.MonkeyPatch, name: str) -> World:
    """A workspace whose audit logs come through a hub."""
    monkeypatch.setenv("EH", kafka.connection)
    return World(spark, folder, {**AZURE, "eh_name": name, "eh_connection": "env:EH"})


def raw_folder(world: World) -> Path:
    return Path(world.store.path(tables()["audit_log_raw_events"]))


def test_a_hub_gives_the_rows_of_json_also_after_its_checkpoint_was_lost(
    spark: SparkSession, tmp_path: Path, by_json: pa.Table, kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = hub(spark, tmp_path, kafka, monkeypatch, "all")
    kafka.create("all", partitions=3)
    messages = list(routes.hub_messages(EVENTS, 5, 3))
    for part in (messages[:100], messages[100:]):
        kafka.send("all", part, at(DAY3, 23))
        assert world.load("audit_log_bronze", DAY3).counts["messages landed"] == len(part)
    assert rows_of(world).equals(by_json)
    files = [f for f in (world.folder / "ow").rglob("*") if f.is_file()]
    assert not [f for f in files if b"hunter2" in f.read_bytes()]
    left = world.rows("audit_log_raw_events")
    assert [(r["partition"], r["body"]) for r in sorted(left, key=lambda r: r["partition"])] == [
        (n, None) for n in range(3)
    ]
    nothing = world.load("audit_log_bronze", DAY3)
    assert nothing.status == "EMPTY: no new message in all"
    raw_folder(world).rename(tmp_path / "lost")
    again = world.load("audit_log_bronze", DAY1)
    assert again.counts["messages landed"] == len(messages)
    assert "inserted" not in again.counts
    assert rows_of(world).equals(by_json)


def test_what_was_landed_is_parsed_later_though_the_hub_forgot_it(
    spark: SparkSession, tmp_path: Path, kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = hub(spark, tmp_path, kafka, monkeypatch, "slow")
    kafka.create("slow", partitions=2)
    few = EVENTS[:50]
    kafka.send("slow", routes.hub_messages(few, 1, 2, records=5), at(DAY3))
    with monkeypatch.context() as broken:
        broken.setattr("overwatch_assets.runner.insert._append", _no_memory)
        with pytest.raises(MemoryError):
            world.load("audit_log_bronze", DAY3)
    assert {r["body"] is None for r in world.rows("audit_log_raw_events")} == {False}
    ends = {0: 0, 1: 0}
    for row in world.rows("audit_log_raw_events"):
        ends[row["partition"]] = max(ends[row["partition"]], row["sequenceNumber"] + 1)
    kafka.expire("slow", ends)
    assert world.load("audit_log_bronze", DAY3).counts["inserted"] == 50
    assert len(rows_of(world)) == 50
    assert {r["body"] for r in world.rows("audit_log_raw_events")} == {None}


def _no_memory(*_: Any) -> None:
    raise MemoryError


def test_messages_that_expired_unread_are_counted(
    spark: SparkSession, tmp_path: Path, kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = hub(spark, tmp_path, kafka, monkeypatch, "short")
    kafka.create("short")
    one, two, three = ([event] for event in EVENTS[:3])
    body = [next(routes.hub_messages(part, 1, 1)) for part in (one, two, three)]
    kafka.send("short", body[:1], at(DAY3))
    world.load("audit_log_bronze", DAY3)
    kafka.send("short", body[1:], at(DAY3))
    kafka.expire("short", {0: 2})
    assert world.load("audit_log_bronze", DAY3).counts["messages expired before they were read"] == 1
    assert len(rows_of(world)) == 2


def test_bad_messages_and_records_are_in_quarantine_with_their_place(
    spark: SparkSession, tmp_path: Path, kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = routes.hub_record(EVENTS[1], objects=True)
    future = {**good, "time": "2100-01-01T00:00:00Z"}
    nameless = {**good, "properties": {"actionName": "x", "token": "hunter2"}}
    bodies = [
        json.dumps({"records": [good, 7, {"time": "x"}, nameless, future]}).encode(),
        b"",
        b'{"records": [{"token": "hunter2"',
        b'\xff{"token":"hunter2"}',
        b'{"other": []}',
    ]
    reasons = [
        ("not a JSON object", 0, 2),
        ("no properties", 0, 3),
        ("no serviceName", 0, 4),
        ("timestamp after the day of its delivery", 0, 5),
        ("an empty message", 1, 1),
        ("not JSON", 2, 1),
        ("invalid UTF-8 at byte 0 of the message", 3, 1),
        ("no list of records", 4, 1),
    ]
    world = hub(spark, tmp_path / "hub", kafka, monkeypatch, "bad")
    kafka.create("bad")
    kafka.send("bad", [(0, body) for body in bodies], at(DAY3))
    captured = World(spark, tmp_path / "files", {"audit_log_format": "capture"})
    folder = captured.audit / f"0/{DAY3:%Y/%m/%d}/01"
    folder.mkdir(parents=True)
    (folder / "02.avro").write_bytes(routes.avro(bodies))
    for each, place in ((world, "localhost/bad/0"), (captured, str(folder / "02.avro"))):
        result = each.load("audit_log_bronze", DAY3)
        assert (result.counts["inserted"], result.counts["quarantined"]) == (1, 8)
        bad = each.store.read(tables()["quarantine_bronze"]).collect()
        assert sorted((r["reason"].split(":")[0], r["position"], r["line"]) for r in bad) == sorted(reasons)
        assert {r["location"] for r in bad} == {place}
        assert "hunter2" not in str(bad)
    raw_folder(world).rename(tmp_path / "lost")
    assert "quarantined" not in world.load("audit_log_bronze", DAY3).counts


def test_who_is_not_let_in_is_told(
    spark: SparkSession, tmp_path: Path, kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = hub(spark, tmp_path, kafka, monkeypatch, "nowhere")
    with pytest.raises(SourceError, match=r"^The Event Hub localhost/nowhere can't be read: Broker: Unknown topic"):
        world.load("audit_log_bronze", DAY3)
    monkeypatch.setenv("EH", kafka.connection.replace("hunter2", "another"))
    with pytest.raises(SourceError, match=r"can't be read: .*Invalid username or password") as error:
        world.load("audit_log_bronze", DAY3)
    assert "another" not in str(error.value)
    report = world.rows("pipeline_report")
    assert {r["status"].split(":")[0] for r in report} == {"FAILED --> SourceError"}


class Entra(BaseHTTPRequestHandler):
    """Gives a token, of the unsigned kind that the broker takes, to who knows the secret."""

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        right = (self.path, form["client_id"], form["scope"], form["client_secret"]) == (
            "/tenant/oauth2/v2.0/token",
            ["client"],
            ["https://localhost/.default"],
            ["hunter2"],
        )
        now = time.time()
        parts = ({"alg": "none"}, {"sub": "overwatch", "iat": now, "exp": now + 3600})
        token = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts) + "."
        answer = {"access_token": token, "expires_in": 3600} if right else {"error_description": "AADSTS7000215"}
        self.send_response(200 if right else 401)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def entra() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Entra) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_namespace_by_its_key_and_by_a_service_principal(
    tmp_path: Path, kafka: Broker, entra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS, as in Azure."""
    kafka.create("cloud", partitions=2)
    kafka.send("cloud", [(0, b"a"), (1, b"b"), (1, b"c")], at(DAY3))
    monkeypatch.setenv("SSL_CERT_FILE", str(kafka.authority))
    monkeypatch.setenv("EH", f"{kafka.cloud_connection}")
    monkeypatch.setenv("ADDRESS", f"Endpoint=sb://localhost:{kafka.cloud}/;EntityPath=cloud")
    monkeypatch.setenv("SECRET", "hunter2")
    principal = {
        "eh_conn_string": "env:ADDRESS",
        "aad_tenant_id": "tenant",
        "aad_client_id": "client",
        "aad_client_secret": "env:SECRET",
        "aad_authority_endpoint": entra,
    }
    for fields in ({"eh_connection": "env:EH"}, principal):
        with Hub.connected(endpoint_of(azure(tmp_path, **fields))) as found:
            assert found.ends() == {0: (0, 1), 1: (0, 2)}
            (messages,) = found.messages({0: 0, 1: 1}, {0: 1, 1: 2})
            assert sorted((m.partition, m.number, m.body, m.enqueued) for m in messages) == [
                (0, 0, b"a", at(DAY3)),
                (1, 1, b"c", at(DAY3)),
            ]
    monkeypatch.setenv("SECRET", "hunter3")
    with pytest.raises(SourceError, match=r"/tenant/oauth2/v2.0/token gave no token: AADSTS7000215$"):
        endpoint_of(azure(tmp_path, **principal))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("hunter2", "env:EH is no connection string: Endpoint=sb://"),
        ("Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=hunter2", "env:EH is no connection string: "),
        ("Endpoint=https://ns;SharedAccessKey=hunter2", "env:EH is no connection string: "),
        (
            "Endpoint=sb://ns/;SharedAccessKey=hunter2;EntityPath=x",
            "The connection string is for the Event Hub x: check eh_name.",
        ),
    ],
)
def test_a_connection_string_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, sentence: str
) -> None:
    monkeypatch.setenv("EH", given)
    with pytest.raises(ConfigurationError) as error:
        endpoint_of(azure(tmp_path, eh_connection="env:EH"))
    assert str(error.value).startswith(sentence)
    assert "hunter2" not in str(error.value)


def test_a_hub_that_was_made_anew_is_read_from_its_beginning(
    spark: SparkSession, tmp_path: Path, kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = hub(spark, tmp_path, kafka, monkeypatch, "anew")
    kafka.create("anew")
    body = [next(routes.hub_messages([event], 1, 1)) for event in EVENTS[:4]]
    kafka.send("anew", body[:3], at(DAY3))
    world.load("audit_log_bronze", DAY3)
    kafka.delete("anew")
    kafka.create("anew")
    kafka.send("anew", body[3:], at(DAY3))
    assert world.load("audit_log_bronze", DAY3).counts["inserted"] == 1
    assert [r["sequenceNumber"] for r in world.rows("audit_log_raw_events")] == [0]
