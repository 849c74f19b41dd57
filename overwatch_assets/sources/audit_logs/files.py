"""Audit records in files that are read whole: Parquet, and the Avro that Event Hubs Capture writes."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from overwatch_assets.rules.audit_shapes import Wrong, of_message, of_row
from overwatch_assets.rules.json_secrets import cut_from_bytes
from overwatch_assets.rules.json_values import text_of
from overwatch_assets.sources.audit_logs.records import batches_of
from overwatch_assets.storage.location import filesystem

_ROWS = 2000
_AVRO = b"Obj\x01"


class _Stored:
    """A file in storage, which remembers that the storage refused: libraries report that as they do damage."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.refused = True  # until it is open

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Open the file."""
        fs, inner = filesystem(self.path)
        with fs.open(inner, "rb") as self._file:
            self.refused = False
            yield self

    def read(self, size: int = -1) -> bytes:
        try:
            data: bytes = self._file.read(size)
        except Exception:
            self.refused = True
            raise
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def read_parquet(batches: Iterable[pa.RecordBatch], day_of: Mapping[str, dt.date]) -> Iterator[pa.RecordBatch]:
    """Read the files of `RANGES`: a record for each row, as `RECORDS`."""
    for batch in batches:
        for path in batch.column("path").to_pylist():
            yield from batches_of(_parquet_rows(path, day_of[path]))


def _parquet_rows(path: str, day: dt.date) -> Iterator[dict[str, Any]]:
    row, stored = 0, _Stored(path)
    try:
        with stored.opened() as opened, pq.ParquetFile(opened, coerce_int96_timestamp_unit="us") as file:
            for batch in file.iter_batches(_ROWS):
                for found in batch.to_pylist():
                    row += 1
                    yield {"file": path, "line": row, "day": day, "value": text_of(of_row(found))}
    except Exception as error:  # noqa: BLE001 - a damaged file or refused access, each library with its own errors
        yield _ended_early(stored, row + 1, day, error)


def read_capture(batches: Iterable[pa.RecordBatch], day_of: Mapping[str, dt.date]) -> Iterator[pa.RecordBatch]:
    """Read the files of `RANGES`: a record for each record of each message, as `RECORDS`."""
    for batch in batches:
        for path in batch.column("path").to_pylist():
            yield from batches_of(_captured_records(path, day_of[path]))


def _captured_records(path: str, day: dt.date) -> Iterator[dict[str, Any]]:
    message, stored = 0, _Stored(path)
    try:
        with stored.opened() as opened:
            for number, body in _messages(opened):
                message += 1
                yield from message_records(path, number, day, body)
    except Exception as error:  # noqa: BLE001 - as above
        yield _ended_early(stored, message + 1, day, error)


def _messages(opened: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbers and bodies of the messages in a captured file.

    Raises:
        ValueError: Event Hubs Capture writes no such file.
    """
    import fastavro  # noqa: PLC0415 - only captured files need it

    if opened.read(len(_AVRO)) != _AVRO:  # other bytes may send the reader far astray
        raise ValueError("no Avro file")
    opened.seek(0)
    for found in fastavro.reader(opened):
        fields: dict[str, Any] = found if isinstance(found, dict) else {}
        number, body = fields.get("SequenceNumber"), fields.get("Body", "")
        if not isinstance(number, int) or not isinstance(body, bytes | None):
            said = "no SequenceNumber and Body, which messages have that Event Hubs Capture wrote"
            raise ValueError(said)  # noqa: TRY004 - the file is wrong, not the call
        yield number, body or b""


def message_records(place: str, number: int, day: dt.date, body: bytes) -> Iterator[dict[str, Any]]:
    """The records of an Event Hub's message, as rows of `RECORDS`.

    Args:
        place: the file or the partition of the hub that the message is in.
        number: its sequence number.
        day: the day that it was enqueued.
        body: what it says.
    """
    for at, record in enumerate(of_message(body), 1):
        row = {"file": place, "line": at, "pos": number, "day": day}
        if not isinstance(record, Wrong):
            yield {**row, "value": text_of(record)}
        elif isinstance(record.content, str):
            yield {**row, "value": record.content, "reason": record.reason}
        else:
            yield {**row, "bad": cut_from_bytes(record.content), "reason": record.reason}


def _ended_early(stored: _Stored, row: int, day: dt.date, error: Exception) -> dict[str, Any]:
    said = " ".join(str(getattr(error, "strerror", None) or error).split())[:500]
    return {
        "kind": "unreadable" if stored.refused else "fault",
        "file": stored.path,
        "line": row,
        "day": day,
        "reason": f"can't be read from here on: {type(error).__name__}: {said}",
    }
