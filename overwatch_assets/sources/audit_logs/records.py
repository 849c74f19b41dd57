"""Delivered records as the frames of a reading, and what is none as its rejects."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from overwatch_assets.errors import SourceError
from overwatch_assets.rules.audit_records import audit_record, plainly_a_record
from overwatch_assets.rules.json_secrets import cut_from_bytes, cut_from_json
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reject, content_hash

RECORDS = pa.schema(
    [
        ("kind", pa.string()),  # `line`; how a range or file ended, as in `LINES`; one read whole has no `end`
        ("file", pa.string()),
        ("line", pa.int64()),
        ("pos", pa.int64()),
        ("day", pa.date32()),  # of the delivery
        ("value", pa.string()),  # the record as JSON text; null where the next two say what is there instead
        ("bad", pa.binary()),  # what is no text
        ("reason", pa.string()),  # why it is no record, or why no more of the file was read
    ]
)
"""What each way of delivery reads: a row for each delivered record or piece that is none."""

Read = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]
"""For `mapInArrow`: from what is to be read to `RECORDS`."""

_LINES = pa.schema([field for field in RECORDS if field.name not in ("kind", "bad", "reason")])
_LINES_DDL = "file string, line bigint, pos bigint, day date, value string"
_REJECTS = pa.schema(
    [
        ("kind", pa.string()),
        ("location", pa.string()),
        ("line", pa.int64()),
        ("position", pa.int64()),
        ("reason", pa.string()),
        ("content", pa.string()),
        ("content_bytes", pa.binary()),
        ("hash", pa.int64()),
    ]
)
"""`kind`, and the fields of `Reject`."""
_REJECTS_DDL = (
    "kind string, location string, line bigint, position bigint, reason string, content string, content_bytes binary, "
    "hash bigint"
)


@dataclass(frozen=True)
class End:
    """How the reading of a file, or of a range of it, ended.

    Attributes:
        kind: `end`, `fault` or `unreadable`, as the last row of `LINES`.
        line: number of the next line or row, from 1.
        pos: byte offset of the next line in the decompressed file.
        reason: why no more was read.
    """

    kind: str
    file: str
    line: int
    pos: int | None
    reason: str | None


def lines_of(work: DataFrame, read: Read, damaged: Collection[tuple[str, int]] = ()) -> DataFrame:
    """The delivered records of some work: file, line, pos, day, value.

    Args:
        work: what is to be read.
        read: how.
        damaged: files and lines at which they are known to be damaged: what follows is in quarantine.

    Raises (when it is computed):
        SourceError: a file ends early elsewhere, so that records would be missing.
    """

    def lines(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for records in read(batches):
            good = records.filter(pc.and_(records.column("value").is_valid(), records.column("reason").is_null()))
            if good.num_rows:
                yield good.select(_LINES.names)
            for end in records.filter(pc.not_equal(records.column("kind"), "line")).to_pylist():
                if end["kind"] != "end" and (end["file"], end["line"]) not in damaged:
                    raise SourceError(f"{end['file']} from line {end['line']} on: {end['reason']}")

    return work.mapInArrow(lines, _LINES_DDL)


def looked_through(load: Load, work: DataFrame, read: Read) -> tuple[list[Reject], list[End]]:
    """What is no audit record in some work, records and the rest of a damaged file; and where its files ended."""

    def rejects(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for records in read(batches):
            rows = [row for record in records.to_pylist() if (row := _rejected(record)) is not None]
            if rows:
                yield pa.RecordBatch.from_pylist(rows, schema=_REJECTS)

    found: list[Reject] = []
    ends: list[End] = []
    for row in load.store.arrow(work.mapInArrow(rejects, _REJECTS_DDL)).to_pylist():
        kind = row.pop("kind")
        if kind != "line":
            ends.append(End(kind, row["location"], row["line"], row["position"], row["reason"]))
        if kind in ("line", "fault"):
            found.append(Reject(**row))
    return found, ends


def _rejected(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the row of what is no audit record, or not all of it, without its secrets, or of an end; else None."""
    value, bad, reason = record["value"], record["bad"], record["reason"]
    row = {
        "kind": record["kind"],
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
    if bad is not None:
        return {**row, "reason": reason, "content_bytes": cut_from_bytes(bad), "hash": content_hash(bad)}
    return {**row, "reason": reason, "hash": content_hash(record["file"].encode())}


def batches_of(rows: Iterable[Mapping[str, Any]], size: int = 2000) -> Iterator[pa.RecordBatch]:
    """Rows as batches of `RECORDS`."""
    part: list[Mapping[str, Any]] = []
    for row in rows:
        part.append({"kind": "line", **row})
        if len(part) == size:
            yield pa.RecordBatch.from_pylist(part, schema=RECORDS)
            part = []
    if part:
        yield pa.RecordBatch.from_pylist(part, schema=RECORDS)
