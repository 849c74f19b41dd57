"""Audit logs as Databricks delivers them: JSON lines in `<prefix>/date=YYYY-MM-DD/`, plain or compressed."""

import datetime as dt
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame

from overwatch_assets.errors import SourceError
from overwatch_assets.rules.audit_records import audit_record
from overwatch_assets.rules.json_secrets import cut_from_bytes, cut_from_text
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading, Reject, content_hash
from overwatch_assets.sources.event_logs.listing import ListingFailure, LogFile, filesystem, find_logs
from overwatch_assets.sources.event_logs.reader import RANGES, Position, Range, plan_ranges, ranges_table, read_batches

_DAY_FOLDER = re.compile(r"date=(\d{4}-\d\d-\d\d)")
_FRAME_BYTES = 64 << 20  # of lines: bounds what one insert compares

_LINES = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("pos", pa.int64()),
        ("day", pa.date32()),
        ("nbytes", pa.int64()),
        ("value", pa.string()),
    ]
)
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
_LINES_DDL = "file string, line bigint, pos bigint, day date, nbytes bigint, value string"
_REJECTS_DDL = (
    "location string, line bigint, position bigint, reason string, content string, content_bytes binary, hash bigint"
)

_Days = Mapping[str, dt.date]


def read_audit_logs(load: Load) -> Reading:
    """Read the folders of the window's days.

    The frames have a row for each line that is text: file, line (from 1), pos (byte offset), day (of the folder),
    nbytes, value. What is no audit record is rejected.

    Raises:
        SourceError: the prefix does not exist, cannot be read, or holds something else than `date=` folders of JSON.
    """
    prefix = load.workspace.audit_log_path
    if "audit" not in load.workspace.scopes:
        return Reading(empty="the scope audit is excluded")
    if prefix is None:
        return Reading(empty="source not configured: auditlogprefix_source_path is no folder of audit logs")
    folders = _day_folders(prefix)
    days = load.window.days
    missing = [day for day in days if day not in folders]
    notes = {f"no folder date={day}": 1 for day in missing}
    logs: list[LogFile] = []
    failures: list[ListingFailure] = []
    day_of: dict[str, dt.date] = {}
    for day in days:
        if day in folders:
            listing = find_logs(folders[day])
            failures += listing.failures
            logs += listing.logs
            day_of |= {log.tracked_path: day for log in listing.logs}
    rejects = [Reject(f.path, None, None, f.reason, None, None, content_hash(f.path.encode())) for f in failures]
    if not logs:
        why = f"no folder for {load.window}" if len(missing) == len(days) else f"no file for {load.window}"
        return Reading(rejects=rejects, empty=f"{why} under {prefix}", notes=notes)
    chunks = plan_ranges(((log, Position()) for log in logs), os.cpu_count() or 1, _FRAME_BYTES)
    for chunk in chunks:
        rejects += _rejects(load, chunk, day_of)
    frames = [_frame(load, chunk, _read_lines(day_of), _LINES_DDL) for chunk in chunks]
    return Reading(frames=frames, rejects=rejects, notes={**notes, "files read": len(logs)})


def _day_folders(prefix: str) -> dict[dt.date, str]:
    """Return the day folders under a prefix."""
    try:
        fs, root = filesystem(prefix)
        fs.invalidate_cache()
        entries = fs.ls(root, detail=True)
    except FileNotFoundError as error:
        raise SourceError(f"There is nothing at {prefix}: check auditlogprefix_source_path.") from error
    except Exception as error:  # file systems let the errors of their client libraries through
        reason = f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
        raise SourceError(f"The audit logs at {prefix} can't be listed: {reason}.") from error
    folders = {e["name"].rstrip("/").rpartition("/")[2] for e in entries if e["type"] == "directory"}
    if "_delta_log" in folders:
        raise SourceError(f"{prefix} is a Delta table: auditlogprefix_source_path must hold audit logs as JSON lines.")
    named = {name: found[1] for name in folders if (found := _DAY_FOLDER.fullmatch(name))}
    if not named and (folders - {""}):
        raise SourceError(
            f"{prefix} has no date=yyyy-MM-dd folder, but {min(folders)}: auditlogprefix_source_path must be the "
            "folder that holds them."
        )
    return {day: f"{prefix.rstrip('/')}/{name}" for name, text in named.items() if (day := _day(text)) is not None}


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:  # such as the 31st of June
        return None


def _frame(
    load: Load,
    chunk: Sequence[Range],
    read: Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]],
    columns: str,
) -> DataFrame:
    work = load.store.spark.createDataFrame(ranges_table(chunk).cast(RANGES))
    return work.repartition(len(chunk)).mapInArrow(read, columns)


def _read_lines(day_of: _Days) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for lines in read_batches(batches):
            kept = lines.filter(lines.column("value").is_valid())
            if kept.num_rows:
                columns = {name: kept.column(name) for name in _LINES.names if name != "day"}
                columns["day"] = pa.array([day_of[file] for file in kept.column("file").to_pylist()], pa.date32())
                yield pa.RecordBatch.from_arrays([columns[name] for name in _LINES.names], schema=_LINES)

    return read


def _rejects(load: Load, chunk: Sequence[Range], day_of: _Days) -> list[Reject]:
    """Collect what is no audit record in some files: lines, and the rest of a file where it is damaged."""
    return [
        Reject(**row) for row in load.store.arrow(_frame(load, chunk, _read_rejects(day_of), _REJECTS_DDL)).to_pylist()
    ]


def _read_rejects(day_of: _Days) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for lines in read_batches(batches):
            found = ((line, day_of[line["file"]]) for line in lines.to_pylist())
            rows = [row for line, day in found if (row := _rejected(line, day)) is not None]
            if rows:
                yield pa.RecordBatch.from_pylist(rows, schema=_REJECTS)

    return read


def _rejected(line: Mapping[str, object], day: dt.date) -> dict[str, object] | None:
    """Return the row of what is no audit record, without its secrets; None for a good line and a file's good end."""
    value, bad, reason = line["value"], line["bad"], line["reason"]
    row = {
        "location": line["file"],
        "line": line["line"],
        "position": line["pos"],
        "content": None,
        "content_bytes": None,
    }
    if isinstance(value, str):
        record = audit_record(value, day)
        if not isinstance(record, str):
            return None
        return {**row, "reason": record, "content": cut_from_text(value)[0], "hash": content_hash(value.encode())}
    if reason is None:
        return None
    if isinstance(bad, bytes):
        return {**row, "reason": reason, "content_bytes": cut_from_bytes(bad), "hash": content_hash(bad)}
    return {**row, "reason": reason, "hash": content_hash(str(line["file"]).encode())}
