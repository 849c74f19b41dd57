"""An Event Hub of the sample: a server of Kafka's protocol that hands out what files of Event Hubs Capture hold.

It knows the requests by which a consumer finds and reads a hub's messages. Fields and error codes: Apache Kafka's
protocol guide; who is let in: Event Hubs' guide for Kafka clients.
"""

import socketserver
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from overwatch_assets.sample.loopback import LoopbackServer

_PRODUCE, _FETCH, _LIST_OFFSETS, _METADATA, _SASL_HANDSHAKE, _API_VERSIONS, _SASL_AUTHENTICATE = 0, 1, 2, 3, 17, 18, 36
# The one version of each that is answered: a client takes the newest that both sides know.
_VERSIONS = {_FETCH: 4, _LIST_OFFSETS: 1, _METADATA: 1, _SASL_HANDSHAKE: 1, _API_VERSIONS: 0, _SASL_AUTHENTICATE: 0}
_SHOWN = {**_VERSIONS, _PRODUCE: 3}  # by which clients tell that messages come in batches; nothing can be sent here
_OFFSET_OUT_OF_RANGE, _UNKNOWN_TOPIC_OR_PARTITION, _UNSUPPORTED_VERSION, _AUTHENTICATION_FAILED = 1, 3, 35, 58
_EARLIEST = -2  # a time of ListOffsets
_NODE = 1
_BATCH_FORMAT = 2
_IDLE_SECONDS = 0.1


@dataclass(frozen=True)
class _Message:
    """A message as it is handed out."""

    number: int
    batch: bytes


class SampleHub(LoopbackServer):
    """A hub that listens on the loopback interface while the `with` block runs, on a port that it chooses.

    Args:
        name: of the hub.
        folder: has a folder of captured files for each partition; files may come and go.
        key: the shared access key of who may read it.
    """

    def __init__(self, name: str, folder: Path, key: str) -> None:
        super().__init__(_Connection)
        self.name = name
        self._folder, self._key = folder, key

    @property
    def connection(self) -> str:
        """The connection string: that of a development emulator, whose clients use no TLS."""
        return (
            f"Endpoint=sb://127.0.0.1:{self.port};SharedAccessKeyName=overwatch;SharedAccessKey={self._key};"
            "UseDevelopmentEmulator=true;"
        )

    def partitions(self) -> dict[int, list[_Message]]:
        """What each partition has by now, in order."""
        found: dict[int, list[_Message]] = defaultdict(list)
        for path in self._folder.rglob("*.avro"):
            number = int(path.relative_to(self._folder).parts[0])
            found[number] += _captured(path, path.stat().st_mtime_ns)
        return {number: sorted(found[number], key=lambda m: m.number) for number in sorted(found)}


@lru_cache(maxsize=256)
def _captured(path: Path, _changed: int) -> tuple[_Message, ...]:
    """The messages in a file; it is read again when it has changed."""
    import fastavro  # noqa: PLC0415 - only workspaces on Azure need it

    with path.open("rb") as file:
        rows: Iterator[Any] = fastavro.reader(file)
        return tuple(_Message(row["SequenceNumber"], _batch(row)) for row in rows)


def _batch(row: Mapping[str, Any]) -> bytes:
    """Write a captured message as a batch of its own: it has no key, no headers and no transaction."""
    number, at, body = row["SequenceNumber"], row["SystemProperties"]["x-opt-enqueued-time"], row["Body"] or b""
    record = b"\0" * 3 + _varint(-1) + _varint(len(body)) + body + b"\0"
    said = struct.pack(">hiqqqhii", 0, 0, at, at, -1, -1, -1, 1) + _varint(len(record)) + record
    return struct.pack(">qiibI", number, len(said) + 9, -1, _BATCH_FORMAT, _crc32c(said)) + said


class _Connection(socketserver.StreamRequestHandler):
    """A client's connection: it says who it is, then it may ask."""

    server: SampleHub

    def handle(self) -> None:
        """Answer until the client hangs up; hang up on one that asks what no hub answers it."""
        let_in = False
        while (size := self.rfile.read(4)) and len(size) == 4:
            asked = _Words(self.rfile.read(struct.unpack(">i", size)[0]))
            api, version, number = asked.take("hhi")
            asked.text()  # the client's name
            if api == _API_VERSIONS:
                answer = _api_versions(version)
            elif _VERSIONS.get(api) != version:
                return
            elif api == _SASL_HANDSHAKE:
                answer = struct.pack(">hi", 0, 1) + _text("PLAIN")
            elif api == _SASL_AUTHENTICATE:
                let_in = asked.rest()[4:].split(b"\0")[1:] == [b"$ConnectionString", self.server.connection.encode()]
                answer = struct.pack(">hhi", 0 if let_in else _AUTHENTICATION_FAILED, -1, 0)
            elif let_in:
                answer = _ANSWERS[api](self.server, asked)
            else:
                return
            self.wfile.write(struct.pack(">ii", len(answer) + 4, number) + answer)


class _Words:
    """A request, read from its beginning."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def take(self, form: str) -> tuple[int, ...]:
        """Numbers, by `struct`'s letters."""
        found = struct.unpack_from(f">{form}", self._content, self._at)
        self._at += struct.calcsize(f">{form}")
        return found

    def text(self) -> str:
        """A text, empty if it is null."""
        (size,) = self.take("h")
        begin, self._at = self._at, self._at + max(size, 0)
        return self._content[begin : self._at].decode()

    def rest(self) -> bytes:
        """What is left."""
        return self._content[self._at :]

    def partitions(self, form: str) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
        """Per hub what is asked of its partitions."""
        for _ in range(self.take("i")[0]):
            yield self.text(), [self.take(form) for _ in range(self.take("i")[0])]


def _api_versions(version: int) -> bytes:
    code = 0 if version == _VERSIONS[_API_VERSIONS] else _UNSUPPORTED_VERSION
    return struct.pack(">h", code) + _array([struct.pack(">hhh", api, 0, newest) for api, newest in _SHOWN.items()])


def _metadata(hub: SampleHub, asked: _Words) -> bytes:
    (count,) = asked.take("i")
    names = [asked.text() for _ in range(count)] if count >= 0 else [hub.name]
    broker = struct.pack(">i", _NODE) + _text("127.0.0.1") + struct.pack(">ih", hub.port, -1)
    topics = []
    for name in names:
        numbers = list(hub.partitions()) if name == hub.name else []
        code = 0 if name == hub.name else _UNKNOWN_TOPIC_OR_PARTITION
        own = _array([struct.pack(">hiiiiii", 0, number, _NODE, 1, _NODE, 1, _NODE) for number in numbers])
        topics.append(struct.pack(">h", code) + _text(name) + struct.pack(">b", 0) + own)
    return _array([broker]) + struct.pack(">i", _NODE) + _array(topics)


def _list_offsets(hub: SampleHub, asked: _Words) -> bytes:
    asked.take("i")  # a replica, which a client is not

    def offset(partition: int, messages: Sequence[_Message], at: int) -> bytes:
        first, after_last = _bounds(messages)
        return struct.pack(">ihqq", partition, 0, -1, first if at == _EARLIEST else after_last)

    return _of_partitions(hub, asked, "iq", offset)


def _fetch(hub: SampleHub, asked: _Words) -> bytes:
    asked.take("iiiib")  # a replica; how long to wait; how many bytes; of which transactions
    any_found = False

    def fetched(partition: int, messages: Sequence[_Message], begin: int, room: int) -> bytes:
        nonlocal any_found
        first, after_last = _bounds(messages)
        code = 0 if first <= begin <= after_last else _OFFSET_OUT_OF_RANGE
        found = b"" if code else _as_many((m for m in messages if m.number >= begin), room)
        any_found = any_found or bool(found or code)
        return struct.pack(">ihqqii", partition, code, after_last, after_last, 0, len(found)) + found

    answer = _of_partitions(hub, asked, "iqi", fetched)
    if not any_found:
        time.sleep(_IDLE_SECONDS)  # a client asks again at once
    return struct.pack(">i", 0) + answer


def _of_partitions(hub: SampleHub, asked: _Words, form: str, answer: Callable[..., bytes]) -> bytes:
    """Per hub and partition what `answer` makes of its messages and of what is asked, numbers by `struct`'s letters."""
    there = hub.partitions()
    return _array(
        [
            _text(name) + _array([answer(partition, there.get(partition, []), *more) for partition, *more in wanted])
            for name, wanted in asked.partitions(form)
        ]
    )


def _as_many(messages: Iterable[_Message], room: int) -> bytes:
    """As many messages as there is room for, and one at least."""
    found = b""
    for message in messages:
        if found and len(found) + len(message.batch) > room:
            break
        found += message.batch
    return found


def _varint(number: int) -> bytes:
    """A number as protocol buffers write one with a sign."""
    left, found = number << 1 if number >= 0 else ~(number << 1), bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*found, left])


def _crc32c_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC32C = [_crc32c_of(byte) for byte in range(256)]


def _crc32c(content: bytes) -> int:
    """The check sum of RFC 3720, which no library here has."""
    found = 0xFFFFFFFF
    for byte in content:
        found = _CRC32C[(found ^ byte) & 0xFF] ^ found >> 8
    return found ^ 0xFFFFFFFF


def _bounds(messages: Sequence[_Message]) -> tuple[int, int]:
    return (messages[0].number, messages[-1].number + 1) if messages else (0, 0)


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text.encode())) + text.encode()


def _array(items: Sequence[bytes]) -> bytes:
    return struct.pack(">i", len(items)) + b"".join(items)


_ANSWERS: dict[int, Callable[[SampleHub, _Words], bytes]] = {
    _METADATA: _metadata,
    _LIST_OFFSETS: _list_offsets,
    _FETCH: _fetch,
}
