"""Module 1006's insert: event-log files are read once, continued when they grow, and acknowledged after their rows.

The order of one chunk: rows, change records, quarantine, tracker. A row is *unacknowledged* while its file's tracker
says less than its position; whatever moment a load is killed at, the next one reads the same bytes again, inserts only
what is missing, and records the days of all unacknowledged rows. So change records need not come before the rows here.
"""

import datetime as dt
import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F
from pyspark.sql import types as T

from overwatch_assets.bronze.spark_events_processedfiles import spark_events_processedfiles as TRACKER
from overwatch_assets.errors import SourceError
from overwatch_assets.runner.changes import day_window
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reject, insert_side, quarantine
from overwatch_assets.runner.window import day_of
from overwatch_assets.sources.event_logs.listing import ListingFailure, LogFile, find_logs
from overwatch_assets.sources.event_logs.reader import (
    LINES,
    RANGES,
    Peek,
    Position,
    Range,
    peek,
    plan_ranges,
    ranges_table,
)
from overwatch_assets.sources.event_logs.sink import ends_of, read_into_sink
from overwatch_assets.storage.tables import TOMBSTONE, is_any

_LOG = T.StructType(
    [
        T.StructField("tracked_path", T.StringType()),
        T.StructField("cluster_id", T.StringType()),
        T.StructField("modified_ms", T.LongType()),
        T.StructField("size", T.LongType()),
        T.StructField("in_cluster_folder", T.BooleanType()),
    ]
)


_PLACE = ("date", "filename", "filePosition")  # tells apart what has one content key


@dataclass(frozen=True)
class Known:
    """A tracker row."""

    size: int
    modified_ms: int
    position: Position
    head_hash: str
    head_bytes: int
    first_ms: int | None
    cluster_id: str | None
    failed: bool


@dataclass(frozen=True)
class Pending:
    """A log with something to read, and where to begin."""

    log: LogFile
    at: Position
    peek: Peek
    cluster_id: str | None


def load_event_logs(load: Load, prefixes: Iterable[str], *, cluster_id: str | None, cores: int) -> str:
    """Read what is new under some prefixes, and return why there was nothing, or an empty text.

    Args:
        load: the load of `spark_events_bronze`.
        prefixes: folders and files.
        cluster_id: cluster of logs whose path and properties name none.
        cores: how many ranges of a plain file are read side by side.

    Raises:
        SourceError: a prefix is missing or none can be read.
    """
    logs, failures = _listed(prefixes)
    load.counts["files listed"] += len(logs)
    known = _tracked(load)
    pending, unreadable = _pending(load, logs, known, cluster_id)
    failures += unreadable
    quarantine(load, [_file_reject(f.path, f.reason) for f in failures])
    load.counts["files failed"] += len(failures)
    load.counts["files read"] += len(pending)
    if not pending:
        return "no event-log files" if not logs else "no new event-log data"
    by_path = {p.log.tracked_path: p for p in pending}
    done, total = 0, sum(p.log.size for p in pending)
    state: dict[str, Position] = {}
    chunks = plan_ranges(((p.log, p.at) for p in pending), cores)
    for number, chunk in enumerate(chunks):
        ranges = [r.after(state[r.tracked_path]) if r.tracked_path in state else r for r in chunk]
        later = {r.tracked_path for c in chunks[number + 1 :] for r in c}
        state |= _load_chunk(load, ranges, by_path, later)
        done += sum(by_path[p].log.size for p in {r.tracked_path for r in chunk} - later)
        load.progress(load.table.name, done, total)
    return ""


def _listed(prefixes: Iterable[str]) -> tuple[list[LogFile], list[ListingFailure]]:
    """Logs under all prefixes, each once."""
    logs: dict[str, LogFile] = {}
    failures: list[ListingFailure] = []
    for prefix in sorted(set(prefixes)):
        listing = find_logs(prefix)
        failures += listing.failures
        for log in listing.logs:
            there = logs.get(log.tracked_path)
            # Renamed while it was listed: the finished file wins.
            if there is None or (there.in_progress and not log.in_progress):
                logs[log.tracked_path] = log
    return [logs[p] for p in sorted(logs)], failures


def _tracked(load: Load) -> dict[str, Known]:
    rows = load.store.arrow(load.store.read(TRACKER)).to_pylist()
    return {
        r["filename"]: Known(
            r["fileSize"],
            r["fileCreateEpochMS"],
            Position(r["position"], r["nextLine"], r["logId"], r["lastTimeMS"]),
            r["headHash"] or "",
            r["headBytes"] or 0,
            r["firstTimeMS"],
            r["clusterId"],
            r["failed"],
        )
        for r in rows
    }


def _pending(
    load: Load, logs: Sequence[LogFile], known: Mapping[str, Known], cluster_id: str | None
) -> tuple[list[Pending], list[ListingFailure]]:
    """Logs with bytes that are not acknowledged and that may hold events of the window."""
    found: list[Pending] = []
    failures: list[ListingFailure] = []
    for log in logs:
        before = known.get(log.tracked_path)
        if before is not None and (before.size, before.modified_ms) == (log.size, log.modified_ms):
            continue
        if log.modified_ms is not None and log.modified_ms < load.window.from_ms:
            continue  # written before the window began
        if before is not None and before.first_ms is not None and before.first_ms >= load.window.until_ms:
            continue
        try:
            head = peek(log, head_bytes=1024 if before is None else max(before.head_bytes, 1))
        except SourceError as error:
            failures.append(ListingFailure(log.path, str(error)))
            continue
        if head.first_ms is not None and head.first_ms >= load.window.until_ms:
            continue
        same = before is not None and before.head_bytes > 0 and head.head_hash == before.head_hash
        at = before.position if before is not None and same else Position()
        if not same:
            head = peek(log) if before is not None else head
        given = log.cluster_id or head.cluster_id or cluster_id
        found.append(Pending(log, at, head, before.cluster_id if before is not None and same else given))
    return _one_cluster_a_log(load, found), failures


def _one_cluster_a_log(load: Load, pending: Sequence[Pending]) -> list[Pending]:
    """Give all files of one log the same cluster: rolled files name it only in the first of them."""
    by_log: dict[str, set[str]] = defaultdict(set)
    for p in pending:
        log_id = p.log.spark_context_id or p.log.rolling_folder or p.peek.log_id
        if log_id and p.cluster_id:
            by_log[log_id].add(p.cluster_id)
    stored = {r["SparkContextID"]: r["clusterId"] for r in load.store.arrow(_contexts(load)).to_pylist()}
    chosen = []
    for p in pending:
        log_id = p.log.spark_context_id or p.log.rolling_folder or p.peek.log_id
        cluster = p.cluster_id
        if p.log.cluster_id is None and log_id is not None:
            known = stored.get(p.log.spark_context_id or p.peek.log_id or "")
            cluster = known or (min(by_log[log_id]) if by_log[log_id] else cluster)
            if cluster == (p.peek.log_id or ""):
                cluster = None
        chosen.append(replace(p, cluster_id=cluster))
    return chosen


def _load_chunk(
    load: Load, ranges: Sequence[Range], pending: Mapping[str, Pending], unfinished: set[str]
) -> dict[str, Position]:
    """Insert one chunk of ranges and acknowledge it; return how far each file was read."""
    table, store = load.table, load.store
    paths = sorted({r.tracked_path for r in ranges})
    sink = store.location.path("_reading", uuid.uuid4().hex)
    seen = _logs_in(load, pending, paths)

    def lines() -> DataFrame:
        work = store.spark.createDataFrame(ranges_table(ranges).cast(RANGES))
        frame = work.repartition(len(ranges)).mapInArrow(read_into_sink(sink), _ddl(LINES))
        about = store.frame(
            [
                (
                    p,
                    pending[p].cluster_id,
                    pending[p].log.modified_ms,
                    pending[p].log.size,
                    pending[p].log.cluster_id is not None,
                )
                for p in paths
            ],
            _LOG,
        )
        return frame.join(F.broadcast(about), frame["file"] == about["tracked_path"]).drop("tracked_path")

    def rows() -> DataFrame:
        fresh = load.finish(table(lines()))
        if not seen:
            return fresh
        there = (
            store.read(table)
            .where(F.col("SparkContextID").isin(sorted(seen)))
            .select(*(F.col(k).alias(f"_{k}") for k in table.keys))
        )
        return fresh.join(there, [F.col(k) == F.col(f"_{k}") for k in table.keys], "leftanti")

    load.lease.check()
    store.append(table, rows)
    ends = ends_of(store.location, sink)
    begins = {p: min(r.start for r in ranges if r.tracked_path == p) for p in paths}
    _settle(load, begins, {r["log_id"] for r in ends.to_pylist() if r["log_id"]} | seen)
    positions, rejects = _read_to(ends, ranges)
    quarantine(load, rejects)
    load.lease.check()
    insert_side(
        load,
        TRACKER.name,
        [_tracker_row(pending[p], positions[p], whole=p not in unfinished) for p in paths],
    )
    store.location.fs.rm(store.location.key(*sink.rsplit("/", 2)[1:]), recursive=True)
    return {p: position for p, (position, _) in positions.items()}


def _logs_in(load: Load, pending: Mapping[str, Pending], paths: Sequence[str]) -> set[str]:
    """Identities of which bronze already has rows, among those that the files may hold."""
    stored = {r["SparkContextID"] for r in load.store.arrow(_contexts(load)).to_pylist()}
    named = {p.log.spark_context_id or p.at.log_id or p.peek.log_id for p in (pending[path] for path in paths)}
    # An identity that only the reading will tell may be any of those that are stored.
    return stored if None in named else stored & named


def _contexts(load: Load) -> DataFrame:
    return load.changes.keys_of(load.table, ("clusterId", "SparkContextID"))


def _settle(load: Load, begins: Mapping[str, int], logs: set[str]) -> None:
    """After the append: record the days that gained rows, move unparsed lines out, remove doubled ones."""
    table, store = load.table, load.store
    fresh = _unacknowledged(begins)
    grouped = store.arrow(
        store.read(table)
        .where(fresh)
        .groupBy("date", "clusterId", "SparkContextID", F.col("Event").isNull().alias("unparsed"))
        .agg(F.count(F.lit(1)).alias("rows"), F.sum("droppedProperties").alias("dropped"))
    ).to_pylist()
    load.changes.append(
        table,
        [
            (day_window(r["date"]), {"clusterId": (r["clusterId"],), "SparkContextID": (r["SparkContextID"],)})
            for r in grouped
            if not r["unparsed"]
        ],
    )
    load.counts["inserted"] += sum(r["rows"] for r in grouped if not r["unparsed"])
    load.counts["dropped properties"] += sum(r["dropped"] or 0 for r in grouped)
    days = sorted({r["date"] for r in grouped})
    if any(r["unparsed"] for r in grouped):
        _move_unparsed(load, fresh, days)
    _remove_doubles(load, fresh, days, logs)


def _unacknowledged(begins: Mapping[str, int]) -> Column:
    starts: dict[int, list[str]] = defaultdict(list)
    for path, start in begins.items():
        starts[start].append(path)
    each = [F.col("filename").isin(paths) & (F.col("filePosition") >= start) for start, paths in starts.items()]
    return reduce(lambda a, b: a | b, each)


def _move_unparsed(load: Load, fresh: Column, days: Sequence[dt.date]) -> None:
    table, store = load.table, load.store
    unparsed = store.read(table).where(is_any(F.col("date"), days) & fresh & F.col("Event").isNull())
    bad = store.arrow(unparsed.select("filename", "fileLine", "filePosition", "lineHash", "value")).to_pylist()
    for start in range(0, len(bad), 10_000):
        quarantine(
            load,
            [
                Reject(
                    r["filename"],
                    r["fileLine"],
                    r["filePosition"],
                    "not a JSON object with an Event",
                    r["value"],
                    None,
                    r["lineHash"],
                )
                for r in bad[start : start + 10_000]
            ],
        )
    load.lease.check()
    store.merge(
        table,
        lambda: unparsed.withColumn(TOMBSTONE, F.lit(True)),  # noqa: FBT003 - a literal
        dates=days,
        keys=[*table.keys, *_PLACE],
    )


def _remove_doubles(load: Load, fresh: Column, days: Sequence[dt.date], logs: set[str]) -> None:
    """Lines that this chunk brought twice, in one file or in two: the one that is first by day, file and position stays."""
    table, store = load.table, load.store
    keys = list(table.keys)
    narrow = (
        store.read(table).where(is_any(F.col("date"), days) & fresh).select(*keys, "date", "filename", "filePosition")
    )
    doubled = store.arrow(narrow.groupBy(*keys).count().where(F.col("count") > 1).agg(F.sum("count").alias("n")))
    if not doubled.column("n")[0].as_py():
        return
    rank = F.row_number().over(Over.partitionBy(*keys).orderBy("date", "filename", "filePosition"))
    extra = narrow.withColumn("_rank", rank).where(F.col("_rank") > 1).drop("_rank")
    load.counts["duplicates"] += extra.count()
    load.counts["inserted"] -= load.counts["duplicates"]
    def tombstones() -> DataFrame:
        rows = store.read(table).where(is_any(F.col("date"), days) & fresh)
        wanted = extra.select(*(F.col(c).alias(f"_{c}") for c in (*keys, *_PLACE)))
        match = [F.col(c) == F.col(f"_{c}") for c in (*keys, *_PLACE)]
        return rows.join(wanted, match, "leftsemi").withColumn(TOMBSTONE, F.lit(True))  # noqa: FBT003

    load.lease.check()
    store.merge(table, tombstones, dates=days, keys=[*keys, *_PLACE])


def _read_to(ends: pa.Table, ranges: Sequence[Range]) -> tuple[dict[str, tuple[Position, str | None]], list[Reject]]:
    """Where each file's last range ended and why it failed, and the lines that were no text."""
    positions: dict[str, tuple[Position, str | None]] = {}
    rejects: list[Reject] = []
    for row in sorted(ends.to_pylist(), key=lambda r: (r["file"], r["pos"], r["kind"])):
        if row["kind"] == "line":
            rejects.append(_line_reject(row, row["reason"]))
            continue
        position = Position(row["pos"], row["line"], row["log_id"], row["near_ms"])
        failure = row["reason"] if row["kind"] != "end" else None
        if row["kind"] == "fault":
            rejects.append(_line_reject(row, row["reason"]))
        before = positions.get(row["file"])
        if before is None or position.pos >= before[0].pos or failure:
            positions[row["file"]] = (position, failure)
    for part in ranges:
        positions.setdefault(
            part.tracked_path, (Position(part.start, part.first_line, part.log_id, part.near_ms), None)
        )
    return positions, rejects


def _tracker_row(pending: Pending, read_to: tuple[Position, str | None], *, whole: bool) -> tuple[object, ...]:
    log = pending.log
    position, failure = read_to
    modified = log.modified_ms or 0
    return (
        log.tracked_path,
        modified if whole else 0,  # a file with chunks to come is not acknowledged as it is
        log.size,
        True,
        failure is not None,
        failure,
        dt.datetime.fromtimestamp(modified / 1000, dt.UTC),
        day_of(modified),
        position.pos,
        position.line,
        position.log_id,
        position.near_ms,
        pending.peek.head_hash,
        pending.peek.head_bytes,
        pending.peek.first_ms,
        pending.cluster_id,
    )


def _file_reject(path: str, reason: str) -> Reject:
    return Reject(path, None, None, reason, None, None, _hash(path.encode()))


def _line_reject(row: Mapping[str, object], reason: object) -> Reject:
    content = row["bad"]
    assert content is None or isinstance(content, bytes)  # noqa: S101 - tells mypy
    line, position = row["line"], row["pos"]
    assert isinstance(line, int)  # noqa: S101
    assert isinstance(position, int)  # noqa: S101
    return Reject(str(row["file"]), line, position, str(reason), None, content, _hash(content or b""))


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)


def _ddl(schema: pa.Schema) -> str:
    kinds = {pa.string(): "string", pa.int64(): "bigint", pa.binary(): "binary", pa.bool_(): "boolean"}
    return ", ".join(f"{f.name} {kinds[f.type]}" for f in schema)
