"""Event-log bytes as Arrow batches of lines, with what each line needs to become a row of bronze.

A file is read in ranges. A line belongs to the range that holds its first byte, so ranges may be cut anywhere, and a
range that begins inside a line leaves it to the range before. Whatever the cut, the same lines come out with the same
`pos`, `line`, `log_id` and day.

Identity of a log (`log_id`), in this order:

1. the Spark context id of a Databricks folder;
2. the application and attempt of the last `SparkListenerApplicationStart` up to the line; lines before the first one
   belong to it if it is within the first 8 MiB of the log;
3. the application and attempt in the name of a rolling folder;
4. `unknown-` and a hash of the log's bytes up to its first timed record, so that a copy has the same identity.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from overwatch_assets.errors import SourceError
from overwatch_assets.rules.json_secrets import cut_from_events, secrets_in_events
from overwatch_assets.sources.event_logs.codecs import Codec, LogStream, StreamError, open_stream
from overwatch_assets.sources.event_logs.events import application_log_id, event_time_ms, log_id_of
from overwatch_assets.sources.event_logs.listing import LogFile
from overwatch_assets.storage.location import filesystem

LINES = pa.schema(
    [
        ("kind", pa.string()),  # `line`; and one last row of each range: `end`, `fault` or `unreadable`
        ("file", pa.string()),  # tracked path
        ("log_id", pa.string()),
        ("pos", pa.int64()),  # byte offset of the line in the decompressed log; last row: where to continue
        ("line", pa.int64()),  # number of the line in the file, from 1; last row: of the next line
        ("near_ms", pa.int64()),  # the last time stated before this line in the file, else the next one
        ("value", pa.string()),  # the line without its line end, secret properties cut out; null where `bad` holds it
        ("original", pa.string()),  # the line, where secret properties were cut out
        ("dropped", pa.int32()),  # how many those were
        ("bad", pa.binary()),  # the bytes of a line that is no UTF-8 or too long (then its first MiB)
        ("reason", pa.string()),  # why the line, or the rest of the file, goes to quarantine; else null
        ("nbytes", pa.int64()),  # length of the line without its line end
        ("torn", pa.bool_()),  # the file ends without a line end here
    ]
)
"""Columns of `read_range`. One row: one line that isn't empty, and one last row with where and how the range ended.

The last row's `kind` is `end`; or `fault`: the bytes from `pos` on are damaged (`reason`; `bad` has those decoded of
the unfinished line), and reading again helps only after the file changed; or `unreadable`: the storage refused
(`reason`), and the next run should try again from `pos`.
"""

RANGES = pa.schema(
    [
        ("path", pa.string()),
        ("tracked_path", pa.string()),
        ("codec", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("in_progress", pa.bool_()),
        ("chunk_start", pa.int64()),
        ("first_line", pa.int64()),
        ("log_id", pa.string()),
        ("near_ms", pa.int64()),
        ("spark_context_id", pa.string()),
        ("rolling_folder", pa.string()),
    ]
)
"""Columns of `ranges_table`: the fields of `Range`."""

_MIB = 1 << 20
_HEAD = 8 * _MIB  # how far an identity is looked for; part of the definition of `log_id`
_BUFFER = 4 * _MIB  # faster than 2 or 8, and less memory
_MAX_LINE = 1 << 30  # Arrow's 32-bit offsets end at 2 GiB
_KEPT_OF_LONG_LINE = _MIB
_SMALLEST_CUT = 8 * _MIB
_CHUNK = 256 * _MIB
_EXPANSION, _MOST_EXPANSION = 30, 300  # what compressed event logs grow to: about, and at most
_DAY_MS = 86_400_000
_START = b"SparkListenerApplicationStart"
_CLUSTER_ID = "spark.databricks.clusterUsageTags.clusterId"

_Int64 = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]
_Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log has been read: the next line's offset and number, and what is known up to there."""

    pos: int = 0
    line: int = 1
    log_id: str | None = None
    near_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """One unit of work: the lines of a log that begin in `[start, end)`, offsets of the decompressed log.

    `chunk_start` <= `start` is where the state is known: the offset of a line, its number `first_line`, the identity
    `log_id` and the last time `near_ms` up to there. `end` None means the end of the file.
    """

    path: str
    tracked_path: str
    codec: Codec
    start: int = 0
    end: int | None = None
    in_progress: bool = False
    chunk_start: int = 0
    first_line: int = 1
    log_id: str | None = None
    near_ms: int | None = None
    spark_context_id: str | None = None
    rolling_folder: str | None = None

    def after(self, position: Position) -> "Range":
        """Return this range with the state of an earlier range's last row, so that less is read again."""
        return replace(
            self,
            chunk_start=position.pos,
            start=max(self.start, position.pos),
            end=None if self.end is None else max(self.end, position.pos),
            first_line=position.line,
            log_id=position.log_id,
            near_ms=position.near_ms,
        )


@dataclass(frozen=True, slots=True)
class Peek:
    """What the head of a log tells.

    `head_hash` is of the first `head_bytes` decompressed bytes: a log whose hash over as many bytes differs was
    replaced. Null where the head doesn't tell; `log_id` is the application's, without looking at the path.
    """

    head_hash: str
    head_bytes: int
    first_ms: int | None
    app_id: str | None
    log_id: str | None
    cluster_id: str | None


def plan_ranges(
    logs: Iterable[tuple[LogFile, Position]], cores: int, max_bytes: int = _CHUNK
) -> list[tuple[Range, ...]]:
    """Divide logs, each from its position on, into chunks to be committed one after the other.

    A chunk reads about `max_bytes` of decompressed log (compressed files count thirtyfold; those that fill more than a
    chunk so are cut as if they grew three hundredfold) in ranges that can be read side by side; within a chunk only
    plain files are cut, into at most `cores` ranges of at least 8 MiB. The ranges of a file come in order. A later
    chunk's ranges of a file start their counting at the file's position here; `Range.after` with the last row of the
    chunk before spares them that.
    """
    chunks: list[list[Range]] = []
    room = 0
    for log, position in logs:
        plain = log.codec is Codec.PLAIN
        left = max(log.size - position.pos, 0) if plain else max(log.size * _EXPANSION - position.pos, log.size)
        if not plain and left > max_bytes:  # the more it is cut the better: ranges behind its end cost nothing
            left = log.size * _MOST_EXPANSION
        parts = max(-(-left // max_bytes), 1)
        bounds = [position.pos + left * i // parts for i in range(parts + 1)]
        whole = Range(
            path=log.path,
            tracked_path=log.tracked_path,
            codec=log.codec,
            start=position.pos,
            in_progress=log.in_progress,
            chunk_start=position.pos,
            first_line=position.line,
            log_id=position.log_id,
            near_ms=position.near_ms,
            spark_context_id=log.spark_context_id,
            rolling_folder=log.rolling_folder,
        )
        for lower, upper in pairwise(bounds):
            if not chunks or room < upper - lower:
                chunks.append([])
                room = max_bytes
            room -= upper - lower
            cuts = max(min(cores, (upper - lower) // _SMALLEST_CUT), 1) if plain else 1
            edges = [lower + (upper - lower) * i // cuts for i in range(cuts + 1)]
            chunks[-1] += [replace(whole, start=a, end=b) for a, b in pairwise(edges)]
        chunks[-1][-1] = replace(chunks[-1][-1], end=None)
    return [tuple(chunk) for chunk in chunks]


def ranges_table(ranges: Iterable[Range]) -> pa.Table:
    """Return ranges as Arrow rows, schema `RANGES`, to be sent to where `read_batches` runs."""
    return pa.Table.from_pylist([asdict(each) for each in ranges], schema=RANGES)


def read_batches(
    batches: Iterable[pa.RecordBatch], storage_options: Mapping[str, Any] | None = None
) -> Iterator[pa.RecordBatch]:
    """Read every range of `RANGES` batches, one after the other; made for `mapInArrow`. Yields `LINES` batches."""
    for batch in batches:
        for row in batch.to_pylist():
            yield from read_range(Range(**{**row, "codec": Codec(row["codec"])}), storage_options)


def read_range(
    part: Range,
    storage_options: Mapping[str, Any] | None = None,
    *,
    buffer_bytes: int = _BUFFER,
    max_line: int = _MAX_LINE,
) -> Iterator[pa.RecordBatch]:
    r"""Yield the lines of one range as batches of schema `LINES`, and a last batch with its last row.

    A line end is `\n` or `\r\n`. Empty lines are counted and not yielded. A last line without a line end is left for
    later where the file is in progress, and otherwise yielded with `torn`; either way the last row's `pos` is its
    beginning, so that it is read again should the file grow. Lines longer than `max_line` bytes are not held.
    An in-progress log of less than 8 MiB that doesn't yet state its application and a time is left for later, whole:
    what they would be is not known yet.

    Raises nothing of the file's: damage and refused access are told by the last row.
    """
    return _Reader(part, buffer_bytes, max_line).batches(storage_options)


def peek(
    log: LogFile, storage_options: Mapping[str, Any] | None = None, *, limit: int = _MIB, head_bytes: int = 1024
) -> Peek:
    """Look at the first `limit` decompressed bytes of a log; a damaged file tells what comes before the damage.

    Raises: SourceError if the file can't be read.
    """
    try:
        fs, path = filesystem(log.path, storage_options)
        with open_stream(fs, path, log.codec) as stream:
            try:
                head = stream.read(limit)
            except StreamError:
                head = b""
    except Exception as error:
        raise SourceError(f"The event log {log.path} can't be read: {_said(error)}") from error
    first_ms = app = log_id = cluster = None
    for line in _each(head):
        if first_ms is None or _START in line or _CLUSTER_ID.encode() in line:
            event = _parsed(line)
            first_ms = first_ms or event_time_ms(event)
            if log_id is None and (log_id := application_log_id(event)) is not None:
                app = event["App ID"]
            cluster = cluster or _cluster_id(event)
        if first_ms and log_id and cluster:
            break
    hashed = head[:head_bytes]
    return Peek(_hash(hashed), len(hashed), first_ms, app, log_id, cluster)


def _cluster_id(event: Mapping[str, Any]) -> str | None:
    for name in ("Spark Properties", "Properties"):
        properties = event.get(name)
        if isinstance(properties, dict) and isinstance(properties.get(_CLUSTER_ID), str):
            return str(properties[_CLUSTER_ID])
    return None


class _UnreadableError(Exception):
    """The storage refused."""


@dataclass(slots=True)
class _LongLine:
    """A line longer than the limit: how it begins, and its length without the line feed."""

    head: bytes
    length: int


@dataclass(slots=True)
class _Unfinished:
    """The line whose end has not been seen yet; of one longer than `limit`, how it begins."""

    limit: int
    parts: list[bytes] = field(default_factory=list)
    length: int = 0

    @property
    def long(self) -> bool:
        return self.length > self.limit

    @property
    def held(self) -> bytes:
        return b"".join(self.parts)

    def add(self, data: bytes) -> None:
        if not self.long:
            self.parts.append(data)
            self.length += len(data)
            if self.long:
                self.parts = [self.held[:_KEPT_OF_LONG_LINE]]
        else:
            self.length += len(data)

    def finish(self, data: memoryview) -> bytes | _LongLine:
        """Return the line with the bytes that end it, and what follows in them."""
        piece = _LongLine(self.held, self.length + len(data) - 1) if self.long else b"".join((*self.parts, data))
        self.parts, self.length = [], 0
        return piece


class _Reader:
    """The state of one range's reading; `pos`, `line`, `log_id`, `near_ms` are of the next line."""

    def __init__(self, part: Range, buffer_bytes: int, max_line: int) -> None:
        self.part = part
        self.buffer_bytes = buffer_bytes
        self.max_line = max_line
        self.pos = part.chunk_start
        self.line = part.first_line
        self.log_id = part.spark_context_id or part.log_id
        self.near_ms = part.near_ms
        self.next_ms: int | None = None  # for lines with no time before them
        self.rest = _Unfinished(max_line)
        self.scratch = np.empty(2 * buffer_bytes, dtype=np.bool_)

    def batches(self, storage_options: Mapping[str, Any] | None) -> Iterator[pa.RecordBatch]:
        part = self.part
        kind, reason = "end", None
        try:
            with self._io(lambda: self._open(storage_options)) as stream:
                self._io(lambda: stream.skip_to(part.chunk_start))
                if self._look_ahead(stream, storage_options):
                    for piece in self._pieces(stream, part.start):
                        self._pass_over(piece)
                    if not self.rest.length:
                        for piece in self._pieces(stream, part.end):
                            yield from self._lines(piece)
                        if self.rest.length and not part.in_progress:
                            yield from self._torn()
        except StreamError as error:
            if not (error.truncated and part.in_progress):
                kind, reason = "fault", error.reason
        except _UnreadableError as error:
            kind, reason = "unreadable", str(error)
        yield self._last(kind, reason)

    def _open(self, storage_options: Mapping[str, Any] | None) -> LogStream:
        fs, path = filesystem(self.part.path, storage_options)
        return open_stream(fs, path, self.part.codec)

    def _io(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except StreamError:
            raise
        except Exception as error:
            raise _UnreadableError(f"the file can't be read: {_said(error)}") from error

    def _look_ahead(self, stream: LogStream, storage_options: Mapping[str, Any] | None) -> bool:
        """Find the identity and the first time where they aren't known; False if the log has to wait for them."""
        if self.log_id is None and self.part.chunk_start > 0:
            with self._io(lambda: self._open(storage_options)) as other:
                self.log_id = self._identity(self._io(lambda: other.read(_HEAD)))
        if self.log_id is not None and self.near_ms is not None:
            return True
        head: bytes = self._io(lambda: stream.read(_HEAD))
        named = self.log_id or self.part.rolling_folder or _started(head)
        next_ms = next((ms for line in _each(head) if (ms := _time(line)) is not None), None)
        timed = self.near_ms is not None or next_ms is not None
        if self.part.in_progress and not (named and timed) and len(head) < _HEAD and self._may_grow(stream):
            return False
        self.log_id = self.log_id or self._identity(head)
        self.next_ms = next_ms
        stream.unread(head)
        return True

    def _may_grow(self, stream: LogStream) -> bool:
        """Tell whether the stream, read up to its present end, is undamaged."""
        try:
            self._io(lambda: stream.read(1))
        except StreamError as error:
            return error.truncated
        return True

    def _identity(self, head: bytes) -> str:
        if (started := _started(head)) is not None:
            return started
        if self.part.rolling_folder is not None:
            return log_id_of(self.part.rolling_folder)
        end = 0
        for line in _each(head):
            end += len(line) + 1
            if _time(line) is not None:
                break
        return f"unknown-{_hash(head[:end])}"

    def _pieces(self, stream: LogStream, boundary: int | None) -> Iterator[bytes | _LongLine]:
        """Yield runs of whole lines, with their line ends, that begin before `boundary`; `rest` is what is left."""
        rest = self.rest
        while boundary is None or stream.offset < boundary or rest.length:
            past = boundary is not None and stream.offset >= boundary
            if boundary is None:
                size = self.buffer_bytes
            else:
                size = min(self.buffer_bytes, max(rest.length, 1 << 16) if past else boundary - stream.offset)
            data: bytes = self._io(partial(stream.read, size))
            if not data:
                return
            one = past or rest.long
            cut = (data.find(b"\n") if one else data.rfind(b"\n")) + 1
            if not cut:
                rest.add(data)
                continue
            piece = rest.finish(memoryview(data)[:cut])
            if one:
                stream.unread(data[cut:])
            elif cut < len(data):
                rest.add(data[cut:])
            yield piece
            if past:
                return

    def _pass_over(self, piece: bytes | _LongLine) -> None:
        """Count lines before the range, and keep what they tell."""
        if isinstance(piece, _LongLine):
            self.pos += piece.length + 1
            self.line += 1
            return
        raw = np.frombuffer(piece, dtype=np.uint8)
        feeds, starts, lengths = _cut(raw, self.scratch)
        for _, started in self._named(piece, starts, lengths, _untimed(raw, starts, lengths)):
            self.log_id = started
        end = len(piece) - 1
        while end > 0:
            begin = piece.rfind(b"\n", 0, end) + 1
            if (ms := _time(piece[begin:end])) is not None:
                self.near_ms = ms
                break
            end = begin - 1
        self.pos += len(piece)
        self.line += len(feeds)

    def _torn(self) -> Iterator[pa.RecordBatch]:
        pos, line, log_id, near_ms = self.pos, self.line, self.log_id, self.near_ms
        yield from self._lines(
            _LongLine(self.rest.held, self.rest.length) if self.rest.long else self.rest.held + b"\n", torn=True
        )
        self.pos, self.line, self.log_id, self.near_ms = pos, line, log_id, near_ms

    def _lines(self, piece: bytes | _LongLine, *, torn: bool = False) -> Iterator[pa.RecordBatch]:
        if isinstance(piece, _LongLine):
            yield self._long(piece, torn=torn)
            return
        raw = np.frombuffer(piece, dtype=np.uint8)
        feeds, starts, lengths = _cut(raw, self.scratch)
        returns = int(lengths.sum()) + len(feeds) < len(piece)
        kept = np.flatnonzero(lengths)
        starts, lengths = starts[kept], lengths[kept]
        count = len(kept)
        if count:
            values, bad, reasons = self._values(piece, lengths, starts, returns=returns)
            points = _untimed(raw, starts, lengths)
            values, original, dropped = _without_secrets(values, points)
            yield self._batch(
                count,
                log_id=self._identities(piece, starts, lengths, points),
                pos=pa.array(starts + self.pos),
                line=pa.array(kept + self.line),
                near_ms=self._near(piece, starts, lengths, points),
                value=values,
                original=original,
                dropped=dropped,
                bad=bad,
                reason=reasons,
                nbytes=pa.array(lengths),
                torn=torn,
            )
        self.pos += len(piece)
        self.line += len(feeds)

    def _values(
        self, piece: bytes, lengths: _Int64, starts: _Int64, *, returns: bool
    ) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Return the lines that are good, the bytes of those that aren't, and why."""
        count = len(lengths)
        offsets = np.zeros(count + 1, dtype=np.int32)
        np.cumsum(lengths, out=offsets[1:])
        text = piece.replace(b"\r\n", b"\n") if returns else piece
        text = text.replace(b"\n", b"")  # one copy at memory speed, where cutting each line would be one by one
        values = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text))
        try:
            if int(lengths.max()) <= self.max_line:
                values.validate(full=True)
                return values, pa.nulls(count, pa.binary()), pa.nulls(count, pa.string())
        except pa.ArrowInvalid:
            pass  # some line is no UTF-8: which one is told below
        good: list[str | None] = []
        bad: list[bytes | None] = []
        reasons: list[str | None] = []
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
            line = piece[start : start + length]
            text_of_line, reason = None, None
            if length > self.max_line:
                reason = self._too_long()
            else:
                try:
                    text_of_line = line.decode()
                except UnicodeDecodeError as error:
                    reason = f"invalid UTF-8 at byte {error.start} of the line"
            good.append(text_of_line)
            bad.append(None if reason is None else line[: _KEPT_OF_LONG_LINE if length > self.max_line else length])
            reasons.append(reason)
        return pa.array(good, pa.string()), pa.array(bad, pa.binary()), pa.array(reasons, pa.string())

    def _named(self, piece: bytes, starts: _Int64, lengths: _Int64, points: _Int64) -> Iterator[tuple[int, str]]:
        """Yield the lines that start an application, by their index, and its identity, unless the folder tells it."""
        if self.part.spark_context_id is not None:
            return
        for point in points.tolist():
            start = int(starts[point])
            line = piece[start : start + int(lengths[point])]
            if (log_id := _application(line)) is not None:
                yield point, log_id

    def _identities(self, piece: bytes, starts: _Int64, lengths: _Int64, points: _Int64) -> pa.Array:
        edges, ids = [0], [self.log_id]
        for at, started in self._named(piece, starts, lengths, points):
            edges.append(at)
            ids.append(started)
        self.log_id = ids[-1]
        edges.append(len(starts))
        return pa.concat_arrays(
            [pa.repeat(pa.scalar(each, pa.string()), b - a) for each, a, b in zip(ids, edges, edges[1:], strict=False)]
        )

    def _near(self, piece: bytes, starts: _Int64, lengths: _Int64, points: _Int64) -> pa.Array:
        """Return the time before each line: exact at lines that may have none of their own, and whenever days change.

        Only such lines need it. Nearly all lines of a long log are task starts and ends, which state their time, so the
        few others and the lines right before them are parsed, not all.
        """
        count = len(starts)
        before = self.near_ms
        last: int | None = before
        seen = -1  # `last` takes account of the lines up to this one
        points = np.append(points, count)
        nears: list[int | None] = []
        for point in points.tolist():
            for at in range(point - 1, seen, -1):
                start = int(starts[at])
                if (ms := _time(piece[start : start + int(lengths[at])])) is not None:
                    last = ms
                    break
            seen = max(seen, point - 1)
            nears.append(last)
        self.near_ms = last
        days = {ms // _DAY_MS for ms in (before, *nears) if ms is not None}
        if len(days) > 1 and len(points) <= count:
            points = np.arange(count + 1)
            nears = [before]
            for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
                ms = _time(piece[start : start + length])
                nears.append(nears[-1] if ms is None else ms)
        # Lines between two points take what holds at the one before them.
        filled = np.repeat(
            np.array([-1 if ms is None else ms for ms in (before, *nears[:-1])], dtype=np.int64),
            np.diff(points, prepend=0),
        )
        empty = filled == -1
        if self.next_ms is not None:
            filled[empty] = self.next_ms
            return pa.array(filled)
        return pa.array(filled, mask=empty)

    def _long(self, line: _LongLine, *, torn: bool) -> pa.RecordBatch:
        batch = self._batch(
            1,
            log_id=pa.array([self.log_id], pa.string()),
            pos=pa.array([self.pos]),
            line=pa.array([self.line]),
            near_ms=pa.array([self.near_ms if self.near_ms is not None else self.next_ms], pa.int64()),
            bad=pa.array([line.head], pa.binary()),
            reason=pa.array([self._too_long()]),
            nbytes=pa.array([line.length]),
            torn=torn,
        )
        self.pos += line.length + 1
        self.line += 1
        return batch

    def _too_long(self) -> str:
        return f"line longer than {self.max_line} bytes"

    def _last(self, kind: str, reason: str | None) -> pa.RecordBatch:
        damaged = kind == "fault" and self.rest.length
        return self._batch(
            1,
            kind=kind,
            log_id=pa.array([self.log_id], pa.string()),
            pos=pa.array([self.pos]),
            line=pa.array([self.line]),
            near_ms=pa.array([self.near_ms], pa.int64()),
            bad=pa.array([self.rest.held[:_KEPT_OF_LONG_LINE] if damaged else None], pa.binary()),
            reason=pa.array([reason], pa.string()),
            nbytes=pa.array([self.rest.length if damaged else 0]),
            torn=False,
        )

    def _batch(self, count: int, *, torn: bool, kind: str = "line", **columns: pa.Array) -> pa.RecordBatch:
        columns["kind"] = pa.repeat(kind, count)
        columns["file"] = pa.repeat(self.part.tracked_path, count)
        columns["torn"] = pa.repeat(torn, count)
        for name in ("value", "original", "bad", "reason"):
            columns.setdefault(name, pa.nulls(count, LINES.field(name).type))
        columns.setdefault("dropped", pa.repeat(pa.scalar(0, pa.int32()), count))
        return pa.RecordBatch.from_arrays([columns[name] for name in LINES.names], schema=LINES)


def _cut(raw: _Bytes, scratch: _Bools) -> tuple[_Int64, _Int64, _Int64]:
    """Where lines end, begin, and how long they are without their line ends.

    ``scratch``: memory to be used again, where fresh memory for each piece would cost more than the search.
    """
    feeds = np.flatnonzero(np.equal(raw, 10, out=scratch[: len(raw)] if len(raw) <= len(scratch) else None))
    starts = np.empty_like(feeds)
    starts[0] = 0
    np.add(feeds[:-1], 1, out=starts[1:])
    returns = (feeds > starts) & (raw[feeds - 1] == 13)
    return feeds, starts, feeds - starts - returns


def _without_secrets(lines: pa.Array, points: _Int64) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Lines without secret properties; those that had some as they were; and how many they had.

    ``points`` are the lines that may have properties.
    """
    dropped = np.zeros(len(lines), dtype=np.int32)
    dropped[points] = secrets_in_events(lines.take(pa.array(points)))
    if not dropped.any():
        return lines, pa.nulls(len(lines), pa.string()), pa.array(dropped)
    some = pa.array(dropped > 0)
    cut = pc.replace_with_mask(lines, some, cut_from_events(lines.filter(some)))
    return cut, pc.if_else(some, lines, None), pa.array(dropped)


def _untimed(raw: _Bytes, starts: _Int64, lengths: _Int64) -> _Int64:
    """Indices of the lines that don't begin `{"Event":"SparkListenerTaskStart"` or `…TaskEnd"`.

    The others state their time and start no application. Told by the bytes that single them out.
    """
    at = np.where(lengths > 40, starts, 0)
    if len(raw) <= 40:
        return np.arange(len(starts))
    task = (lengths > 40) & (raw[at + 2] == ord("E")) & (raw[at + 10] == ord("S")) & (raw[at + 23] == ord("T"))
    is_end = (raw[at + 27] == ord("E")) & (raw[at + 30] == ord('"'))
    is_start = (raw[at + 27] == ord("S")) & (raw[at + 32] == ord('"'))
    return np.flatnonzero(~(task & (is_end | is_start)))


def _each(data: bytes) -> Iterator[bytes]:
    """Yield the lines of some bytes without their line feeds, one at a time, where the first few are enough."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        yield data[at:end]
        at = end + 1


def _started(head: bytes) -> str | None:
    return next((log_id for line in _each(head) if (log_id := _application(line)) is not None), None)


def _application(line: bytes) -> str | None:
    """Return the identity of the application that a line starts."""
    return application_log_id(_parsed(line)) if _START in line else None


def _parsed(line: bytes) -> Mapping[str, Any]:
    """Return a line's JSON object; one that is no JSON object is as good as empty here, and its own row tells."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}


def _time(line: bytes) -> int | None:
    return event_time_ms(_parsed(line)) if line else None


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
