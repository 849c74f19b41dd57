"""Audit records in files that are read whole: Parquet, and the Avro that Event Hubs Capture writes."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from overwatch_assets.rules.audit_shapes import Wrong, of_message, of_row
from overwatch_assets.rules.json_secrets import cut_from_bytes
from overwatch_assets.rules.json_values import text_of
from overwatch_assets.sources.audit_logs.records import batches_of
from overwatch_assets.sources.event_logs.listing import filesystem

_ROWS = 2000


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
    import fastavro  # noqa: PLC0415 - only captured files need it

    message = 0
    try:
        fs, inner = filesystem(path)
        with fs.open(inner, "rb") as opened:
            for found in fastavro.reader(opened):
                message += 1
                fields = cast("dict[str, Any]", found)
                yield from message_records(path, fields["SequenceNumber"], day, fields["Body"] or b"")
    except Exception as error:  # noqa: BLE001 - as above
        yield _damaged(path, message + 1, day, error)


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
