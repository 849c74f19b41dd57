"""Messages of an Event Hub: landed first, then parsed, and forgotten only when their records are rows.

What a load that was killed, or whose parsing failed, has landed is parsed by the next one. Where to read on is the last
message landed of each partition. Without it all that the hub still has is read again, and gives rows that are there.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_

import pyarrow as pa
from pyspark.sql import DataFrame, functions as F, types as T

from overwatch_assets.bronze.audit_log_raw_events import audit_log_raw_events as RAW
from overwatch_assets.rules.json_secrets import cut_from_bytes, cut_from_json
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading, Reject
from overwatch_assets.sources.audit_logs.files import message_records
from overwatch_assets.sources.audit_logs.hub import Hub, endpoint_of
from overwatch_assets.sources.audit_logs.records import batches_of, lines_of, looked_through
from overwatch_assets.storage.tables import TOMBSTONE

_PARSED_BYTES = 32 << 20  # of messages: bounds what one insert compares
_KEEP = frozenset({"idempotency_token"})  # documented: a caller's own name for a request
_LANDED = T.StructType([*RAW.schema.fields, T.StructField(TOMBSTONE, T.BooleanType())])

_Place = tuple[str, int, int]  # hub, partition, sequence number


def read_event_hub(load: Load) -> Reading:
    """Land the messages that the workspace's hub has for it, whatever the window, and read all that are not parsed.

    Raises:
        SourceError: the hub cannot be read.
        ConfigurationError: the hub's credentials cannot be read.
    """
    load.store.ensure(RAW)
    with Hub.connected(endpoint_of(load.workspace)) as hub:
        notes = _land(load, hub)
    chunks = _chunks(_waiting(load))
    rejects: list[Reject] = []
    for chunk in chunks:
        rejects += looked_through(load, _raw(load, chunk), _read_messages)[0]
    return Reading(
        frames=[lines_of(_raw(load, chunk), _read_messages) for chunk in chunks],
        rejects=rejects,
        empty="" if chunks else f"no new message in {load.workspace.eh_name}",
        notes=notes,
        stored=lambda number: _forget(load, chunks[number]),
    )


def _land(load: Load, hub: Hub) -> dict[str, int]:
    """Store the messages that have come since the last one landed, and return what there is to say of it."""
    ends = hub.ends()
    begin, expired = {}, 0
    landed = _landed(load, hub.name)
    for partition, (first, after_last) in ends.items():
        next_one = landed.get(partition, first - 1) + 1
        if next_one > after_last:  # the hub was made anew, and counts from the beginning
            _drop(load, [(hub.name, partition, next_one - 1)])
            next_one = first
        expired += max(first - next_one, 0)
        begin[partition] = max(next_one, first)
    count = 0
    for part in hub.messages(begin, {partition: after_last for partition, (_, after_last) in ends.items()}):
        rows = [
            (
                *(load.workspace.workspace_id, hub.name, message.partition, message.number, message.enqueued),
                *(
                    bytearray(_without_secrets(message.body)),
                    load.workspace.workspace_name,
                    load.now,
                    load.run_id,
                    False,
                ),
            )
            for message in part
        ]
        _write(load, rows)
        count += len(part)
    notes = {"messages landed": count}
    return notes | ({"messages expired before they were read": expired} if expired else {})


def _without_secrets(body: bytes) -> bytes:
    """The message with its secret properties emptied: they are counted when its records are parsed."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return cut_from_bytes(body)
    return cut_from_json(text, _KEEP, emptied=True)[0].encode()


def _landed(load: Load, hub: str) -> dict[int, int]:
    """Per partition of a hub the last message landed."""
    rows = load.store.read(RAW).where(F.col("eventHub") == hub)
    found = load.store.arrow(rows.groupBy("partition").agg(F.max("sequenceNumber").alias("last"))).to_pylist()
    return {r["partition"]: r["last"] for r in found}


def _waiting(load: Load) -> list[tuple[_Place, int]]:
    """The messages that are not parsed, in order, and their lengths."""
    rows = load.store.read(RAW).where(F.col("body").isNotNull())
    found = rows.select("eventHub", "partition", "sequenceNumber", F.length("body").alias("size"))
    return sorted(
        ((r["eventHub"], r["partition"], r["sequenceNumber"]), r["size"]) for r in load.store.arrow(found).to_pylist()
    )


def _chunks(waiting: Iterable[tuple[_Place, int]]) -> list[list[_Place]]:
    chunks: list[list[_Place]] = []
    room = 0
    for place, size in waiting:
        if not chunks or room < size:
            chunks.append([])
            room = _PARSED_BYTES
        chunks[-1].append(place)
        room -= size
    return chunks


def _raw(load: Load, chunk: Sequence[_Place]) -> DataFrame:
    """The messages of a chunk that are not parsed."""
    ranges = [
        (F.col("eventHub") == hub) & (F.col("partition") == partition) & F.col("sequenceNumber").between(first, last)
        for (hub, partition), (first, last) in _ranges(chunk).items()
    ]
    rows = load.store.read(RAW).where(F.col("body").isNotNull() & reduce(or_, ranges))
    return rows.select("eventHub", "partition", "sequenceNumber", F.to_date("enqueuedTime").alias("day"), "body")


def _ranges(chunk: Iterable[_Place]) -> dict[tuple[str, int], tuple[int, int]]:
    """Per partition the first and the last message of a chunk."""
    ranges: dict[tuple[str, int], tuple[int, int]] = {}
    for hub, partition, number in chunk:
        first, last = ranges.get((hub, partition), (number, number))
        ranges[hub, partition] = min(first, number), max(last, number)
    return ranges


def _read_messages(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield from batches_of(
            record
            for row in batch.to_pylist()
            for record in message_records(
                f"{row['eventHub']}/{row['partition']}", row["sequenceNumber"], row["day"], row["body"]
            )
        )


def _forget(load: Load, chunk: Sequence[_Place]) -> None:
    """Delete messages whose records are rows; of each partition the last one stays, without its body."""
    last = {(hub, partition): number for (hub, partition), (_, number) in _ranges(chunk).items()}
    read_before = load.store.read(RAW).where(F.col("body").isNull()).select("eventHub", "partition", "sequenceNumber")
    earlier = [tuple(r.values()) for r in load.store.arrow(read_before).to_pylist()]
    _write(
        load,
        [
            *(_marker(load, place, gone=last[place[:2]] != place[2]) for place in chunk),
            *(_marker(load, place, gone=True) for place in earlier if last.get(place[:2], -1) > place[2]),
        ],
    )


def _drop(load: Load, places: Iterable[_Place]) -> None:
    _write(load, [_marker(load, place, gone=True) for place in places])


def _marker(load: Load, place: _Place, *, gone: bool) -> tuple[object, ...]:
    own = load.workspace
    return (own.workspace_id, *place, None, None, own.workspace_name, load.now, load.run_id, gone)


def _write(load: Load, rows: Sequence[tuple[object, ...]]) -> None:
    load.lease.check()
    load.store.merge(RAW, lambda: load.store.frame(rows, _LANDED), dates=None)
