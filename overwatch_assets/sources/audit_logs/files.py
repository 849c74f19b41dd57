"""Audit records in files that are read whole: Parquet, and the Avro that Event Hubs Capture writes."""

import datetime as dt
from collections.abc import Iterable, Iterator
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


def read_parquet(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Read files (path, day): a record for each row, as `RECORDS`."""
    for batch in batches:
        for file in batch.to_pylist():
            yield from batches_of(_parquet_rows(file["path"], file["day"]))


def _parquet_rows(path: str, day: dt.date) -> Iterator[dict[str, Any]]:
    row = 0
    try:
        fs, inner = filesystem(path)
        with fs.open(inner, "rb") as opened, pq.ParquetFile(opened, coerce_int96_timestamp_unit="us") as file:
            for batch in file.iter_batches(_ROWS):
                for found in batch.to_pylist():
                    row += 1
                    yield {"file": path, "line": row, "day": day, "value": text_of(of_row(found))}
    except Exception as error:  # noqa: BLE001 - a damaged file or refused access, each library with its own errors
        yield _damaged(path, row + 1, day, error)


def read_capture(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Read files (path, day) of messages: a record for each record of each message, as `RECORDS`."""
    for batch in batches:
        for file in batch.to_pylist():
            yield from batches_of(_captured_records(file["path"], file["day"]))


def _captured_records(path: str, day: dt.date) -> Iterator[dict[str, Any]]:
    message = 0
    try:
        fs, inner = filesystem(path)
        with fs.open(inner, "rb") as opened:
            for number, body in _messages(opened):
                message += 1
                yield from message_records(path, number, day, body)
    except Exception as error:  # noqa: BLE001 - as above
        yield _damaged(path, message + 1, day, error)


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


def _damaged(path: str, row: int, day: dt.date, error: Exception) -> dict[str, Any]:
    said = " ".join(str(getattr(error, "strerror", None) or error).split())[:500]
    return {
        "file": path,
        "line": row,
        "day": day,
        "reason": f"can't be read from here on: {type(error).__name__}: {said}",
    }
