"""The reader's side channel: what is not a row of bronze, written by the tasks that read, collected by the load.

Where a range ended and which lines were no text is known to the reading task alone, which may run on another machine;
it leaves them as small Arrow files beside the tables.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator

import fsspec
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from overwatch_assets.rules.json_secrets import cut_from_bytes, cut_from_json
from overwatch_assets.runner.insert import content_hash
from overwatch_assets.sources.event_logs.codecs import Codec
from overwatch_assets.sources.event_logs.reader import LINES, RANGES, Range, read_range
from overwatch_assets.storage.location import Location

ASIDE = LINES.append(pa.field("hash", pa.int64()))
"""What is not a row of bronze: `LINES` without their secrets, and a hash of each line as it was."""

NO_EVENT = "not a JSON object with an Event"
_EVENT = '"Event"'
_ENDS = r"\}\s*$"
_JOINED = r'\}\{"Event"'  # in no JSON text, where quotes are escaped; blanks between would cost half as much again


def read_into_sink(
    sink: str, *, lenient: bool = False
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for `mapInArrow` over `RANGES`: yields lines, and leaves everything else under ``sink``.

    Columns that the ranges have beyond `RANGES` come out behind those of `LINES`, the same on each line of a range.

    Args:
        sink: a folder.
        lenient: the lines are for a parser that takes more than JSON (a JVM's: single quotes, NaN, whatever stands
            behind an object), so that what is none is found here.
    """

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            labels = [field for field in batch.schema if field.name not in RANGES.names]
            for row in batch.to_pylist():
                values = [pa.scalar(row.pop(field.name), field.type) for field in labels]
                part = Range(**{**row, "codec": Codec(row["codec"])})
                for lines in _lines_of(part, sink, lenient=lenient):
                    constant = [pa.repeat(value, lines.num_rows) for value in values]
                    yield pa.RecordBatch.from_arrays([*lines.columns, *constant], schema=pa.schema([*LINES, *labels]))

    return read


def _lines_of(part: Range, sink: str, *, lenient: bool) -> Iterator[pa.RecordBatch]:
    aside: list[pa.RecordBatch] = []
    for read in read_range(part):
        lines = _told(read, lenient=lenient)
        good = pc.and_(pc.equal(lines.column("kind"), "line"), pc.is_null(lines.column("reason")))
        if pc.all(good).as_py():
            yield lines
            continue
        aside.append(_aside(lines.filter(pc.invert(good))))
        kept = lines.filter(good)
        if kept.num_rows:
            yield kept
    name = hashlib.blake2b(f"{part.tracked_path}@{part.start}".encode(), digest_size=12).hexdigest()
    with fsspec.open(f"{sink}/{name}.arrow", "wb", auto_mkdir=True) as file, pa.ipc.new_stream(file, ASIDE) as writer:
        for batch in aside:
            writer.write_batch(batch)


def _told(lines: pa.RecordBatch, *, lenient: bool) -> pa.RecordBatch:
    """Lines, with the reason of those that are no event by their looks.

    Of two events in a line a JVM's parser reads the first and is silent about the rest; others refuse the line.
    """
    values = lines.column("value")
    whole = pc.and_(pc.match_substring(values, _EVENT), pc.match_substring_regex(values, _ENDS))
    if lenient:
        whole = pc.and_(whole, pa.array([value is not None and _is_json(value) for value in values.to_pylist()]))
    joined = pc.match_substring_regex(values, _JOINED)
    reasons = pc.coalesce(
        lines.column("reason"),
        pc.if_else(joined, "more than one event in a line", pa.scalar(None, pa.string())),
        pc.if_else(whole, pa.scalar(None, pa.string()), NO_EVENT),
    )
    return lines.set_column(LINES.get_field_index("reason"), LINES.field("reason"), reasons)


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _aside(lines: pa.RecordBatch) -> pa.RecordBatch:
    rows = lines.to_pylist()
    for row in rows:
        text, bad = row["original"] or row["value"], row["bad"]
        row["hash"] = content_hash(bad or (text or "").encode())
        row["value"] = None if text is None else cut_from_json(text)[0]
        row["original"] = None
        row["bad"] = None if bad is None else cut_from_bytes(bad)
    return pa.RecordBatch.from_pylist(rows, schema=ASIDE)


def ends_of(location: Location, sink: str) -> pa.Table:
    """All that the readers left under ``sink``."""
    folder = location.key(*sink.rsplit("/", 2)[1:])
    tables = []
    location.fs.invalidate_cache()
    for path in sorted(location.fs.ls(folder, detail=False)):
        with location.fs.open(path, "rb") as file, pa.ipc.open_stream(file) as reader:
            tables.append(reader.read_all())
    return pa.concat_tables(tables) if tables else ASIDE.empty_table()
