"""Law 6: every distinct line of every log is a row of bronze, or is in quarantine with its place and reason."""

import json
from collections import Counter

import pytest
import xxhash

from overwatch_assets.rules.audit_shapes import EVENT
from overwatch_assets_tests.laws.workshop import Workshop
from overwatch_assets_tests.laws.worlds import audit_files, everything, world

pytestmark = pytest.mark.engine


def identity(line: bytes) -> tuple[int, int]:
    """What Spark's `xxhash64` says of a line, and its length."""
    hashed = xxhash.xxh64_intdigest(line, seed=42)
    return (hashed - 2**64 if hashed >= 2**63 else hashed, len(line))


def columns(shop: Workshop, name: str, *wanted: str) -> "Counter[tuple[object, ...]]":
    from overwatch_assets.contract.registry import tables

    places = [tables()[name].compared.index(c) for c in wanted]
    counted: Counter[tuple[object, ...]] = Counter()
    for row, times in shop.rows(name).items():
        counted[tuple(row[p] for p in places)] += times
    return counted


def event_of(line: bytes) -> str:
    """The event that a line delivers, as bronze keeps it."""
    said = {name: value for name, value in json.loads(line).items() if name in EVENT and value not in (None, {})}
    for name in ("userIdentity", "requestParams", "response"):
        if name in said:
            said[name] = {inner: value for inner, value in said[name].items() if value is not None}
    if "requestParams" in said:
        assert all(isinstance(value, str) for value in said["requestParams"].values())
    return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def test_every_line_of_the_logs_is_a_row_once(on_time: Workshop) -> None:
    expected: Counter[tuple[object, ...]] = Counter()
    files = everything()
    for app in world():
        of_log = {line for path in app.files() for line in files[path].lines}
        assert of_log == {line.rstrip(b"\n") for line in app.lines}
        expected.update((app.log_id, *identity(line)) for line in of_log)
    assert columns(on_time, "spark_events_bronze", "SparkContextID", "lineHash", "lineBytes") == expected


def test_every_audit_line_is_a_row_or_in_quarantine(on_time: Workshop) -> None:
    lines = {line for file in audit_files().values() for line in file.lines}
    good = {line for line in lines if line.endswith(b"}")}
    assert len(lines) == len(good) + 1
    rows = columns(on_time, "audit_log_bronze", "value")
    assert rows == Counter((event_of(line),) for line in good)
    (file,) = (file for file in audit_files().values() if lines - good <= set(file.lines))
    at = [line in good for line in file.data.split(b"\n")].index(False) + 1
    (bad,) = columns(on_time, "quarantine_bronze", "content", "line")
    assert bad == ('{"version": "2.0", "actionName": ', at)


def test_the_raw_line_is_kept_whole(on_time: Workshop) -> None:
    lines = {line.rstrip(b"\n") for app in world() for line in app.lines}
    cut = 0
    for value, dropped, size in columns(on_time, "spark_events_bronze", "value", "droppedProperties", "lineBytes"):
        if dropped:
            cut += 1
            assert len(str(value)) < int(str(size))
        else:
            assert str(value).encode() in lines
    assert 0 < cut < len(lines) / 10
