"""Module 1006's insert: event-log files are read once, continued when they grow, and acknowledged after their rows.

The order of a group of chunks: the rows and unreadable lines of each, change records, unparsed lines, tracker. A row
is *unacknowledged* while its file's tracker says less than its position. A load that was killed leaves its side channel
behind; the next one then records the days of all unacknowledged rows, reads the same bytes again and inserts what is
missing. So change records need not come before the rows here.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Window as Over, functions as F

from overwatch_assets.bronze.spark_events_processedfiles import spark_events_processedfiles as TRACKER
from overwatch_assets.engine.session import is_embedded
from overwatch_assets.errors import SourceError
from overwatch_assets.rules.days import day_of
from overwatch_assets.rules.json_secrets import cut_from_json
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reject, file_reject, forget, insert_side, quarantine
from overwatch_assets.runner.pending import (
    Known,
    Pending,
    any_opens,
    contexts,
    known_logs,
    listed,
    pending_of,
    refused_before,
)
from overwatch_assets.runner.records import change_records
from overwatch_assets.sources.event_logs.reader import (
    LINES,
    RANGES,
    Position,
    Range,
    plan_ranges,
    ranges_table,
)
from overwatch_assets.sources.event_logs.sink import NO_EVENT, ends_of, read_into_sink
from overwatch_assets.storage.tables import TOMBSTONE, is_any

_LABELS = pa.schema(
    [
        ("cluster_id", pa.string()),
        ("modified_ms", pa.int64()),
        ("size", pa.int64()),
        ("byCluster", pa.string()),
        ("byDriverHost", pa.string()),
        ("bySparkContext", pa.string()),
    ]
)
"""What each line is told of its file."""
SINK = "_reading"
_END = 1 << 62
_CHUNK = 128 << 20  # bytes of log that one commit holds: its memory grows with them
_ACKNOWLEDGED = 5  # chunks that are acknowledged together: for each alone that was a tenth of a load
_OTHER_DAY = "a record of another day"
_PLACE = ("date", "filename", "filePosition")  # tells apart what has one content key


@dataclass(frozen=True)
class End:
    """How far a file was read.

    Attributes:
        failure: why not further.
        again: the storage refused, so the next load tries again though the file has not changed.
        whole: nothing of the file is left for a later chunk.
    """

    position: Position
    failure: str | None = None
    again: bool = False
    whole: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more is to be read of it in this load."""
        return self.whole or self.again


def load_event_logs(load: Load, prefixes: Iterable[str], *, cluster_id: str | None, cores: int) -> str:
    """Read what is new under some prefixes, and return why there was nothing, or an empty text.

    Args:
        load: the load of `spark_events_bronze`.
        prefixes: folders and files.
        cluster_id: cluster of logs whose path and properties name none.
        cores: how many ranges of a plain file are read side by side.

    Raises:
        SourceError: all prefixes are missing, or no log can be read. Of several those are in quarantine.
    """
    _recover(load)
    logs, failures, owed = listed(prefixes, refused_before(load))
    load.counts["files listed"] += len(logs)
    known = known_logs(load)
    pending, unreadable = pending_of(load, logs, known, cluster_id, owed.keys())
    failures += unreadable
    quarantine(load, [file_reject(f.path, f.reason) for f in failures])
    load.counts["files failed"] += len(failures)
    load.counts["files read"] += len(pending)
    refused = {f.path for f in failures}
    if refused and not pending and not any_opens([log for log in logs if log.tracked_path not in refused]):
        raise SourceError(
            f"No event log can be read: {len(failures)} files and folders were refused, the first of them "
            f"{failures[0].path}: {failures[0].reason}. Check the rights on them."
        )
    if pending:
        _read(load, pending, known, cores)
    opened = set().union(*owed.values()) - refused - {log.tracked_path for log in logs}
    if opened:  # not before its logs are read: it is what remembers them
        _forget_rejects(load, dict.fromkeys(opened, 0))
    if pending:
        return ""
    empty = "no event-log files" if not logs else "no new event-log data"
    return f"{empty}; {len(refused)} files and folders can't be read" if refused else empty


def _read(load: Load, pending: Sequence[Pending], known: Mapping[str, Known], cores: int) -> None:
    """Insert what is pending, chunk by chunk."""
    by_path = {p.log.tracked_path: p for p in pending}
    heads: dict[str, set[str]] = defaultdict(set)
    for path, before in known.items():
        heads[before.head_hash].add(path)
    stored = {r["SparkContextID"] for r in load.store.arrow(contexts(load)).to_pylist()}
    done, total = 0, sum(p.log.size for p in pending)
    state: dict[str, End] = {}
    chunks = plan_ranges(((p.log, p.at) for p in pending), cores, _CHUNK)
    for start in range(0, len(chunks), _ACKNOWLEDGED):
        group, rest = chunks[start : start + _ACKNOWLEDGED], chunks[start + _ACKNOWLEDGED :]
        later = {r.tracked_path for c in rest for r in c}
        for read in _load_group(load, group, by_path, state, later, stored, heads, cores):
            done += sum(by_path[p].log.size for p in read)
            load.progress(load.table.name, done, total)
        for path in {r.tracked_path for c in group for r in c}:
            heads[by_path[path].peek.head_hash].add(path)


def _load_group(
    load: Load,
    group: Sequence[Sequence[Range]],
    pending: Mapping[str, Pending],
    state: dict[str, End],
    later: set[str],
    stored: set[str],
    heads: Mapping[str, set[str]],
    cores: int,
) -> Iterator[set[str]]:
    """Insert some chunks of ranges, each in a commit, and acknowledge them; yield the files that each was the last of.

    ``later`` are the files of which chunks behind these have ranges. ``state``, how far each file was read, and
    ``stored``, the identities of which bronze has rows, gain what is read here.
    """
    store = load.store
    every = _unread((r for chunk in group for r in chunk), state)
    begins = {p: min(r.start for r in every if r.tracked_path == p) for p in {r.tracked_path for r in every}}
    if begins:
        copied = _copied(pending, sorted(begins), stored, heads) | _begun(load, begins)
        _forget_rejects(load, {name: at for p, at in begins.items() for name in (p, pending[p].log.path)})
    sinks = []
    for number, chunk in enumerate(group):
        behind = later | {r.tracked_path for c in group[number + 1 :] for r in c}
        if ranges := _unread(chunk, state):
            sinks.append(store.location.path(SINK, uuid.uuid4().hex))
            _insert(load, ranges, pending, copied, sinks[-1], cores)
            ends, rejects = _read_to(ends_of(store.location, sinks[-1]), ranges)
            quarantine(load, rejects)
            load.counts["files failed"] += sum(end.again for end in ends.values())
            for path, end in ends.items():
                # A compressed file's length is known when it has been read: the ranges planned behind it are empty.
                last = max(_END if r.end is None else r.end for r in ranges if r.tracked_path == path)
                state[path] = replace(end, whole=path not in behind or end.position.pos < last)
        yield {r.tracked_path for r in chunk} - behind
    if not begins:
        return
    # Of this run, because a file that was written anew has older rows at the same positions.
    stored |= _settle(load, _unacknowledged(begins) & (F.col("Overwatch_RunID") == load.run_id), stored)
    load.lease.check()
    insert_side(load, TRACKER.name, [_tracker_row(pending[p], state[p]) for p in sorted(begins)])
    for sink in sinks:
        store.location.fs.rm(store.location.key(*sink.rsplit("/", 2)[1:]), recursive=True)


def _unread(ranges: Iterable[Range], state: Mapping[str, End]) -> list[Range]:
    """Ranges with something to read, from where their files were read to."""
    ends = [(r, state.get(r.tracked_path)) for r in ranges]
    return [r if end is None else r.after(end.position) for r, end in ends if end is None or not end.over]


def _insert(
    load: Load, ranges: Sequence[Range], pending: Mapping[str, Pending], copied: set[str], sink: str, cores: int
) -> None:
    """Append the lines of some ranges; those of ``copied`` logs only where their keys are not stored."""
    table, store = load.table, load.store
    work = _labelled(ranges, pending)

    def lines() -> DataFrame:
        # As many tasks as cores: each holds a reader's and a writer's memory, however small its files are.
        frame = store.spark.createDataFrame(work).repartition(min(len(ranges), cores))
        read = read_into_sink(sink, lenient=not is_embedded(store.spark))
        return frame.mapInArrow(read, _ddl(pa.schema([*LINES, *_LABELS])))

    def rows(day: dt.date | None) -> DataFrame:
        fresh = load.finish(table(lines()))
        if day is not None:
            fresh = _all_on(day, fresh)
        if not copied:
            return fresh
        there = (
            store.read(table)
            .where(F.col("SparkContextID").isin(sorted(copied)))
            .select(*(F.col(k).alias(f"_{k}") for k in table.keys))
        )
        return fresh.join(there, [F.col(k) == F.col(f"_{k}") for k in table.keys], "leftanti")

    day = _likely_day(ranges, pending) if is_embedded(store.spark) else None
    load.lease.check()
    try:
        store.append(table, partial(rows, day), conforms=True)
    except PySparkException as error:
        if day is None or _OTHER_DAY not in str(error):
            raise
        load.lease.check()
        store.append(table, partial(rows, None), conforms=True)


def _likely_day(ranges: Sequence[Range], pending: Mapping[str, Pending]) -> dt.date | None:
    """The day of all records of some ranges, unless a log goes on after midnight; None: of those there are several."""
    firsts = {pending[r.tracked_path].peek.first_ms for r in ranges}
    days = {None if ms is None else day_of(ms) for ms in firsts | {r.near_ms for r in ranges if r.near_ms is not None}}
    return next(iter(days)) if len(days) == 1 else None


def _all_on(day: dt.date, rows: DataFrame) -> DataFrame:
    """Rows with their day as a literal, which fail where they have another: Sail sorts by a partition that it computes.

    That is a tenth of the time of bronze, and a quarter of the memory of a load.
    """
    same = F.assert_true(F.col("date") == F.lit(day), F.lit(_OTHER_DAY))
    # Not by a `CASE`, for which Sail copies whole batches.
    checked = F.get(F.array("lineBytes", same.cast("bigint")), F.lit(0))
    return rows.withColumn("lineBytes", checked).withColumn("date", F.lit(day))


def _begun(load: Load, begins: Mapping[str, int]) -> set[str]:
    """Identities of logs of which lines that are about to be read are stored: a load was killed, or a line was torn."""
    store = load.store
    if not store.exists(load.table) or store.version(load.table) == 0:
        return set()
    there = store.read(load.table).where(_unacknowledged(begins)).select("SparkContextID").distinct()
    return set(store.arrow(there).column(0).to_pylist())


def _copied(
    pending: Mapping[str, Pending], paths: Sequence[str], stored: set[str], heads: Mapping[str, set[str]]
) -> set[str]:
    """Identities of stored logs of which a file here is likely a copy, because it begins as another file did.

    Their rows are compared before the write, which is dear; other files may bring single lines again, which are found
    after it.
    """
    likely = [
        p
        for p in (pending[path] for path in paths)
        if p.at.pos == 0 and heads.get(p.peek.head_hash, set()) - {p.log.tracked_path}
    ]
    named = {p.log.spark_context_id or p.peek.log_id for p in likely}
    # An identity that only the reading will tell may be any of those that are stored.
    return stored if None in named else stored & named


def _labelled(ranges: Sequence[Range], pending: Mapping[str, Pending]) -> pa.Table:
    labels = [
        {
            "cluster_id": p.cluster_id,
            "modified_ms": p.log.modified_ms,
            "size": p.log.size,
            **(_folders(p.log.tracked_path) if p.log.cluster_id is not None else {}),
        }
        for p in (pending[r.tracked_path] for r in ranges)
    ]
    work, told = ranges_table(ranges), pa.Table.from_pylist(labels, schema=_LABELS)
    return pa.table([*work.columns, *told.columns], schema=pa.schema([*RANGES, *_LABELS]))


def _folders(path: str) -> dict[str, str]:
    """The folders of a file in a cluster's: `<cluster>/eventlog/<host>/<context>/<file>`."""
    context, _ = path.rsplit("/", 1)
    host, _ = context.rsplit("/", 1)
    cluster, _, _ = host.rsplit("/", 2)
    return {"byCluster": cluster, "byDriverHost": host, "bySparkContext": context}


def _recover(load: Load) -> None:
    """Finish what a load that was killed had committed and not acknowledged, and remove what it left behind.

    Without change records the days of those rows are unknown to the tables below.
    """
    store = load.store
    sinks = store.location.key(SINK)
    store.location.fs.invalidate_cache(sinks)
    if not store.location.fs.exists(sinks):
        return
    if store.location.fs.ls(sinks, detail=False):
        known = {path: row.position.pos for path, row in known_logs(load).items()}
        read_to = store.arrow(store.read(load.table).groupBy("filename").agg(F.max("filePosition").alias("pos")))
        begins = {
            r["filename"]: known.get(r["filename"], 0)
            for r in read_to.to_pylist()
            if r["pos"] >= known.get(r["filename"], 0)
        }
        if begins:
            stored = set(store.arrow(contexts(load).select("SparkContextID").distinct()).column(0).to_pylist())
            _settle(load, _unacknowledged(begins), stored)
    store.location.fs.rm(sinks, recursive=True)


def _settle(load: Load, fresh: Column, stored: set[str]) -> set[str]:
    """After the append: record the days that gained rows, move unparsed lines out, remove doubled ones.

    Returns the identities of the logs that gained rows.
    """
    table, store = load.table, load.store
    load.lease.check()
    found = store.arrow(
        store.read(table)
        .where(fresh)
        .groupBy("date", "clusterId", "SparkContextID", F.col("Event").isNull().alias("unparsed"))
        .agg(F.count(F.lit(1)).alias("rows"), F.sum("droppedProperties").alias("dropped"))
    )
    parsed = found.filter(pc.invert(found.column("unparsed")))
    load.changes.append(table, change_records(parsed, ("clusterId", "SparkContextID"), "date"))
    grouped = found.to_pylist()
    load.counts["inserted"] += sum(r["rows"] for r in grouped if not r["unparsed"])
    load.counts["dropped properties"] += sum(r["dropped"] or 0 for r in grouped)
    days = sorted({r["date"] for r in grouped})
    if any(r["unparsed"] for r in grouped):
        _move_unparsed(load, fresh, days)
    logs = {r["SparkContextID"] for r in grouped}
    _remove_doubles(load, fresh, days, logs & stored)
    return logs


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
    quarantine(
        load,
        (
            Reject(
                r["filename"],
                r["fileLine"],
                r["filePosition"],
                NO_EVENT,
                cut_from_json(r["value"])[0],
                None,
                r["lineHash"],
            )
            for r in bad
        ),
    )
    load.lease.check()
    store.merge(
        table,
        lambda: unparsed.withColumn(TOMBSTONE, F.lit(True)),
        dates=days,
        keys=[*table.keys, *_PLACE],
    )


def _remove_doubles(load: Load, fresh: Column, days: Sequence[dt.date], known: set[str]) -> None:
    """Remove lines that this chunk brought again: those stored before stay, else the first by day, file and position.

    ``known``: logs of which there were rows before.
    """
    table, store = load.table, load.store
    keys = list(table.keys)
    narrow = store.read(table).where(is_any(F.col("date"), days) & fresh).select(*keys, *_PLACE)
    rank = F.row_number().over(Over.partitionBy(*keys).orderBy(*_PLACE))
    extra = narrow.withColumn("_rank", rank).where(F.col("_rank") > 1).drop("_rank")
    doubled = (
        store.arrow(narrow.groupBy(*keys).count().where(F.col("count") > 1).agg(F.count(F.lit(1)))).column(0)[0].as_py()
    )
    if known:
        before = store.read(table).where(F.col("SparkContextID").isin(sorted(known)) & ~fresh).select(*keys)
        again = narrow.join(before, keys, "leftsemi")
        found = store.arrow(again.agg(F.count(F.lit(1)))).column(0)[0].as_py()
        if found:
            extra = extra.unionByName(again).distinct() if doubled else again
        doubled += found
    if not doubled:
        return
    count = extra.count()
    load.counts["duplicates"] += count
    load.counts["inserted"] -= count

    def tombstones() -> DataFrame:
        rows = store.read(table).where(is_any(F.col("date"), days) & fresh)
        wanted = extra.select(*(F.col(c).alias(f"_{c}") for c in (*keys, *_PLACE)))
        match = [F.col(c) == F.col(f"_{c}") for c in (*keys, *_PLACE)]
        return rows.join(wanted, match, "leftsemi").withColumn(TOMBSTONE, F.lit(True))

    load.lease.check()
    store.merge(table, tombstones, dates=days, keys=[*keys, *_PLACE])


def _read_to(told: pa.Table, ranges: Sequence[Range]) -> tuple[dict[str, End], list[Reject]]:
    """Say where each file's reading ended and why it failed, and which lines were no text."""
    ends: dict[str, End] = {}
    rejects: list[Reject] = []
    for row in sorted(told.to_pylist(), key=lambda r: (r["file"], r["pos"], r["kind"])):
        if row["kind"] in ("line", "fault"):
            rejects.append(
                Reject(row["file"], row["line"], row["pos"], row["reason"], row["value"], row["bad"], row["hash"])
            )
        before = ends.get(row["file"])
        # Where the storage refused one of several ranges, the file is read to there, whatever came after it.
        if row["kind"] != "line" and not (before is not None and before.again):
            position = Position(row["pos"], row["line"], row["log_id"], row["near_ms"])
            failure = None if row["kind"] == "end" else row["reason"]
            ends[row["file"]] = End(position, failure, again=row["kind"] == "unreadable")
    for part in ranges:
        begin = Position(part.start, part.first_line, part.log_id, part.near_ms)
        ends.setdefault(part.tracked_path, End(begin))
    return ends, rejects


def _tracker_row(pending: Pending, end: End) -> tuple[object, ...]:
    log = pending.log
    position, failure = end.position, end.failure
    modified = log.modified_ms or 0
    return (
        log.tracked_path,
        modified if end.whole and not end.again else 0,  # what is still to be read is not acknowledged
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


def _forget_rejects(load: Load, begins: Mapping[str, int]) -> None:
    """Take out of quarantine what is about to be read again: a line that was cut off may be whole by now."""
    at = reduce(lambda a, b: a | b, [(F.col("location") == p) & (F.col("position") >= n) for p, n in begins.items()])
    files = F.col("location").isin(list(begins)) & F.col("position").isNull()
    forget(load, lambda rejects: rejects.where(at | files))


def _ddl(schema: pa.Schema) -> str:
    kinds = {
        pa.string(): "string",
        pa.int64(): "bigint",
        pa.binary(): "binary",
        pa.int32(): "int",
        pa.bool_(): "boolean",
    }
    return ", ".join(f"{f.name} {kinds[f.type]}" for f in schema)
