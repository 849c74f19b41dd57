"""Show 7 for event logs: bad input ends in quarantine rows or one clear error, and everything else is loaded."""

import gzip
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq
import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from overwatch_assets.cli.event_logs import spark_tables
from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import IneligibleError, SourceError
from overwatch_assets.runner.insert import content_hash
from overwatch_assets.runner.known import Known
from overwatch_assets.runner.staleness import State, needed
from overwatch_assets.runner.window import Window
from overwatch_assets.sources.event_logs import codecs
from overwatch_assets_tests.laws.conftest import Opens
from overwatch_assets_tests.laws.workshop import Workshop, day_windows, wrote
from overwatch_assets_tests.laws.worlds import DAYS, File, application, at

pytestmark = pytest.mark.engine

BRONZE = "spark_events_bronze"


def start(app: str, at_ms: int) -> bytes:
    return b'{"Event":"SparkListenerApplicationStart","App Name":"a","App ID":"%s","Timestamp":%d,"User":"u"}\n' % (
        app.encode(),
        at_ms,
    )


def removed(executor: str, at_ms: int) -> bytes:
    return b'{"Event":"SparkListenerExecutorRemoved","Timestamp":%d,"Executor ID":"%s","Removed Reason":"r"}\n' % (
        at_ms,
        executor.encode(),
    )


_T = at(1, 3)
_WRONG_TYPES = (
    b'{"Event":"SparkListenerJobStart","Job ID":"seven","Submission Time":true,"Stage IDs":5,"Properties":[1]}\n'
    b'{"Event":"SparkListenerTaskEnd","Stage ID":{},"Stage Attempt ID":"0","Task Info":[],"Task Metrics":"none"}\n'
    b'{"Event":"SparkListenerStageCompleted","Stage Info":{"Stage ID":1.5,"Number of Tasks":"many","Accumulables":7}}\n'
    b'{"Event":7}\n'
)
_CASE = (
    b'{"Event":"SparkListenerJobStart","Job ID":1,"Submission Time":%d,"Stage IDs":[],'
    b'"Properties":{"a.b":"1","A.B":"2","ab":"3"},"job id":9,"JOB ID":8}\n' % _T
)
_LONG = b'{"Event":"SparkListenerLong","Timestamp":%d,"pad":"%s"}\n' % (_T, b"x" * 50_000_000)


def bad_files() -> dict[str, File]:
    """One file for each kind of bad input, each with good records around it where it can have some."""
    etl = b"".join(application("etl").lines)
    packed = gzip.compress(etl, mtime=0)
    junk = random.Random(5).randbytes(5000)
    data = {
        "empty": b"",
        "junk": junk,
        "utf8": start("app-utf8", _T) + b'{"Event":"\xff"}\n' + removed("1", _T),
        "truncated.gz": packed[: len(packed) // 2],
        "torn": start("app-torn", _T) + removed("1", _T)[:-20],
        "long": start("app-long", _T) + _LONG + removed("1", _T),
        "types": start("app-types", _T) + _WRONG_TYPES + removed("1", _T),
        "case": start("app-case", _T) + _CASE,
        "no-start": removed("1", _T) + removed("2", _T + 5),
        "two-apps": start("app-one", _T) + removed("1", _T) + start("app-two", _T + 1) + removed("2", _T + 1),
        "good": start("app-good", _T) + removed("1", _T),
        "same-as-good": start("app-good", _T) + removed("1", _T),
        "no-permission": start("app-secret", _T) + removed("1", _T),
        "not-json": start("app-text", _T)
        + b'no event\n[1, 2]\n{"a": 1}\n\n{"Event":"x"}{"Event":"y"}\n{"Event":"x"} junk\n{"Event":"x"]}\n{"Event":"z"} \t\r\n'
        + b'{"Event":"x"} }\n{"Event":"x","n":NaN}\n'
        + removed("1", _T),
    }
    return {f"spark/{name}": File(content, at(1, 4)) for name, content in data.items()}


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The storage refuses one file, as it does to a user without rights; tests may run as one who has all."""
    opened = codecs._open

    def open_or_refuse(fs: AbstractFileSystem, path: str) -> BinaryIO:
        if path.endswith("/no-permission"):
            raise PermissionError(13, "Permission denied", path)
        return opened(fs, path)

    monkeypatch.setattr(codecs, "_open", open_or_refuse)


def quarantined(shop: Workshop) -> dict[str, list[dict[str, Any]]]:
    """Quarantine rows by the name of the file."""
    names = tables()["quarantine_bronze"].compared
    found = defaultdict(list)
    for values in shop.rows("quarantine_bronze"):
        row = dict(zip(names, values, strict=True))
        found[Path(row["location"]).name].append(row)
    return {name: sorted(rows, key=lambda r: r["line"] or 0) for name, rows in found.items()}


def rows_of(shop: Workshop) -> dict[str, list[dict[str, Any]]]:
    """Bronze rows by Spark context."""
    names = tables()[BRONZE].compared
    found = defaultdict(list)
    for values, times in shop.rows(BRONZE).items():
        row = dict(zip(names, values, strict=True))
        found[row["SparkContextID"]] += [row] * times
    return found


@pytest.mark.usefixtures("refused")
def test_each_kind_of_bad_input(opens: Opens) -> None:
    shop = opens("bad")
    shop.logs.put(bad_files())
    (first, *others) = shop.chain(wanted=[tables()[BRONZE], *spark_tables()])
    rows, bad = rows_of(shop), quarantined(shop)

    assert first.status == "SUCCESS"
    assert first.counts["quarantined"] == sum(map(len, bad.values()))
    assert first.counts["files failed"] == 1
    # Nothing of an empty file; a good file and its copy are there once.
    assert bad.keys() == {"junk", "utf8", "truncated.gz", "torn", "no-permission", "not-json"}
    assert len(rows["app-good"]) == 2
    assert sorted(r["lineBytes"] for r in rows["app-long"])[-1] == len(_LONG) - 1
    assert len(rows["app-long"]) == 3

    # Junk is kept as bytes, line for line.
    junk = bad_files()["spark/junk"].lines
    assert len(bad["junk"]) == len(junk)
    assert {r["content_bytes"] or str(r["content"]).encode() for r in bad["junk"]} == set(junk)

    (utf8,) = bad["utf8"]
    assert (utf8["line"], utf8["content_bytes"]) == (2, b'{"Event":"\xff"}')
    assert utf8["reason"] == "invalid UTF-8 at byte 10 of the line"
    assert len(rows["app-utf8"]) == 2

    lines = application("etl").lines
    assert 5 < len(rows[application("etl").log_id]) < len(lines)
    (cut,) = [r for r in bad["truncated.gz"] if "truncated" in r["reason"]]
    assert cut["line"] == len(rows[application("etl").log_id]) + 1
    assert cut["reason"].startswith("truncated gz stream at compressed byte")

    (torn,) = bad["torn"]
    assert (torn["line"], torn["reason"]) == (2, "not a JSON object with an Event")
    assert len(rows["app-torn"]) == 1

    # A wrong type makes its field null, and no more.
    types = {r["Event"]: r for r in rows["app-types"]}
    assert types["SparkListenerJobStart"]["JobID"] is None
    assert types["SparkListenerJobStart"]["StageIDs"] is None
    assert types["SparkListenerTaskEnd"]["StageID"] is None
    assert types["SparkListenerStageCompleted"]["StageInfo"] is not None
    assert len(types) == len(rows["app-types"]) == 6

    (case,) = [r for r in rows["app-case"] if r["Event"] == "SparkListenerJobStart"]
    assert case["JobID"] == 1
    assert {k for k, _ in case["Properties"]} <= {"ab", "AB"}

    (unnamed,) = [c for c in rows if c.startswith("unknown-")]
    assert len(rows[unnamed]) == 2
    assert (len(rows["app-one"]), len(rows["app-two"])) == (2, 2)

    (refused,) = bad["no-permission"]
    assert refused["reason"].endswith("can't be read: PermissionError: Permission denied")
    assert "app-secret" not in rows

    no_event, joined = "not a JSON object with an Event", "more than one event in a line"
    assert [(r["line"], r["reason"], r["content"]) for r in bad["not-json"]] == [
        (2, no_event, "no event"),
        (3, no_event, "[1, 2]"),
        (4, no_event, '{"a": 1}'),
        (6, joined, '{"Event":"x"}{"Event":"y"}'),
        (7, no_event, '{"Event":"x"} junk'),
        (8, no_event, '{"Event":"x"]}'),
        (10, no_event, '{"Event":"x"} }'),
        (11, no_event, '{"Event":"x","n":NaN}'),
    ]
    assert len(rows["app-text"]) == 3
    # One hash, whether the reader or the engine's parser refused the line.
    assert all(r["hash"] == content_hash(r["content"].encode()) for r in bad["not-json"])

    # The tables above take it all.
    assert {r.status for r in others} <= {"SUCCESS", "EMPTY: no new data"}


def test_secrets_of_bad_lines_are_in_no_file_of_the_tables(opens: Opens) -> None:
    head = start("app-1", _T)
    line = b'{"Event":"SparkListenerEnvironmentUpdate","Spark Properties":{"a":"b","spark.hadoop.fs.s3a.secret.key":"hunter2"'
    packed = gzip.compress(head + line, compresslevel=0, mtime=0)
    shop = opens("secrets")
    files = {
        "bytes": head + line.replace(b'"b"', b'"\xe9"') + b"}}\n",
        "cut.gz": packed[: packed.index(b"er2")],
        "torn": head + line[:-4],
        "torn-by-a-brace": head + line[:-4] + b"}",
    }
    shop.logs.put({f"spark/{name}": File(content, at(1, 4)) for name, content in files.items()})
    (first,) = shop.chain(wanted=[tables()[BRONZE]])
    bad = {name: row for name, (row,) in quarantined(shop).items()}
    emptied = line.replace(b"hunter2", b"")
    assert {name: row["content_bytes"] for name, row in bad.items() if row["content"] is None} == {
        "bytes": emptied.replace(b'"b"', b'"\xe9"') + b"}}",
        "cut.gz": emptied[:-1],
    }
    assert bad["torn"]["line"] == 2
    assert bad.keys() == files.keys()
    written = [f for f in shop.root.joinpath("tables").rglob("*.parquet") if f.is_file()]
    assert {BRONZE, "quarantine_bronze"} <= {part for f in written for part in f.parts}
    assert not [f for f in written if "hunt" in str(pq.ParquetFile(f).read().to_pydict())]
    (again,) = shop.chain(wanted=[tables()[BRONZE]])
    assert (first.counts["quarantined"], again.counts.get("quarantined", 0)) == (4, 0)


def test_a_file_is_read_once_it_may_be(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = opens("rights")
    shop.logs.put({p: f for p, f in bad_files().items() if p.endswith(("good", "no-permission"))})
    with monkeypatch.context() as patched:
        opened = codecs._open

        def refuse(fs: AbstractFileSystem, path: str) -> BinaryIO:
            if path.endswith("/no-permission"):
                raise PermissionError(13, "Permission denied", path)
            return opened(fs, path)

        patched.setattr(codecs, "_open", refuse)
        shop.chain(wanted=[tables()[BRONZE]])
    assert quarantined(shop).keys() == {"no-permission"}
    (again,) = shop.chain(wanted=[tables()[BRONZE]])
    assert wrote([again])[BRONZE]["inserted"] == 2
    assert len(rows_of(shop)["app-secret"]) == 2
    assert quarantined(shop) == {}


def test_a_file_that_breaks_off_while_it_is_read_is_read_on_by_the_next_load(
    opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage fails in the middle, the file does not change, and nothing of it is lost."""
    app = application("etl")
    shop = opens("broken")
    shop.logs.put({app.folder: File(b"".join(app.lines), at(2, 5))})
    with monkeypatch.context() as patched:
        read, calls = codecs.LogStream.read, []

        def fail_later(self: codecs.LogStream, size: int) -> bytes:
            calls.append(size)
            if len(calls) == 4:
                raise OSError(5, "Input/output error")
            return read(self, min(size, 40_000))

        patched.setattr(codecs.LogStream, "read", fail_later)
        (broken,) = shop.chain(wanted=[tables()[BRONZE]])
    assert len(calls) == 4
    assert 0 < broken.counts["inserted"] < len(app.lines)
    assert broken.counts["files failed"] == 1
    rest = shop.load(BRONZE, day(3))  # though the file is older
    assert broken.counts["inserted"] + rest.counts["inserted"] == len(set(app.lines))


def day(n: int) -> Window:
    return day_windows([DAYS[n]])[0]


@contextmanager
def refusing(call: str, where: str) -> Iterator[None]:
    """The storage refuses a call (`info`, `ls`, `open`) on what lies at or below a place."""
    allowed = getattr(LocalFileSystem, call)

    def refuse(self: LocalFileSystem, path: str, *args: object, **more: object) -> object:
        if where in f"{path}/":
            raise PermissionError(13, "Access Denied")
        return allowed(self, path, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalFileSystem, call, refuse)
        yield


@pytest.mark.parametrize("call", ["info", "ls", "open"])
def test_where_no_log_can_be_read_the_load_fails_and_a_later_one_reads_them(opens: Opens, call: str) -> None:
    """Access is back on the third day: the files of the first are read though they are older than its window."""
    shop = opens(call)
    shop.logs.put({"spark/app-1": File(start("app-1", at(0, 3)) + removed("1", at(0, 3)), at(0, 4))})
    with refusing(call, "/logs/spark/"):
        for n in (0, 1):
            with pytest.raises(SourceError, match=r"^No event log can be read: .*: Access Denied\. Check the rights"):
                shop.load(BRONZE, day(n))
        with pytest.raises(IneligibleError):
            shop.load("spark_executors_silver", day(0))
    own = [tables()[BRONZE]]
    report = Known.of(shop.store()).loads(own)
    assert [r.status.split(":")[0] for r in report] == ["FAILED --> SourceError"] * 2
    assert needed(State(report), own, day(2).from_ms) == {DAYS[0]: {BRONZE}, DAYS[1]: {BRONZE}}
    assert shop.load(BRONZE, day(2)).counts["inserted"] == 2
    assert quarantined(shop) == {}
    assert [shop.load(BRONZE, day(n)).status for n in (0, 1)] == ["EMPTY: no new event-log data"] * 2
    assert shop.load("spark_executors_silver", day(0)).status == "SUCCESS"


def test_a_folder_without_permission_holds_nothing_up_and_is_read_once_it_may_be(opens: Opens) -> None:
    shop = opens("folder")
    shop.logs.put(
        {
            "spark/open/app-1": File(start("app-1", at(0, 3)) + removed("1", at(0, 3)), at(0, 4)),
            "spark/closed/app-2": File(start("app-2", at(0, 5)) + removed("1", at(0, 5)), at(0, 6)),
            "spark/closed/app-3": File(start("app-3", at(3, 5)) + removed("1", at(3, 5)), at(3, 6)),
            # Of before the workspace's primordial date.
            "spark/closed/app-0": File(start("app-0", at(-200, 5)), at(-200, 6)),
        }
    )
    with refusing("ls", "/closed/"):
        (first, second) = (shop.load(BRONZE, day(n)) for n in (0, 1))
        assert shop.load("spark_executors_silver", day(0)).status == "SUCCESS"
    assert (first.status, first.counts["inserted"], first.counts["files failed"]) == ("SUCCESS", 2, 1)
    assert (second.status, second.counts["files failed"]) == (
        "EMPTY: no new event-log data; 1 files and folders can't be read",
        1,
    )
    assert quarantined(shop).keys() == {"closed"}
    # Also what is later than this window: that day may have been loaded while the folder was closed.
    assert shop.load(BRONZE, day(2)).counts["inserted"] == 4
    assert rows_of(shop).keys() == {"app-1", "app-2", "app-3"}
    assert quarantined(shop) == {}
    assert shop.load(BRONZE, day(2)).status == "EMPTY: no new event-log data"


def test_a_file_that_was_refused_is_read_by_a_load_of_another_day(opens: Opens) -> None:
    shop = opens("other-day")
    both = {p: f for p, f in bad_files().items() if p.endswith(("good", "no-permission"))}
    shop.logs.put(both)
    with refusing("open", "/no-permission/"):
        assert shop.load(BRONZE, day(1)).status == "SUCCESS"
    assert shop.load(BRONZE, day(3)).counts["inserted"] == 2
    assert rows_of(shop).keys() == {"app-good", "app-secret"}
    assert quarantined(shop) == {}


def test_a_missing_path_is_one_clear_error(opens: Opens) -> None:
    shop = opens("missing")
    shop.prefixes = (str(shop.logs.root / "nowhere"),)
    (window,) = day_windows(DAYS)
    with pytest.raises(SourceError) as raised:
        shop.load(BRONZE, window)
    assert str(raised.value) == f"There is nothing at {shop.logs.root}/nowhere: check the path of the event logs."


def test_a_missing_path_among_others_holds_nothing_up_and_is_read_once_it_is_there(opens: Opens) -> None:
    shop = opens("missing-one")
    shop.prefixes = tuple(str(shop.logs.root / "spark" / name) for name in ("here", "nowhere"))
    shop.logs.put({"spark/here/app-1": File(start("app-1", at(0, 3)), at(0, 4))})
    assert shop.load(BRONZE, day(0)).counts["files failed"] == 1
    assert rows_of(shop).keys() == {"app-1"}
    assert quarantined(shop).keys() == {"nowhere"}
    shop.logs.put({"spark/nowhere/app-2": File(start("app-2", at(0, 5)), at(0, 6))})
    assert shop.load(BRONZE, day(2)).status == "SUCCESS"
    assert rows_of(shop).keys() == {"app-1", "app-2"}
    assert quarantined(shop) == {}
