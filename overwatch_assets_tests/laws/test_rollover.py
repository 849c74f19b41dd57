"""Show 3: however an application's lines come in files, and whenever they are read, the tables are the same."""

import gzip
import random
from dataclasses import replace

import pytest

from overwatch_assets.contract.registry import tables
from overwatch_assets.runner.runner import Result
from overwatch_assets.sources.event_logs import codecs
from overwatch_assets_tests.laws.conftest import Opens
from overwatch_assets_tests.laws.workshop import Workshop, day_windows, differences
from overwatch_assets_tests.laws.worlds import (
    DAYS,
    NOW_MS,
    Application,
    File,
    application,
    at,
    everything,
    files_of,
    world,
)

pytestmark = pytest.mark.engine

BRONZE = "spark_events_bronze"
_JOBS = [tables()[n] for n in ("spark_jobs_silver", "sparkjob_gold")]


def read(shop: Workshop) -> Result:
    """Load bronze in a run of its own."""
    (window,) = day_windows(DAYS)
    return shop.load(BRONZE, window)


def same_events(shop: Workshop, on_time: Workshop, log_id: str | None = None) -> None:
    assert differences(shop, on_time, [BRONZE], context=log_id) == ""


def position(shop: Workshop, path: str) -> int:
    """How far the tracker says that a file was read."""
    tracker = tables()["spark_events_processedfiles"]
    store = shop.store()
    rows = {r["filename"]: r["position"] for r in store.arrow(store.read(tracker)).to_pylist()}
    return int(rows[str(shop.logs.root / path)])


def test_one_file_per_run_in_any_order(opens: Opens, on_time: Workshop) -> None:
    files = [(path, file) for path, file in everything().items() if not path.startswith("audit")]
    random.Random(3).shuffle(files)
    shop = opens("one")
    there: dict[str, File] = {}
    for path, file in files:
        there[path] = file
        shop.logs.put(there)
        if file.data:
            assert read(shop).counts["inserted"] == len(file.lines)
    same_events(shop, on_time)
    shop.chain(wanted=_JOBS)
    assert differences(shop, on_time, [t.name for t in _JOBS]) == ""


@pytest.mark.parametrize("seed", [1])
def test_lines_split_differently_over_files(opens: Opens, on_time: Workshop, seed: int) -> None:
    rng = random.Random(seed)
    shop = opens("split")
    recut = [replace(a, rolls=tuple(sorted(at(0, rng.uniform(9, 80)) for _ in range(6)))) for a in world()]
    shop.logs.put(files_of(recut))
    read(shop)
    same_events(shop, on_time)


_MAGIC = 64  # bytes that tell the codec, each time that a file is opened


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Bytes that the reader took from each file, from the place that it was told to go to."""
    counted: dict[str, int] = {}
    taken = codecs._Source.take

    def take(self: codecs._Source, size: int) -> bytes:
        data = taken(self, size)
        counted[self._path] = counted.get(self._path, 0) + len(data)
        return data

    monkeypatch.setattr(codecs._Source, "take", take)
    return counted


def test_a_file_that_grows_is_continued_and_keeps_its_name_when_it_is_finished(
    opens: Opens, on_time: Workshop, bytes_read: dict[str, int]
) -> None:
    app = application("etl")
    shop = opens("grows")
    before = 0
    for now_ms in (at(0, 10), at(1, 9), at(2, 20), NOW_MS):
        files = files_of([app], now_ms)
        ((path, file),) = files.items()
        shop.logs.put(files)
        bytes_read.clear()
        result = read(shop)
        new = file.data[before:]
        assert result.counts["inserted"] == len(set(new.splitlines()))
        # Each file is looked into once at its head, to see that it is the same; that is bounded, the rest is new.
        # What goes over a log's first midnight is read as of one day, and then as of several.
        times = 2 if now_ms == at(1, 9) else 1
        assert bytes_read[str(shop.logs.root / path)] <= min(len(file.data), 1 << 20) + times * len(new) + _MAGIC
        assert position(shop, app.folder) == len(file.data)
        before = len(file.data)
    same_events(shop, on_time, app.log_id)
    assert path == app.folder


@pytest.mark.parametrize("steps", [(7,), (1, 7), (3, 7), (4, 7), (3, 4, 7), (5, 7)])
def test_records_of_a_log_over_midnight_are_on_their_own_days(opens: Opens, steps: tuple[int, ...]) -> None:
    hours = [(0, 23.5), (0, 23.9999), (0, 22), (1, 0), (1, 0.5), (0, 23), (2, 1)]
    start, *_ = application("etl").lines  # states no time: it is on the day of the first that does
    lines = [
        start,
        *(b'{"Event":"SparkListenerBlockUpdated","Timestamp":%d,"n":%d}\n' % (at(*h), n) for n, h in enumerate(hours)),
    ]
    shop = opens("midnight" + "-".join(map(str, steps)))
    for count in steps:
        shop.logs.put({"spark/midnight": File(b"".join(lines[: count + 1]), at(2, 2 + count))})
        read(shop)
    days = sorted(shop.store().arrow(shop.store().read(tables()[BRONZE]).select("date")).column("date").to_pylist())
    assert days == [DAYS[0]] * 5 + [DAYS[1]] * 2 + [DAYS[2]]


def test_only_new_bytes_of_a_large_file_are_read(opens: Opens, bytes_read: dict[str, int]) -> None:
    lines = b"".join(
        b'{"Event":"SparkListenerBlockUpdated","Timestamp":%d,"pad":"%s"}\n' % (at(1, 3) + n, b"x" * 1000)
        for n in range(4000)
    )
    start = application("etl").lines[:6]
    shop = opens("large")
    shop.logs.put({"spark/large": File(b"".join(start) + lines, at(1, 4))})
    read(shop)
    shop.logs.put({"spark/large": File(b"".join(start) + lines + b"".join(application("etl").lines[6:9]), at(1, 5))})
    bytes_read.clear()
    assert read(shop).counts["inserted"] == 3
    assert sum(bytes_read.values()) <= (1 << 20) + sum(map(len, application("etl").lines[6:9])) + _MAGIC


def test_copies_add_nothing(opens: Opens, on_time: Workshop) -> None:
    apps = [application("notebooks"), application("etl")]
    files = files_of(apps)
    rolled = next(p for p in files if p.endswith(".gz"))
    whole = next(p for p in files if p.startswith("spark/"))
    shop = opens("copies")
    shop.logs.put(files)
    read(shop)
    copies = {
        rolled.replace("eventlog-2024", "eventlog-2023"): files[rolled],
        "spark/another-name": files[whole],
        "spark/packed.gz": File(gzip.compress(files[whole].data, mtime=0), NOW_MS),
        **{f"spark/backup/{p}": f for p, f in files.items() if p.startswith("databricks")},
    }
    shop.logs.put({**files, **copies})
    version = shop.store().version(tables()["table_changes"])
    assert read(shop).counts.get("inserted", 0) == 0
    for app in apps:
        same_events(shop, on_time, app.log_id)
    assert shop.rows(BRONZE).total() == sum(len(set(a.lines)) for a in apps)
    assert shop.store().version(tables()["table_changes"]) == version


def test_the_active_file_is_rolled_and_a_larger_one_takes_its_name(opens: Opens, on_time: Workshop) -> None:
    app: Application = application("stream")
    active = f"{app.folder}/eventlog"
    small, large = files_of([app], at(0, 12)), files_of([app], at(2, 0.4))
    rolled = files_of([replace(app, rolls=(at(0, 13),))], at(2, 0.4))
    assert len(small[active].data) < len(rolled[active].data)
    assert large.keys() >= small.keys()
    shop = opens("rolled")
    shop.logs.put(small)
    read(shop)
    shop.logs.put(rolled)
    read(shop)
    assert position(shop, active) == len(rolled[active].data)
    shop.logs.put(files_of([replace(app, rolls=(at(0, 13),))]))
    read(shop)
    same_events(shop, on_time, app.log_id)


def test_a_line_that_was_cut_off_is_whole_later(opens: Opens, on_time: Workshop) -> None:
    """Not in progress, so the cut line is in quarantine until the file is whole; then it is there no more."""
    app = application("etl")
    data = b"".join(app.lines)
    cut = data.index(app.lines[50]) + 40
    shop = opens("cut")
    shop.logs.put({app.folder: File(data[:cut], at(2, 1))})
    read(shop)
    assert shop.rows("quarantine_bronze").total() == 1
    shop.logs.put({app.folder: File(data[: data.index(app.lines[51]) - 1], at(2, 2))})  # whole but for its line end
    read(shop)
    shop.logs.put({app.folder: File(data, at(3, 4))})
    read(shop)
    same_events(shop, on_time, app.log_id)
    assert shop.rows("quarantine_bronze").total() == 0


def test_a_rolled_file_read_first_has_the_cluster_that_its_first_file_names(opens: Opens) -> None:
    """Spark's rolling layout tells the cluster in the first file only, and that may be of an earlier day."""
    app = application("failures")
    named = app.lines[0:2] + tuple(
        line.replace(
            b'"Spark Properties":{', b'"Spark Properties":{"spark.databricks.clusterUsageTags.clusterId":"c-1",'
        )
        for line in app.lines[2:]
    )
    files = files_of([replace(app, lines=named)])
    for order in ("backwards", "at-once"):
        shop = opens(order)
        shop.logs.put(files)
        for day in reversed(DAYS) if order == "backwards" else ():
            shop.chain([day], wanted=[tables()[BRONZE]])
        read(shop)
        clusters = {row[tables()[BRONZE].compared.index("clusterId")] for row in shop.rows(BRONZE)}
        assert clusters == {"c-1"}, order


def test_a_log_seen_at_its_first_line_gets_the_cluster_that_it_names_later(opens: Opens) -> None:
    app = application("etl")
    named = [
        line.replace(
            b'"Spark Properties":{', b'"Spark Properties":{"spark.databricks.clusterUsageTags.clusterId":"c-1",'
        )
        for line in app.lines
    ]
    shop = opens("first-line")
    for count in (1, len(named)):
        shop.logs.put({f"{app.folder}.inprogress": File(b"".join(named[:count]), at(1, count))})
        read(shop)
    clusters = {row[tables()[BRONZE].compared.index("clusterId")] for row in shop.rows(BRONZE)}
    assert clusters == {"c-1"}
    assert shop.rows(BRONZE).total() == len(set(named))
