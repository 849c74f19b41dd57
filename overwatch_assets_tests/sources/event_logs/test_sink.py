"""The readers' side channel: what comes to no engine, whichever it is."""

from pathlib import Path

import pyarrow as pa

from overwatch_assets.runner.insert import content_hash
from overwatch_assets.sources.event_logs.codecs import Codec
from overwatch_assets.sources.event_logs.reader import Range, ranges_table
from overwatch_assets.sources.event_logs.sink import ends_of, read_into_sink
from overwatch_assets.storage.location import Location

JSON = [
    '{"Event":"a","n":1e2}',
    '{"Event":"\\ud83d\\ude00","n":1}',
    '{"Event":5,"Event":true} ',
    '{"Event":"a","n":"7"}',
]
NO_JSON = [
    '{"Event":"a"} x}',
    '{"Event":"a"}}',
    '{"Event":"a","n":NaN}',
    '{"Event":"a","n":[1e400]}',
    '{\'n\':1,"Event":"a"}',
    '{"Event":"\\ud800"}',
    '{"Event":"a\tb"}',
    '{"Event":"a","n":01}',
]
"""Sail refuses these; a JVM's parser makes a row of most."""


def read(tmp_path: Path, log: bytes, *, lenient: bool = False) -> tuple[list[str], pa.Table]:
    """The lines of a log that the engine gets, and what is left beside the tables."""
    path = tmp_path / "log"
    path.write_bytes(log)
    sink = f"{tmp_path}/_reading/1"
    batches = ranges_table([Range(str(path), str(path), Codec.PLAIN)]).to_batches()
    reading = read_into_sink(sink, lenient=lenient)
    lines = [line for batch in reading(batches) for line in batch.column("value").to_pylist()]
    return lines, ends_of(Location(str(tmp_path)), sink)


def test_what_is_no_event_by_its_looks_comes_to_no_engine(tmp_path: Path) -> None:
    """A JVM's parser takes the first of two events in a line and is silent about the rest."""
    whole = ['{"Event":"a"}', '{"Event":"b","x":"}{\\"Event\\""} \t']
    no_event, joined = "not a JSON object with an Event", "more than one event in a line"
    bad = {
        '{"Event":"a"}{"Event":"b"}': joined,
        '{"Event":"a"} junk': no_event,
        '{"Event":"a"': no_event,
        "null": no_event,
        '{"a":1}': no_event,
    }
    lines, aside = read(tmp_path, "\n".join([whole[0], *bad, f"{whole[1]}\r", ""]).encode())
    assert lines == whole
    *told, end = aside.to_pylist()
    assert [(r["line"], r["value"], r["reason"], r["hash"]) for r in told] == [
        (number, text, reason, content_hash(text.encode())) for number, (text, reason) in enumerate(bad.items(), 2)
    ]
    assert (end["kind"], end["line"], end["reason"]) == ("end", 8, None)


def test_what_only_a_lenient_parser_takes_is_no_event(tmp_path: Path) -> None:
    log = "\n".join([*NO_JSON, *JSON, ""]).encode()
    lines, aside = read(tmp_path, log, lenient=True)
    assert lines == JSON
    assert [(r["value"], r["reason"]) for r in aside.to_pylist()[:-1]] == [
        (text, "not a JSON object with an Event") for text in NO_JSON
    ]


def test_secrets_are_not_left_beside_the_tables_and_the_hash_is_of_the_line_as_it_was(tmp_path: Path) -> None:
    torn, latin = (
        b'{"Event":"a","Properties":{"my.secret":"hunt',
        b'{"Event":"\xe9","Properties":{"my.secret":"hunter2"}}',
    )
    lines, aside = read(tmp_path, latin + b"\n" + torn)
    assert lines == []
    first, second, _ = aside.to_pylist()
    assert (first["bad"], first["hash"]) == (latin.replace(b"hunter2", b""), content_hash(latin))
    assert (second["value"], second["hash"], second["torn"]) == (torn[:-4].decode(), content_hash(torn), True)
    assert not [f for f in (tmp_path / "_reading").rglob("*") if f.is_file() and b"hunt" in f.read_bytes()]
