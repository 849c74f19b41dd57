"""The sample's Event Hub, asked by the product's client; what each request says is worked out from Kafka's guide."""

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.errors import SourceError
from overwatch_assets.sample.capture import captured
from overwatch_assets.sample.hub import SampleHub, _crc32c, _varint
from overwatch_assets.sources.audit_logs.hub import Hub, endpoint_of
from overwatch_assets_tests.sources.loading import azure

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
NOON_MS = round(NOON.timestamp() * 1000)


def put(folder: Path, partition: int, bodies: Sequence[bytes | None], *, first: int = 0, at_ms: int = NOON_MS) -> None:
    path = folder / str(partition) / f"2024/05/01/12/{first}.avro"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(captured(bodies, at_ms, first=first))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[SampleHub]:
    folder = tmp_path / "hub"
    put(folder, 0, [b"a", "ü".encode(), None])
    put(folder, 1, [b"x"], first=7)
    with SampleHub("audits", folder, "hunter2") as hub:
        yield hub


def row(folder: Path, monkeypatch: pytest.MonkeyPatch, connection: str, name: str = "audits") -> Workspace:
    monkeypatch.setenv("EH", connection)
    return azure(folder, eh_name=name, eh_connection="env:EH")


def read(hub: Hub, begin: dict[int, int], end: dict[int, int]) -> list[tuple[int, int, datetime | None, bytes]]:
    found = [m for part in hub.messages(begin, end) for m in part]
    return sorted((m.partition, m.number, m.enqueued, m.body) for m in found)


def test_messages_of_captured_files_have_their_numbers_times_and_bodies(
    tmp_path: Path, served: SampleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Hub.connected(endpoint_of(row(tmp_path, monkeypatch, served.connection))) as hub:
        assert hub.ends() == {0: (0, 3), 1: (7, 8)}
        assert read(hub, {0: 1, 1: 7}, {0: 3, 1: 8}) == [
            (0, 1, NOON, "ü".encode()),
            (0, 2, NOON, b""),
            (1, 7, NOON, b"x"),
        ]
        put(tmp_path / "hub", 1, [b"y", b"z"], first=8, at_ms=NOON_MS + 1500)
        assert hub.ends()[1] == (7, 10)
        assert read(hub, {1: 9}, {1: 10}) == [(1, 9, datetime(2024, 5, 1, 12, 0, 1, 500_000, UTC), b"z")]
        with pytest.raises(SourceError, match="Offset out of range"):
            read(hub, {1: 3}, {1: 10})


def test_more_messages_than_one_answer_holds_are_all_read(
    tmp_path: Path, served: SampleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client takes a megabyte of a partition at once."""
    bodies = [os.urandom(300_000) for _ in range(7)] + [os.urandom(1_200_000), b"last"]
    put(tmp_path / "hub", 0, bodies, first=3)
    with Hub.connected(endpoint_of(row(tmp_path, monkeypatch, served.connection))) as hub:
        assert read(hub, {0: 3}, {0: 12}) == [(0, n, NOON, body) for n, body in enumerate(bodies, 3)]


def test_who_is_not_let_in_and_a_hub_that_is_not_there(
    tmp_path: Path, served: SampleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = served.connection.replace("hunter2", "hunter3")
    for connection, name, said in (
        (other, "audits", "authentication error"),
        (served.connection, "b", "Unknown topic"),
    ):
        with (
            pytest.raises(SourceError, match=said),
            Hub.connected(endpoint_of(row(tmp_path, monkeypatch, connection, name))) as hub,
        ):
            hub.ends()


@pytest.mark.parametrize(
    ("api", "version", "answer"),
    [
        (18, 3, struct.pack(">ih", 5, 35)),  # an unknown version of ApiVersions: UNSUPPORTED_VERSION
        (3, 1, b""),  # Metadata, of one who has not said who they are
        (1, 11, b""),  # a version that was not offered
        (0, 3, b""),  # a message
    ],
)
def test_what_is_not_answered(served: SampleHub, api: int, version: int, answer: bytes) -> None:
    asked = struct.pack(">hhih", api, version, 5, -1)
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
        connection.sendall(struct.pack(">i", len(asked)) + asked)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as said:
            assert said.read()[4:10] == answer


def test_numbers_and_check_sums() -> None:
    """RFC 3720, B.4, and the protocol buffers' guide to encoding; the sum of "123456789" is the CRC catalogue's."""
    assert _crc32c(b"123456789") == 0xE3069283
    assert _crc32c(bytes(32)) == 0x8A9136AA
    assert _crc32c(b"\xff" * 32) == 0x62A8AB43
    assert [_varint(n) for n in (0, -1, 1, -2, 150)] == [b"\0", b"\1", b"\2", b"\3", b"\xac\2"]
