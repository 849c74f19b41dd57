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
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
from pyspark.sql import DataFrame

from overwatch_assets.errors import SourceError
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading, Reject, file_reject
from overwatch_assets.sources.audit_logs.files import read_capture, read_parquet
from overwatch_assets.sources.audit_logs.records import RECORDS, Read, lines_of, looked_through
from overwatch_assets.sources.event_logs.codecs import Codec
from overwatch_assets.sources.event_logs.listing import ListingFailure, LogFile, find_logs
from overwatch_assets.sources.event_logs.reader import Position, Range, plan_ranges, ranges_table, read_batches
from overwatch_assets.storage.location import filesystem

_DAY_FOLDER = re.compile(r"date=(\d{4}-\d\d-\d\d)")
_FRAME_BYTES = 16 << 20  # of lines: their rows fit into a message, so they are computed once
_EXPANSION = 8  # of Parquet and of compressed Avro, about
_BEGIN = Position(log_id="", near_ms=0)  # of a file whose lines belong to no application
_READERS = {"parquet": read_parquet, "capture": read_capture}
_SUFFIXES = {"parquet": ".parquet", "capture": ".avro"}


@dataclass
class _Listed:
    """What the folders of a window's days have.

    Attributes:
        read: reads the files.
        chunks: ranges of the files, a frame each; the ranges of a file come in order.
        files: how many files there are.
        others: files of another format.
        refused: what the storage does not let be listed or read now.
    """

    read: Read
    chunks: Sequence[Sequence[Range]]
    files: int
    others: Sequence[ListingFailure]
    refused: list[ListingFailure]


def read_folders(load: Load, prefix: str) -> Reading:
    """Read the folders of the window's days.

    Raises:
        SourceError: the prefix does not exist, cannot be read, or holds something else than folders of days.
    """
    kind = load.workspace.audit_log_format
    folders = _day_folders(load, prefix, kind)
    days = load.window.days
    notes = {f"no folder date={day}": 1 for day in days if not folders.get(day)}
    listed = _json(folders) if kind == "json" else _files(folders, kind)
    rejects = [file_reject(f.path, f.reason) for f in listed.others]
    frames, unread, whole = _read(load, listed)
    empty = ""
    if listed.files:
        notes["files read"] = listed.files
    else:
        why = f"no folder for {load.window}" if len(notes) == len(days) else f"no file for {load.window}"
        empty = f"{why} under {prefix}"
    refused = [f"{f.path}: {f.reason}" for f in listed.refused]
    found = [*rejects, *unread]
    return Reading(frames=frames, rejects=found, empty=empty, notes=notes, whole=whole, refused=refused)


def _read(load: Load, listed: _Listed) -> tuple[list[DataFrame], list[Reject], set[str]]:
    """The records of each chunk, what is none, and the files that have an end; refused ones join those of the listing.

    Each chunk is looked through first: that tells where the next one goes on, and where a compressed file ends.
    """
    frames: list[DataFrame] = []
    rejects: list[Reject] = []
    at: dict[str, Position] = {}
    damaged: set[tuple[str, int]] = set()
    over: set[str] = set()
    broken: set[str] = set()

    def work(ranges: Sequence[Range]) -> DataFrame:
        return load.store.spark.createDataFrame(ranges_table(ranges)).repartition(len(ranges))

    for chunk in listed.chunks:
        ranges = [r.after(at.get(r.tracked_path, _BEGIN)) for r in chunk if r.tracked_path not in over]
        if not ranges:
            continue
        found, ends = looked_through(load, work(ranges), listed.read)
        rejects += found
        for end in sorted(ends, key=lambda end: end.pos or 0):  # of a file's ranges the last one counts
            at[end.file] = replace(_BEGIN, pos=end.pos or 0, line=end.line)
        over |= {r.tracked_path for r in ranges if r.end is not None and at[r.tracked_path].pos < r.end}
        broken |= {end.file for end in ends if end.kind != "end"}
        over |= broken
        damaged |= {(end.file, end.line) for end in ends if end.kind == "fault"}
        refused = {end.file: end.reason or "" for end in ends if end.kind == "unreadable"}
        listed.refused += [ListingFailure(path, reason) for path, reason in refused.items()]
        if readable := [r for r in ranges if r.tracked_path not in refused]:
            frames.append(lines_of(work(readable), listed.read, damaged))
    return frames, rejects, {r.tracked_path for chunk in listed.chunks for r in chunk} - broken


def _json(folders: Mapping[dt.date, Sequence[str]]) -> _Listed:
    day_of: dict[str, dt.date] = {}
    logs: list[LogFile] = []
    failures: list[ListingFailure] = []
    for day, paths in folders.items():
        for path in paths:
            listing = find_logs(path)
            failures += listing.failures
            logs += listing.logs
            day_of |= {log.tracked_path: day for log in listing.logs}
    chunks = plan_ranges(((log, Position()) for log in logs), os.cpu_count() or 1, _FRAME_BYTES)
    return _Listed(partial(_read_lines, day_of=day_of), chunks, len(logs), (), failures)


def _read_lines(batches: Iterable[pa.RecordBatch], day_of: Mapping[str, dt.date]) -> Iterator[pa.RecordBatch]:
    for lines in read_batches(batches):
        columns = {name: lines.column(name) for name in RECORDS.names if name != "day"}
        columns["day"] = pa.array([day_of[file] for file in lines.column("file").to_pylist()], pa.date32())
        yield pa.RecordBatch.from_arrays([columns[name] for name in RECORDS.names], schema=RECORDS)


def _files(folders: Mapping[dt.date, Sequence[str]], kind: str) -> _Listed:
    """The files of a format that is read whole, a file at a time."""
    room = 0
    chunks: list[list[Range]] = []
    others: list[ListingFailure] = []
    refused: list[ListingFailure] = []
    day_of: dict[str, dt.date] = {}
    for day, paths in folders.items():
        for path, size in sorted(found for folder in paths for found in _found(folder, kind, others, refused)):
            if not chunks or room < size:
                chunks.append([])
                room = _FRAME_BYTES // _EXPANSION
            room -= size
            chunks[-1].append(Range(path, path, Codec.PLAIN))
            day_of[path] = day
    return _Listed(partial(_READERS[kind], day_of=day_of), chunks, len(day_of), others, refused)


def _found(
    folder: str, kind: str, others: list[ListingFailure], refused: list[ListingFailure]
) -> Iterator[tuple[str, int]]:
    """Path and size of the files of a format in a folder; what else is there is one of ``others``."""
    try:
        fs, root = filesystem(folder)
        # Stores that list all in one go raise by themselves; others leave out what they can't list.
        entries = fs.find(root, detail=True, **({} if fs.async_impl else {"on_error": "raise"}))
    except Exception as error:  # noqa: BLE001 - file systems let the errors of their client libraries through
        refused.append(ListingFailure(folder, _reason(error)))
        return
    for name, entry in sorted(entries.items()):
        path = folder + name[len(root.rstrip("/")) :]
        if name.rpartition("/")[2].startswith(("_", ".")):
            continue
        if name.endswith(_SUFFIXES[kind]):
            yield path, int(entry.get("size") or 0)
        else:
            others.append(ListingFailure(path, f"no {_SUFFIXES[kind]} file, as audit_log_format says"))


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
    try:
        fs, root = filesystem(path)
        fs.info(root)  # `exists` takes a refusal for a no
    except FileNotFoundError:
        return False
    except Exception as error:  # as above
        raise SourceError(f"The audit logs at {path} can't be listed: {_reason(error)}.") from error
    return True


def _day(name: str) -> dt.date | None:
    found = _DAY_FOLDER.fullmatch(name)
    try:
        return dt.date.fromisoformat(found[1]) if found else None
    except ValueError:  # such as the 31st of June
        return None
