"""The sensor on new cluster logs, tick by tick."""

import datetime as dt
import json
import os
import uuid
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from overwatch_assets.orchestration import sensors
from overwatch_assets.orchestration.partitions import RANGE_END, RANGE_START
from overwatch_assets.orchestration.sensors import LOGS_TAG, Seen, Tick, looked, selection
from overwatch_assets.orchestration.state import ReadFile
from overwatch_assets_tests.orchestration.worlds import World

HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERWATCH_SENSOR_MIN_MINUTES", "0")


class Sensor:
    """The sensor with its cursor kept between ticks, and its requests made runs of an instance."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.sensor = definitions.resolve_sensor_def("new_cluster_logs")
        self.definitions, self.instance = definitions, instance
        self.cursor: str | None = None
        self.keys: set[str | None] = set()

    def tick(self, status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS) -> list[tuple[str, str]]:
        """Ranges of days that are asked for; those that Dagster would not start again are left out."""
        context = dg.build_sensor_context(self.instance, cursor=self.cursor, definitions=self.definitions)
        result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        new = [r for r in result.run_requests or [] if r.run_key not in self.keys]
        self.keys |= {r.run_key for r in new}
        for request in new:
            run = dg.DagsterRun("all_job", run_id=str(uuid.uuid4()), tags=dict(request.tags), status=status)
            self.instance.add_run(run)  # without a plan: the sensor asks for tags and states
        return [(r.tags[RANGE_START], r.tags[RANGE_END]) for r in new]

    def compare_again(self) -> None:
        """Make the hourly comparison due."""
        cursor = json.loads(self.cursor or "{}")
        self.cursor = json.dumps({w: {**seen, "compared_ms": 0} for w, seen in cursor.items()})


@pytest.fixture
def sensor(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Sensor:
    return Sensor(definitions, instance)


def touch(file: Path, at: str, add: bytes = b"\n") -> None:
    file.write_bytes(file.read_bytes() + add)
    seconds = dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC).timestamp()
    os.utime(file, (seconds, seconds))


def test_new_log_is_one_request_then_quiet(world: World, sensor: Sensor) -> None:
    assert sensor.tick() == []
    world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-1")
    assert sensor.tick() == [("2024-05-02|123", "2024-05-02|123")]
    assert sensor.tick() == []


def test_range_is_from_the_first_event_to_the_last_change(world: World, sensor: Sensor) -> None:
    file = world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-1")
    touch(file, "2024-05-04T01:00")
    world.log("456", "failures-spark42.zstd", "2024-05-06T10:00", "app-2")
    assert sensor.tick() == [("2024-05-02|123", "2024-05-04|123"), ("2024-05-06|456", "2024-05-06|456")]


def test_days_apart_are_two_requests(world: World, sensor: Sensor) -> None:
    world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-1")
    world.log("123", "failures-spark42.zstd", "2024-05-03T10:00", "app-2")
    world.log("123", "failures-spark42.zstd", "2024-05-09T10:00", "app-3")
    assert sensor.tick() == [("2024-05-02|123", "2024-05-03|123"), ("2024-05-09|123", "2024-05-09|123")]


def test_days_before_the_primordial_date_are_not_asked_for(world: World, sensor: Sensor) -> None:
    world.log("456", "failures-spark42.zstd", "2024-05-01T10:00", "app-1")  # 456 begins on 2 May
    assert sensor.tick() == []


def test_growing_file_waits_for_the_interval(world: World, sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERWATCH_SENSOR_MIN_MINUTES", "15")
    file = world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-1")
    assert sensor.tick() == [("2024-05-02|123", "2024-05-02|123")]
    for minute in ("11:00", "11:01", "11:02"):
        touch(file, f"2024-05-02T{minute}")
        assert sensor.tick() == []
    monkeypatch.setenv("OVERWATCH_SENSOR_MIN_MINUTES", "0")  # as if the time had passed
    assert sensor.tick() == [("2024-05-02|123", "2024-05-02|123")]
    assert sensor.tick() == []


def test_nothing_is_asked_for_while_a_run_of_the_workspace_is_under_way(world: World, sensor: Sensor) -> None:
    file = world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-1")
    assert sensor.tick(dg.DagsterRunStatus.STARTED) == [("2024-05-02|123", "2024-05-02|123")]
    touch(file, "2024-05-02T12:00")
    assert sensor.tick() == []
    (run,) = sensor.instance.get_runs()
    sensor.instance.report_run_canceled(run)
    assert sensor.tick() == [("2024-05-02|123", "2024-05-02|123")]


def test_late_file_with_an_old_time_is_found_by_the_comparison(world: World, sensor: Sensor) -> None:
    world.log("123", "failures-spark42.zstd", "2024-05-05T10:00", "app-new")
    assert sensor.tick() == [("2024-05-05|123", "2024-05-05|123")]
    world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-old")
    assert sensor.tick() == []  # below the watermark
    read = sensors.files_read
    new = world.logs("123") / "app-new"
    known = ReadFile(new.stat().st_size, round(new.stat().st_mtime * 1000), None)
    sensor.compare_again()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sensors, "files_read", lambda *a: {**read(*a), str(new): known})  # as its run would have left it
        assert sensor.tick() == [("2024-05-02|123", "2024-05-02|123")]


def test_same_bytes_are_asked_for_again_only_while_their_run_fails(world: World, sensor: Sensor) -> None:
    """Nothing reads the file here, so that every comparison finds it unread."""
    world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-1")
    asked = []
    for status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.SUCCESS):
        asked.append(sensor.tick(status))
        sensor.compare_again()
    again = [("2024-05-02|123", "2024-05-02|123")]
    assert asked == [again, again, []]
    assert len({run.tags[LOGS_TAG] for run in sensor.instance.get_runs()}) == 1


def test_gives_up_after_three_failures(world: World, sensor: Sensor) -> None:
    world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-1")
    asked = 0
    for _ in range(5):
        asked += len(sensor.tick(dg.DagsterRunStatus.FAILURE))
        sensor.compare_again()
    assert asked == 3


def test_file_that_cannot_be_opened_is_asked_for_once(world: World, sensor: Sensor) -> None:
    """Its load puts it into quarantine; here it is a folder's worth of junk with a codec's name."""
    junk = world.logs("123") / "app-junk.zstd"
    junk.write_bytes(b"\x00junk")
    os.utime(junk, (1714640000, 1714640000))  # 2 May 2024, 08:53 UTC
    assert sensor.tick() == [("2024-05-02|123", "2024-05-02|123")]
    sensor.compare_again()
    assert sensor.tick() == []


def test_many_files_are_continued_by_the_next_tick(
    world: World, sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "_MOST_FILES", 2)
    for day in (2, 3, 4):
        world.log("123", "failures-spark42.zstd", f"2024-05-0{day}T10:00", f"app-{day}", lines=20)
    assert sensor.tick() == [("2024-05-02|123", "2024-05-03|123")]
    assert sensor.tick() == [("2024-05-04|123", "2024-05-04|123")]
    assert sensor.tick() == []


def test_young_file_is_left_to_the_next_tick(world: World) -> None:
    """It may change again within the same time stamp, which the watermark could not tell."""
    file = world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-1")
    modified = round(file.stat().st_mtime * 1000)
    tick = Tick(dt.datetime(2024, 5, 2, 12, tzinfo=dt.UTC), modified + 500, 0)
    workspace = world.deployment.workspace("123")
    seen = looked(world.deployment, workspace, Seen(), tick, busy=False)
    assert (seen.waiting, seen.modified_ms) == ((), -1)
    seen = looked(world.deployment, workspace, seen, replace(tick, ms=modified + 5_000), busy=False)
    assert seen.waiting == (("2024-05-02", "2024-05-02"),)


def test_grown_file_asks_only_for_the_days_since_it_was_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file = world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-1")
    touch(file, "2024-05-06T09:00")
    last_read = round(dt.datetime(2024, 5, 5, 23, tzinfo=dt.UTC).timestamp() * 1000)
    known = ReadFile(file.stat().st_size - 1, 0, last_read)
    monkeypatch.setattr(sensors, "files_read", lambda *_: {str(file): known})
    tick = Tick(dt.datetime(2024, 5, 6, 12, tzinfo=dt.UTC), HOUR_MS * 24 * 365 * 60, 0)
    seen = looked(world.deployment, world.deployment.workspace("123"), Seen(), tick, busy=False)
    assert seen.waiting == (("2024-05-05", "2024-05-06"),)


def test_missing_folder_of_one_workspace_does_not_hide_the_others(world: World, sensor: Sensor) -> None:
    world.logs("123").rmdir()
    world.log("456", "failures-spark42.zstd", "2024-05-06T10:00", "app-2")
    assert sensor.tick() == [("2024-05-06|456", "2024-05-06|456")]


def test_missing_folder_of_several_does_not_hide_the_others(world: World) -> None:
    world.log("123", "failures-spark42.zstd", "2024-05-05T10:00", "app-1")
    workspace = world.deployment.workspace("123")
    folders = [*workspace.cluster_log_prefixes, str(world.logs("123") / "nowhere")]
    workspace = workspace.model_copy(update={"cluster_log_prefixes": folders})
    tick = Tick(dt.datetime(2024, 5, 6, 12, tzinfo=dt.UTC), HOUR_MS * 24 * 365 * 60, 0)
    assert looked(world.deployment, workspace, Seen(), tick, busy=False).waiting == (("2024-05-05", "2024-05-05"),)


def test_broken_tables_of_one_workspace_do_not_hide_the_others(world: World, sensor: Sensor) -> None:
    world.log("123", "failures-spark42.zstd", "2024-05-05T10:00", "app-1")
    world.log("456", "failures-spark42.zstd", "2024-05-06T10:00", "app-2")
    log = Path(world.deployment.table_root("123")) / "spark_events_processedfiles" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("no commit")
    assert sensor.tick() == [("2024-05-06|456", "2024-05-06|456")]
    (log / f"{0:020}.json").unlink()  # a log without a commit, as a killed process leaves it, is no table
    assert sensor.tick() == [("2024-05-05|123", "2024-05-05|123")]


def test_the_comparison_is_made_though_a_growing_file_waits(world: World) -> None:
    """An hour later a file waits for the interval; a late one with an old time is found beside it."""
    world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-late")
    workspace = world.deployment.workspace("123")
    tick = Tick(dt.datetime(2024, 5, 6, 12, tzinfo=dt.UTC), HOUR_MS * 24 * 365 * 60, 15 * 60_000)
    may_6_ms = 1_714_953_600_000
    growing = Seen(may_6_ms, "", tick.ms - HOUR_MS, tick.ms - 60_000, (("2024-05-05", "2024-05-06"),), may_6_ms, "d")
    seen = looked(world.deployment, workspace, replace(growing, compared_ms=tick.ms - HOUR_MS + 1), tick, busy=False)
    assert seen.waiting == (("2024-05-05", "2024-05-06"),)
    assert looked(world.deployment, workspace, growing, tick, busy=True).waiting == seen.waiting
    seen = looked(world.deployment, workspace, growing, tick, busy=False)
    assert seen.waiting == (("2024-05-02", "2024-05-02"), ("2024-05-05", "2024-05-06"))
    assert seen.compared_ms == tick.ms


def test_some_files_are_looked_at_though_listing_them_took_all_the_time(
    world: World, sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "_MOST_SECONDS", -1.0)
    monkeypatch.setattr(sensors, "_LEAST_FILES", 2)
    for day in (2, 3, 4):
        world.log("123", "failures-spark42.zstd", f"2024-05-0{day}T10:00", f"app-{day}", lines=20)
    assert sensor.tick() == [("2024-05-02|123", "2024-05-03|123")]
    sensor.compare_again()  # not before the first look has come to its end
    assert sensor.tick() == [("2024-05-04|123", "2024-05-04|123")]


def test_a_look_that_is_not_at_its_end_says_so(
    world: World, definitions: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "_MOST_FILES", 1)
    for number in (1, 2):  # of before the primordial date, so that nothing is asked for
        world.log("123", "failures-spark42.zstd", "2024-04-02T10:00", f"app-{number}", lines=20)
    sensor = definitions.resolve_sensor_def("new_cluster_logs")
    result = sensor(dg.build_sensor_context(instance, definitions=definitions))
    assert isinstance(result, dg.SensorResult)
    assert result.skip_reason is not None
    assert (result.skip_reason.skip_message or "").endswith("; the next tick looks at more files of workspace 123")


def test_thousands_of_files_fit_into_a_tick(world: World, sensor: Sensor) -> None:
    one = world.log("123", "failures-spark42.zstd", "2024-05-02T10:00", "app-1", lines=20).read_bytes()
    for number in range(3_000):
        file = world.logs("123") / f"app-2-{number:05d}"
        file.write_bytes(one)
        os.utime(file, (1714640000 + number, 1714640000 + number))
    began = dt.datetime.now(dt.UTC)
    assert sensor.tick() == [("2024-05-02|123", "2024-05-02|123")]
    assert sensor.tick() == [("2024-05-02|123", "2024-05-02|123")]  # the thousand that the first tick left
    assert (dt.datetime.now(dt.UTC) - began).total_seconds() < 60


def test_selection_is_the_logs_what_they_need_and_what_is_below() -> None:
    assert selection() == [
        "audit_log_bronze",
        "clusters_snapshot_bronze",
        "spark_events_bronze",
        "spark_executors_silver",
        "spark_executions_silver",
        "spark_jobs_silver",
        "spark_stages_silver",
        "spark_tasks_silver",
        "sparkjob_gold",
        "sparkstage_gold",
        "sparktask_gold",
        "sparkexecution_gold",
        "sparkexecutor_gold",
        "sparkstream_gold",
    ]


def test_wrong_interval_is_one_sentence(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERWATCH_SENSOR_MIN_MINUTES", "often")
    with pytest.raises(Exception, match="OVERWATCH_SENSOR_MIN_MINUTES must be a number of minutes, not 'often'"):
        sensor.tick()
