"""Delivered records as the frames of a reading, and what is none as its rejects."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from overwatch_assets.rules.audit_records import audit_record, plainly_a_record
from overwatch_assets.rules.json_secrets import cut_from_bytes, cut_from_json
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reject, content_hash

RECORDS = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("pos", pa.int64()),
        ("day", pa.date32()),  # of the delivery
        ("value", pa.string()),  # the record as JSON text; null where the next two say what is there instead
        ("bad", pa.binary()),  # what is no text
        ("reason", pa.string()),  # why it is no record; null with null `value`: the good end of a file
    ]
)
"""What each way of delivery reads: a row for each delivered record or piece that is none."""

Read = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]
"""For `mapInArrow`: from what is to be read to `RECORDS`."""

_LINES = pa.schema([field for field in RECORDS if field.name not in ("bad", "reason")])
_LINES_DDL = "file string, line bigint, pos bigint, day date, value string"
_REJECTS = pa.schema(
    [
        ("location", pa.string()),
        ("line", pa.int64()),
        ("position", pa.int64()),
        ("reason", pa.string()),
        ("content", pa.string()),
        ("content_bytes", pa.binary()),
        ("hash", pa.int64()),
    ]
)
"""The fields of `Reject`."""
_REJECTS_DDL = (
    "location string, line bigint, position bigint, reason string, content string, content_bytes binary, hash bigint"
)


def lines_of(work: DataFrame, read: Read) -> DataFrame:
    """The delivered records of some work: file, line, pos, day, value."""

    def lines(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for records in read(batches):
            good = records.filter(pc.and_(records.column("value").is_valid(), records.column("reason").is_null()))
            if good.num_rows:
                yield good.select(_LINES.names)

    return work.mapInArrow(lines, _LINES_DDL)


def rejects_of(load: Load, work: DataFrame, read: Read) -> list[Reject]:
    """What is no audit record in some work: records, and the rest of a file where it is damaged."""

    def rejects(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for records in read(batches):
            rows = [row for record in records.to_pylist() if (row := _rejected(record)) is not None]
            if rows:
                yield pa.RecordBatch.from_pylist(rows, schema=_REJECTS)

    return [Reject(**row) for row in load.store.arrow(work.mapInArrow(rejects, _REJECTS_DDL)).to_pylist()]


def _rejected(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the row of what is no audit record, or not all of it, without its secrets.

    None for a good one and for a file's good end.
    """
    value, bad, reason = record["value"], record["bad"], record["reason"]
    row = {
        "location": record["file"],
        "line": record["line"],
        "position": record["pos"],
        "content": None,
        "content_bytes": None,
    }
    if value is not None:
        if reason is None and plainly_a_record(value, record["day"]):
            return None
        found = reason or audit_record(value, record["day"])
        if not isinstance(found, str):
            if not found.unread:
                return None
            found = f"{', '.join(found.unread)}: not what it should be; the rest is a row"
        return {**row, "reason": found, "content": cut_from_json(value)[0], "hash": content_hash(value.encode())}
    if reason is None:
        return None
    if bad is not None:
        return {**row, "reason": reason, "content_bytes": cut_from_bytes(bad), "hash": content_hash(bad)}
    return {**row, "reason": reason, "hash": content_hash(record["file"].encode())}


def batches_of(rows: Iterable[Mapping[str, Any]], size: int = 2000) -> Iterator[pa.RecordBatch]:
    """Rows as batches of `RECORDS`."""
    part: list[Mapping[str, Any]] = []
    for row in rows:
        part.append(row)
        if len(part) == size:
            yield pa.RecordBatch.from_pylist(part, schema=RECORDS)
            part = []
    if part:
        yield pa.RecordBatch.from_pylist(part, schema=RECORDS)
