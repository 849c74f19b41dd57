"""Audit logs in files, in a folder for each day.

| format | folders | files |
|---|---|---|
| json | `<prefix>/date=yyyy-MM-dd/` | lines of JSON, plain or compressed |
| parquet | `<prefix>/date=yyyy-MM-dd/` | Parquet |
| capture | `<prefix>/<partition>/yyyy/MM/dd/`, or `<prefix>/date=yyyy-MM-dd/` | Avro, as Event Hubs Capture writes it |

Under `<prefix>/workspaceId=<id>/`, which AWS and GCP put before the days, if the prefix has such folders.
"""

import datetime as dt
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from overwatch_assets.errors import SourceError
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading, Reject, content_hash
from overwatch_assets.sources.audit_logs.files import read_capture, read_parquet
from overwatch_assets.sources.audit_logs.records import RECORDS, Read, lines_of, rejects_of
from overwatch_assets.sources.event_logs.listing import ListingFailure, LogFile, find_logs
from overwatch_assets.sources.event_logs.reader import RANGES, Position, plan_ranges, ranges_table, read_batches
from overwatch_assets.storage.location import filesystem

_DAY_FOLDER = re.compile(r"date=(\d{4}-\d\d-\d\d)")
_FRAME_BYTES = 16 << 20  # of lines: their rows fit into a message, so they are computed once
_EXPANSION = 8  # of Parquet and of compressed Avro, about
_FILE = pa.schema([("path", pa.string()), ("day", pa.date32())])
_READERS = {"parquet": read_parquet, "capture": read_capture}
_SUFFIXES = {"parquet": ".parquet", "capture": ".avro"}


@dataclass
class _Listed:
    """What the folders of a window's days have."""

    work: list[DataFrame] = field(default_factory=list)
    read: Read | None = None
    files: int = 0
    failures: list[ListingFailure] = field(default_factory=list)


def read_folders(load: Load, prefix: str) -> Reading:
    """Read the folders of the window's days.

    Raises:
        SourceError: the prefix does not exist, cannot be read, or holds something else than folders of days.
    """
    kind = load.workspace.audit_log_format
    folders = _day_folders(load, prefix, kind)
    days = load.window.days
    notes = {f"no folder date={day}": 1 for day in days if not folders.get(day)}
    listed = _json(load, folders) if kind == "json" else _files(load, folders, kind)
    rejects = [Reject(f.path, None, None, f.reason, None, None, content_hash(f.path.encode())) for f in listed.failures]
    if not listed.files or listed.read is None:
        why = f"no folder for {load.window}" if len(notes) == len(days) else f"no file for {load.window}"
        return Reading(rejects=rejects, empty=f"{why} under {prefix}", notes=notes)
    for work in listed.work:
        rejects += rejects_of(load, work, listed.read)
    frames = [lines_of(work, listed.read) for work in listed.work]
    return Reading(frames=frames, rejects=rejects, notes={**notes, "files read": listed.files})


def _json(load: Load, folders: Mapping[dt.date, Sequence[str]]) -> _Listed:
    listed = _Listed()
    day_of: dict[str, dt.date] = {}
    logs: list[LogFile] = []
    for day, paths in folders.items():
        for path in paths:
            listing = find_logs(path)
            listed.failures += listing.failures
            logs += listing.logs
            day_of |= {log.tracked_path: day for log in listing.logs}
    listed.files = len(logs)
    for chunk in plan_ranges(((log, Position()) for log in logs), os.cpu_count() or 1, _FRAME_BYTES):
        work = load.store.spark.createDataFrame(ranges_table(chunk).cast(RANGES))
        listed.work.append(work.repartition(len(chunk)))
    listed.read = _read_lines(day_of)
    return listed


def _read_lines(day_of: Mapping[str, dt.date]) -> Read:
    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for lines in read_batches(batches):
            columns = {name: lines.column(name) for name in RECORDS.names if name != "day"}
            columns["day"] = pa.array([day_of[file] for file in lines.column("file").to_pylist()], pa.date32())
            yield pa.RecordBatch.from_arrays([columns[name] for name in RECORDS.names], schema=RECORDS)

    return read


def _files(load: Load, folders: Mapping[dt.date, Sequence[str]], kind: str) -> _Listed:
    """The files of a format that is read whole, a file at a time."""
    listed, room = _Listed(read=_READERS[kind]), 0
    chunks: list[list[dict[str, Any]]] = []
    for day, paths in folders.items():
        for path, size in sorted(found for folder in paths for found in _found(folder, kind, listed.failures)):
            if not chunks or room < size:
                chunks.append([])
                room = _FRAME_BYTES // _EXPANSION
            room -= size
            chunks[-1].append({"path": path, "day": day})
            listed.files += 1
    for chunk in chunks:
        work = load.store.spark.createDataFrame(pa.Table.from_pylist(chunk, schema=_FILE))
        listed.work.append(work.repartition(len(chunk)))
    return listed


def _found(folder: str, kind: str, failures: list[ListingFailure]) -> Iterator[tuple[str, int]]:
    """Path and size of the files of a format in a folder; what else is there is a failure."""
    try:
        fs, root = filesystem(folder)
        entries = fs.find(root, detail=True)
    except Exception as error:  # noqa: BLE001 - file systems let the errors of their client libraries through
        failures.append(ListingFailure(folder, _reason(error)))
        return
    for name, entry in sorted(entries.items()):
        path = folder + name[len(root.rstrip("/")) :]
        if name.rpartition("/")[2].startswith(("_", ".")):
            continue
        if name.endswith(_SUFFIXES[kind]):
            yield path, int(entry.get("size") or 0)
        else:
            failures.append(ListingFailure(path, f"no {_SUFFIXES[kind]} file, as audit_log_format says"))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"


def _day_folders(load: Load, prefix: str, kind: str) -> dict[dt.date, list[str]]:
    """The folders of the window's days that there are under a prefix."""
    names = _names(prefix)
    if "_delta_log" in names:
        raise SourceError(
            f"{prefix} is a Delta table: audit_log_format must be delta, or auditlogprefix_source_path a folder of "
            f"{kind} files."
        )
    own = f"workspaceId={load.workspace.workspace_id}"
    if own in names:
        return _day_folders(load, f"{prefix.rstrip('/')}/{own}", kind)
    dated = {day: name for name in names if (day := _day(name)) is not None}
    if dated or not names:
        return {day: [f"{prefix.rstrip('/')}/{dated[day]}"] for day in load.window.days if day in dated}
    if kind == "capture" and (partitions := sorted(name for name in names if name.isdigit())):
        wanted = {
            day: [f"{prefix.rstrip('/')}/{part}/{day:%Y/%m/%d}" for part in partitions] for day in load.window.days
        }
        return {day: there for day, paths in wanted.items() if (there := [path for path in paths if _exists(path)])}
    raise SourceError(
        f"{prefix} has no date=yyyy-MM-dd folder, but {min(names)}: auditlogprefix_source_path must be the "
        + ("folder that holds them, or that of a hub's partitions." if kind == "capture" else "folder that holds them.")
    )


def _names(prefix: str) -> set[str]:
    """Names of the folders under a prefix."""
    try:
        fs, root = filesystem(prefix)
        fs.invalidate_cache()
        entries = fs.ls(root, detail=True)
    except FileNotFoundError as error:
        raise SourceError(f"There is nothing at {prefix}: check auditlogprefix_source_path.") from error
    except Exception as error:  # file systems let the errors of their client libraries through
        raise SourceError(f"The audit logs at {prefix} can't be listed: {_reason(error)}.") from error
    return {e["name"].rstrip("/").rpartition("/")[2] for e in entries if e["type"] == "directory"} - {""}


def _exists(path: str) -> bool:
    fs, root = filesystem(path)
    return bool(fs.exists(root))


def _day(name: str) -> dt.date | None:
    found = _DAY_FOLDER.fullmatch(name)
    try:
        return dt.date.fromisoformat(found[1]) if found else None
    except ValueError:  # such as the 31st of June
        return None
