"""Lines of event logs: the same whatever the cut, the codec and the moment of reading."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from overwatch_assets.errors import SourceError
from overwatch_assets.sources.event_logs.codecs import Codec
from overwatch_assets.sources.event_logs.listing import LogFile, find_logs
from overwatch_assets.sources.event_logs.reader import (
    LINES,
    RANGES,
    Position,
    Range,
    peek,
    plan_ranges,
    ranges_table,
    read_batches,
    read_range,
)

SPARK = Path(__file__).parent / "written_by_spark"
DAY = 86_400_000
T = 1_714_694_399_000  # 2024-05-02T23:59:59Z
MIB = 1 << 20

Read = tuple[list[dict[str, Any]], dict[str, Any]]


def event(name: str, **fields: Any) -> bytes:
    return json.dumps({"Event": f"SparkListener{name}", **fields}, separators=(",", ":")).encode()


def app(app_id: str, ms: int, attempt: str | None = None) -> bytes:
    extra = {} if attempt is None else {"App Attempt ID": attempt}
    return event("ApplicationStart", **{"App ID": app_id, "Timestamp": ms, **extra})


def task_end(ms: int) -> bytes:
    return event("TaskEnd", **{"Stage ID": 1, "Task Info": {"Launch Time": ms - 5, "Finish Time": ms}})


LOG_START = event("LogStart", **{"Spark Version": "3.5.1"})
UNTIMED = event("StageExecutorMetrics", **{"Executor ID": "1"})


def stored(data: bytes, name: str = "log") -> Range:
    url = f"memory://reader/{name}"
    fsspec.filesystem("memory").pipe(f"/reader/{name}", data)
    return Range(path=url, tracked_path=url, codec=Codec.PLAIN)


def read(part: Range, **options: Any) -> Read:
    """Return the line rows and the last row."""
    rows: list[dict[str, Any]] = []
    for batch in read_range(part, **options):
        batch.validate(full=True)
        assert batch.schema == LINES
        rows += batch.to_pylist()
    assert [row["kind"] for row in rows[:-1]] == ["line"] * (len(rows) - 1)
    return rows[:-1], rows[-1]


def position(last: dict[str, Any]) -> Position:
    return Position(last["pos"], last["line"], last["log_id"], last["near_ms"])


def exact(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with `near_ms` only where it is promised to be exact: on lines that may have no time of their own."""
    return [
        {**row, "near_ms": None if row["value"] and "SparkListenerTaskEnd" in row["value"] else row["near_ms"]}
        for row in rows
    ]


def test_a_small_log_row_by_row() -> None:
    lines = [LOG_START, app("app-1", T), b"", UNTIMED + b"\r", task_end(T + 2000), b"\xff\xfe", b"a\0b", UNTIMED]
    data = b"\n".join(lines) + b"\n"
    rows, last = read(stored(data))
    at = [sum(len(line) + 1 for line in lines[:i]) for i in range(9)]
    day2 = T + 2000
    got = [(r["line"], r["pos"], r["near_ms"], r["value"], r["bad"], r["nbytes"]) for r in rows]
    assert got == [
        (1, at[0], T, LOG_START.decode(), None, len(LOG_START)),
        (2, at[1], T, lines[1].decode(), None, len(lines[1])),
        (4, at[3], T, UNTIMED.decode(), None, len(UNTIMED)),
        (5, at[4], T, lines[4].decode(), None, len(lines[4])),
        (6, at[5], day2, None, b"\xff\xfe", 2),
        (7, at[6], day2, "a\0b", None, 3),
        (8, at[7], day2, UNTIMED.decode(), None, len(UNTIMED)),
    ]
    assert {(r["file"], r["log_id"], r["torn"]) for r in rows} == {("memory://reader/log", "app-1", False)}
    assert [r["reason"] for r in rows] == [None] * 4 + ["invalid UTF-8 at byte 0 of the line", None, None]
    assert last == {
        "kind": "end",
        "file": "memory://reader/log",
        "log_id": "app-1",
        "pos": len(data),
        "line": 9,
        "near_ms": day2,
        "value": None,
        "original": None,
        "dropped": 0,
        "bad": None,
        "reason": None,
        "nbytes": 0,
        "torn": False,
    }


LINE = st.one_of(
    st.integers(-3, 3).map(lambda i: task_end(T + i * 1000)),
    st.integers(-3, 3).map(lambda i: event("JobStart", **{"Submission Time": T + i * 1000})),
    st.integers(1, 2).map(lambda i: app(f"app-{i}", T)),
    st.sampled_from([LOG_START, UNTIMED, b"", b"\r", b"\r\r", b"\xc3\x28", b"{", b"\0", "é€😀".encode(), b"null"]),
    st.just(b'{"x":"SparkListenerApplicationStart"}'),
)
LOGS = st.lists(st.tuples(LINE, st.sampled_from([b"\n", b"\r\n"])), max_size=12).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


def model(data: bytes) -> Iterator[tuple[int, int, bytes, str | None, int | None]]:
    """The lines of a log as (pos, line, bytes, application, time before), worked out one at a time."""
    lines = data.split(b"\n")
    parsed: list[dict[str, Any]] = []
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        parsed.append(value if isinstance(value, dict) else {})
    apps = [each.get("App ID") for each in parsed]
    times = [
        each.get("Timestamp") or each.get("Submission Time") or each.get("Task Info", {}).get("Finish Time")
        for each in parsed
    ]
    current = next((each for each in apps if each), None)
    near = next((each for each in times if each), None)
    pos = 0
    for number, line in enumerate(lines):
        current = apps[number] or current
        text = line.removesuffix(b"\r")
        if text:
            yield pos, number + 1, text, current, near
        near = times[number] or near if any(times[: number + 1]) else near
        pos += len(line) + 1


@given(data=LOGS, buffer=st.integers(1, 400))
@settings(max_examples=300, deadline=None)
def test_lines_equal_the_model_whatever_the_buffer(data: bytes, buffer: int) -> None:
    rows, last = read(stored(data), buffer_bytes=buffer)
    expected = list(model(data))
    assert [(r["pos"], r["line"], r["nbytes"]) for r in rows] == [(p, n, len(t)) for p, n, t, _, _ in expected]
    for row, (_, _, text, log_id, near) in zip(rows, expected, strict=True):
        assert (row["value"].encode() if row["bad"] is None else row["bad"]) == text
        assert row["log_id"] == log_id if log_id else row["log_id"].startswith("unknown-")
        if b"SparkListenerTaskEnd" not in text:
            assert row["near_ms"] == near
    assert (last["kind"], last["pos"], last["line"]) == ("end", len(data), data.count(b"\n") + 1)


def cut_in_two(part: Range, cut: int, buffer: int, uncut: Read) -> None:
    whole, end = uncut
    first, state = read(replace(part, end=cut), buffer_bytes=buffer)
    for second in (replace(part, start=cut), replace(part, start=cut).after(position(state))):
        rows, last = read(second, buffer_bytes=buffer)
        assert exact(first + rows) == exact(whole)
        assert last == end


@given(data=LOGS, torn=st.sampled_from([b"", UNTIMED]), cut=st.integers(0), buffer=st.sampled_from([3, 50, 1 << 20]))
@settings(max_examples=300, deadline=None)
def test_cut_anywhere_the_lines_are_the_same(data: bytes, torn: bytes, cut: int, buffer: int) -> None:
    data += torn
    part = stored(data)
    cut_in_two(part, cut % (len(data) + 2), buffer, read(part))


def test_cut_at_every_byte_the_lines_are_the_same() -> None:
    lines = [b"", LOG_START, app("a", T), UNTIMED + b"\r", b"\xff", task_end(T + 2000), b"", app("b", T), UNTIMED, b""]
    data = b"\n".join(lines)
    part = stored(data)
    uncut = read(part)
    for cut in range(len(data) + 2):
        cut_in_two(part, cut, 100, uncut)


@given(data=LOGS, torn=st.sampled_from([b"", UNTIMED[:9], b"\xf0"]), codec=st.sampled_from([Codec.PLAIN, Codec.GZ]))
@settings(max_examples=40, deadline=None)
def test_a_log_read_while_it_grows_gives_the_same_lines(data: bytes, torn: bytes, codec: Codec) -> None:
    data += torn
    part = replace(stored(gzip.compress(data) if codec is Codec.GZ else data), codec=codec)
    whole, end = read(part)
    got: list[dict[str, Any]] = []
    at = Position()
    for size in [*range(0, len(data), 37), len(data)]:
        # A gzip without its end is what a writer leaves behind after a flush.
        grown = gzip.compress(data[:size])[:-8] if codec is Codec.GZ else data[:size]
        rows, last = read(replace(stored(grown).after(at), codec=codec, in_progress=True))
        assert last["kind"] == "end"
        assert not any(row["torn"] for row in rows)
        got += rows
        at = position(last)
    stored(gzip.compress(data) if codec is Codec.GZ else data)
    rows, last = read(part.after(at))
    assert exact(got + rows) == exact(whole)
    assert last == end


def test_a_last_line_without_its_end() -> None:
    data = app("app-1", T) + b"\n" + UNTIMED
    part = stored(data)
    rows, last = read(part)
    assert [(row["line"], row["torn"], row["value"]) for row in rows][1:] == [(2, True, UNTIMED.decode())]
    assert (last["kind"], last["pos"], last["line"]) == ("end", len(data) - len(UNTIMED), 2)
    # Grown after all: it is read again, whole.
    rows, last = read(stored(data + b" \n").after(position(last)))
    assert [(row["line"], row["torn"], row["value"]) for row in rows] == [(2, False, UNTIMED.decode() + " ")]
    rows, last = read(replace(stored(data), in_progress=True))
    assert [row["line"] for row in rows] == [1]
    assert last["pos"] == len(data) - len(UNTIMED)


def test_two_applications_in_one_file() -> None:
    lines = [LOG_START, app("App.1", T), UNTIMED, app("application_2_0001", T, "3"), UNTIMED, app("App.1", T)]
    rows, last = read(stored(b"\n".join(lines) + b"\n"))
    second = "application_2_0001_3"
    assert [row["log_id"] for row in rows] == ["app_1", "app_1", "app_1", second, second, "app_1"]
    assert last["log_id"] == "app_1"


def test_identity_by_path_and_folder() -> None:
    data = b"\n".join([LOG_START, app("app-1", T), UNTIMED, b""])
    part = stored(data)
    databricks = replace(part, spark_context_id="531")
    assert {row["log_id"] for row in read(databricks)[0]} == {"531"}
    assert {row["log_id"] for row in read(replace(databricks, start=60))[0]} == {"531"}
    rolling = replace(part, rolling_folder="application_1_0001_2")
    assert {row["log_id"] for row in read(rolling)[0]} == {"app-1"}
    later = replace(stored(UNTIMED + b"\n"), rolling_folder="application_1_0001_2")
    assert {row["log_id"] for row in read(later)[0]} == {"application_1_0001_2"}
    first = stored(app("application_1_0001", T, "2") + b"\n")
    assert {row["log_id"] for row in read(first)[0]} == {"application_1_0001_2"}


def test_a_log_without_application_start_is_known_by_its_content() -> None:
    data = b"\n".join([LOG_START, task_end(T), UNTIMED, b""])
    (one, *_), _ = read(stored(data, "one"))
    (copy, *_), _ = read(stored(data, "copy"))
    (grown, *_), _ = read(stored(data + UNTIMED + b"\n", "grown"))
    (other, *_), _ = read(stored(b"\n".join([LOG_START, task_end(T + 1), UNTIMED, b""]), "other"))
    assert one["log_id"].startswith("unknown-")
    assert one["log_id"] == copy["log_id"] == grown["log_id"]
    assert one["log_id"] != other["log_id"]


def test_an_application_start_later_than_8_mib_does_not_reach_back() -> None:
    filler = (task_end(T) + b"\n") * (9 * MIB // len(task_end(T)))
    rows, _ = read(stored(filler + app("late", T) + b"\n"))
    assert {row["log_id"] for row in rows[:-1]} == {rows[0]["log_id"]}
    assert rows[0]["log_id"].startswith("unknown-")
    assert rows[-1]["log_id"] == "late"


def test_days_within_one_batch() -> None:
    lines = [
        app("app-1", T - 3 * DAY),
        UNTIMED,
        *[task_end(T + i) for i in range(2000)],
        UNTIMED,
        *[task_end(T + DAY)] * 50,
        b"\xff",
    ]
    rows, last = read(stored(b"\n".join(lines) + b"\n"))
    days = [row["near_ms"] // DAY - T // DAY for row in rows]
    # Task ends, too, take the day of the line before them; T + 1000 is midnight.
    assert days == [-3, -3, -3] + [0] * 1000 + [1] * (999 + 1 + 50 + 1)
    assert rows[2002]["near_ms"] == T + 1999
    assert [rows[3]["near_ms"], rows[1002]["near_ms"], rows[1003]["near_ms"]] == [T, T + 999, T + 1000]
    assert last["near_ms"] == T + DAY


def test_no_time_at_all() -> None:
    rows, last = read(stored(UNTIMED + b"\n" + b"junk\n"))
    assert [row["near_ms"] for row in rows] == [None, None]
    assert last["near_ms"] is None


def test_empty_file_and_junk() -> None:
    rows, last = read(stored(b""))
    assert rows == []
    assert (last["kind"], last["pos"], last["line"]) == ("end", 0, 1)
    junk = bytes(range(256)) * 64
    rows, last = read(stored(junk))
    # One line per byte 10, and the part after the last: 65; each has bytes that are no UTF-8.
    assert [row["line"] for row in rows] == list(range(1, 65 + 1))
    assert b"\n".join(row["bad"] or row["value"].encode() for row in rows) == junk
    assert rows[0]["value"] == "".join(map(chr, range(10)))
    assert rows[-1]["torn"]
    assert last["kind"] == "end"


def test_one_line_of_50_mb(tmp_path: Path) -> None:
    long = b'{"Event":"q","x":"' + b"y" * 50_000_000 + b'"}'
    path = tmp_path / "log"
    path.write_bytes(app("app-1", T) + b"\n" + long + b"\n" + UNTIMED + b"\n")
    part = Range(str(path), str(path), Codec.PLAIN)
    rows, last = read(part)
    assert [row["nbytes"] for row in rows] == [len(app("app-1", T)), len(long), len(UNTIMED)]
    assert rows[1]["value"].encode() == long
    assert last["line"] == 4
    assert read(replace(part, start=30_000_000))[0] == rows[2:]


def test_a_line_over_the_limit_goes_to_quarantine_with_its_beginning() -> None:
    long = b"z" * (3 * MIB)
    data = b"\n".join([app("app-1", T), long, UNTIMED, b""])
    for buffer in (1000, 1 << 20, 1 << 24):
        rows, last = read(stored(data), buffer_bytes=buffer, max_line=2 * MIB)
        assert [row["value"] for row in rows] == [app("app-1", T).decode(), None, UNTIMED.decode()]
        assert (rows[1]["bad"], rows[1]["nbytes"], rows[1]["line"]) == (long[:MIB], 3 * MIB, 2)
        assert rows[1]["reason"] == "line longer than 2097152 bytes"
        assert rows[2]["pos"] == data.rindex(UNTIMED)
        assert (last["pos"], last["line"]) == (len(data), 4)
    rows, last = read(stored(data.removesuffix(b"\n" + UNTIMED + b"\n")), buffer_bytes=1000, max_line=2 * MIB)
    assert (rows[1]["bad"], rows[1]["nbytes"], rows[1]["torn"]) == (long[:MIB], 3 * MIB, True)
    assert last["line"] == 2


def test_a_truncated_gz_gives_its_whole_lines_and_says_where_it_ends() -> None:
    lines = [app("app-1", T), *[task_end(T + i * 7919 % 1000) for i in range(2000)]]
    data = b"\n".join(lines) + b"\n"
    cut = gzip.compress(data)[:9000]
    part = replace(stored(cut), codec=Codec.GZ)
    rows, last = read(part)
    whole = len(rows)
    assert whole > 500
    assert [row["value"].encode() for row in rows] == lines[:whole]
    assert last["kind"] == "fault"
    assert last["reason"] == "truncated gz stream at compressed byte 0: the file ends within it"
    assert (last["line"], last["pos"]) == (whole + 1, sum(len(line) + 1 for line in lines[:whole]))
    assert lines[whole].startswith(last["bad"])
    assert last["nbytes"] == len(last["bad"])
    rows, last = read(replace(part, in_progress=True))
    assert (len(rows), last["kind"], last["reason"]) == (whole, "end", None)
    # The rest has arrived: only what is new comes.
    rows, last = read(replace(stored(gzip.compress(data)), codec=Codec.GZ).after(position(last)))
    assert [row["value"].encode() for row in rows] == lines[whole:]
    assert last["pos"] == len(data)


def test_damage_in_a_file_being_written_is_a_fault_all_the_same() -> None:
    data = gzip.compress(LOG_START + b"\n" + UNTIMED)
    part = replace(stored(data + b"junk"), codec=Codec.GZ, in_progress=True)
    rows, last = read(part)
    assert [row["value"] for row in rows] == [LOG_START.decode()]
    assert (last["kind"], last["bad"], last["line"]) == ("fault", UNTIMED, 2)


@pytest.mark.parametrize("codec", ["lz4", "lzf", "snappy", "zstd"])
def test_logs_written_by_spark(codec: str) -> None:
    lines = (SPARK / "plain").read_text().splitlines()
    log_id = json.loads(next(line for line in lines if "ApplicationStart" in line))["App ID"]
    for name in (codec, f"{codec}.joined"):
        rows, last = read(Range(str(SPARK / name), name, Codec(codec)))
        assert [row["value"] for row in rows] == lines
        assert {row["log_id"] for row in rows} == {log_id}
        assert last["kind"] == "end"


def test_what_the_storage_refuses_is_told_and_can_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows, last = read(Range(f"{tmp_path}/none", "none", Codec.PLAIN, start=7, chunk_start=7, first_line=3, log_id="x"))
    assert rows == []
    assert (last["kind"], last["pos"], last["line"], last["log_id"]) == ("unreadable", 7, 3, "x")
    assert last["reason"] == "the file can't be read: FileNotFoundError: No such file or directory"

    part = stored(b"\n".join([app("app-1", T), *[UNTIMED] * 9, b""]))
    opened = type(fsspec.filesystem("memory")).open

    class Failing:
        def __init__(self, file: Any) -> None:
            self.file, self.calls = file, 0

        def read(self, size: int) -> bytes:
            self.calls += 1
            if self.calls > 2:
                raise TimeoutError("the storage took too long")
            return bytes(self.file.read(200))

        def seek(self, offset: int) -> None:
            self.file.seek(offset)

        def close(self) -> None:
            self.file.close()

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "open", lambda *a, **k: Failing(opened(*a, **k)))
    rows, last = read(replace(part, log_id="app-1", near_ms=T), buffer_bytes=150)
    assert (last["kind"], last["reason"]) == (
        "unreadable",
        "the file can't be read: TimeoutError: the storage took too long",
    )
    monkeypatch.undo()
    rest, last = read(part.after(position(last)))
    assert [row["line"] for row in rows + rest] == list(range(1, 11))
    assert last["kind"] == "end"


def log_file(name: str, size: int, codec: Codec = Codec.PLAIN) -> LogFile:
    return LogFile(name, name, size, 0, codec)


def test_a_plan_cuts_plain_files_by_cores_and_chunks_by_size() -> None:
    at = Position()
    chunks = plan_ranges(
        [
            (log_file("small", 7 * MIB), at),
            (log_file("medium", 40 * MIB), at),
            (log_file("packed", 20 * MIB, Codec.GZ), at),
            (log_file("continued", 300 * MIB), Position(100 * MIB, 5, "app-1", T)),
            (log_file("empty", 0), at),
        ],
        cores=4,
        max_bytes=100 * MIB,
    )
    told = [[(r.path, r.start // MIB, None if r.end is None else r.end // MIB) for r in chunk] for chunk in chunks]
    assert told == [
        [("small", 0, None), ("medium", 0, 10), ("medium", 10, 20), ("medium", 20, 30), ("medium", 30, None)],
        *([("packed", 100 * i, 100 * (i + 1))] for i in range(59)),
        [("packed", 5900, None)],
        [("continued", 100 + 25 * i, 125 + 25 * i) for i in range(4)],
        [*[("continued", 200 + 25 * i, 225 + 25 * i) for i in range(3)], ("continued", 275, None), ("empty", 0, None)],
    ]
    later = chunks[62][1]
    assert (later.chunk_start, later.first_line, later.log_id, later.near_ms) == (100 * MIB, 5, "app-1", T)
    moved = later.after(Position(240 * MIB, 9, "app-2", T + 1))
    assert (moved.chunk_start, moved.start, moved.end, moved.first_line) == (240 * MIB, 240 * MIB, 250 * MIB, 9)


def test_small_compressed_files_are_planned_together() -> None:
    at = Position()
    files = [(log_file(f"packed-{n}", MIB, Codec.GZ), at) for n in range(5)]  # 30 MiB each
    continued = (log_file("packed-5", MIB, Codec.GZ), Position(40 * MIB, 5, "app-1", T))  # larger than it was taken for
    chunks = plan_ranges([*files, continued], cores=4, max_bytes=100 * MIB)
    assert [[r.path for r in chunk] for chunk in chunks] == [
        ["packed-0", "packed-1", "packed-2"],
        ["packed-3", "packed-4", "packed-5"],
    ]
    assert all(r.end is None for chunk in chunks for r in chunk)


def test_planned_chunks_give_the_lines_of_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "app-1"
    padded = [task_end(T + i)[:-1] + b',"x":"' + b"y" * 9000 + b'"}' for i in range(4000)]
    path.write_bytes(b"\n".join([app("app-1", T), UNTIMED, *padded, UNTIMED, b""]))
    (log,) = find_logs(str(path)).logs
    whole, end = read(Range(log.path, log.tracked_path, log.codec))
    chunks = plan_ranges([(log, Position())], cores=2, max_bytes=18 * MIB)
    assert [len(chunk) for chunk in chunks] == [2, 2]  # 36 MB
    got: list[dict[str, Any]] = []
    state = Position()
    for chunk in chunks:
        table = ranges_table(part.after(state) for part in chunk)
        assert table.schema == RANGES
        rows = pa.Table.from_batches(read_batches(table.to_batches()), LINES).to_pylist()
        ends = [row for row in rows if row["kind"] == "end"]
        assert len(ends) == len(chunk)
        state = position(max(ends, key=lambda row: row["pos"]))
        got += [row for row in rows if row["kind"] == "line"]
    assert exact(got) == exact(whole)
    assert state == position(end)


def test_a_gzip_without_its_suffix_survives_being_cut(tmp_path: Path) -> None:
    data = b"\n".join([app("app-1", T), *[task_end(T + i) for i in range(500)], b""])
    path = tmp_path / "app-1"
    path.write_bytes(gzip.compress(data))
    part = Range(str(path), str(path), Codec.PLAIN)
    size = path.stat().st_size
    first, _ = read(replace(part, end=size // 2))
    second, last = read(replace(part, start=size // 2))
    assert [row["value"].encode() for row in first + second] == data.splitlines()
    assert last["pos"] == len(data)


def test_peek() -> None:
    cluster = {"spark.databricks.clusterUsageTags.clusterId": "0502-1-a"}
    lines = [
        LOG_START,
        event("EnvironmentUpdate", **{"Spark Properties": cluster}),
        event("BlockManagerAdded", Timestamp=T - 3),
        app("App.1", T),
        b"",
    ]
    data = b"\n".join(lines)
    stored(data, "peeked")
    log = log_file("memory://reader/peeked", len(data))
    seen = peek(log)
    assert (seen.first_ms, seen.app_id, seen.log_id, seen.cluster_id) == (T - 3, "App.1", "app_1", "0502-1-a")
    assert seen.head_bytes == len(data) < 1024
    # A grown log has the same beginning; a replaced one has not.
    stored(data + UNTIMED * 50, "peeked")
    assert peek(log, head_bytes=seen.head_bytes).head_hash == seen.head_hash
    assert peek(log).head_bytes == 1024
    stored(data.replace(b"App.1", b"App.2"), "peeked")
    assert peek(log).head_hash != seen.head_hash
    stored(event("JobStart", **{"Submission Time": T, "Properties": cluster}), "peeked")
    seen = peek(log)
    assert (seen.first_ms, seen.app_id, seen.cluster_id) == (T, None, "0502-1-a")


def test_peek_at_compressed_damaged_and_missing_files() -> None:
    data = app("app-1", T) + b"\n"
    stored(gzip.compress(data), "peeked.gz")
    log = log_file("memory://reader/peeked.gz", 9, Codec.GZ)
    whole = peek(log)
    stored(gzip.compress(data)[:-9], "peeked.gz")
    assert peek(log).log_id == whole.log_id == "app-1"
    stored(b"junk", "peeked.gz")
    assert (peek(log).head_bytes, peek(log).first_ms) == (0, None)
    with pytest.raises(SourceError, match=r"^The event log memory://reader/none can't be read: FileNotFoundError: "):
        peek(log_file("memory://reader/none", 9))


def test_secret_properties_are_cut_out_and_the_line_that_had_them_is_told() -> None:
    job = event("JobStart", Properties={"a.password": "x", "user": "u", "my.token": 'q"\\'})
    plain = event("JobStart", Properties={"user": "u"})
    rows, _ = read(stored(b"\n".join([task_end(T), b"\xff", job, plain]) + b"\n"))
    cut = job.replace(b'"a.password":"x",', b"").replace(rb',"my.token":"q\"\\"', b"")
    assert [(r["value"], r["original"], r["dropped"]) for r in rows] == [
        (task_end(T).decode(), None, 0),
        (None, None, 0),
        (cut.decode(), job.decode(), 2),
        (plain.decode(), None, 0),
    ]
    assert rows[2]["nbytes"] == len(job)
