"""The recorded logs hold what the sample needs, nothing of the machine that wrote them, and what the manifest says."""

import itertools
import re
import socket
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from overwatch_assets.errors import OverwatchError
from overwatch_assets.sample.logs import RECORDED, own_time, recorded, retime, until
from overwatch_assets.sample.record.manifest import describe
from overwatch_assets.sample.record.scrub import Scrubber

MANIFEST: list[dict[str, Any]] = orjson.loads((RECORDED / "manifest.json").read_bytes())
NAMES = [entry["name"] for entry in MANIFEST]
LABELS = sorted({name.removesuffix(".inprogress").removesuffix(".zstd").partition("-")[2] for name in NAMES})


def events(name: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in recorded(name)]


def of_kind(name: str, *endings: str) -> list[dict[str, Any]]:
    return [event for event in events(name) if event["Event"].endswith(endings)]


# --- scrubbing, on literal lines


def scrubbed(log: bytes) -> list[bytes]:
    scrubber = Scrubber(
        paths={"/srv/rec": "/databricks/worker", "/srv/rec/driver": "/databricks/driver"},
        hosts={"127.0.0.1": 4, "127.0.0.2": 5},
    )
    return list(scrubber.lines(log))


def test_folders_addresses_and_the_machine_become_those_of_a_cluster() -> None:
    log = (
        '{"Event":"X","Host":"127.0.0.2","At":"file:/srv/rec/driver/lake, /srv/rec/app-1/0","By":"127.0.0.1:7078"}\n'
        f'{{"Event":"Y","Host":"{socket.gethostname()}"}}\n'
    )
    assert scrubbed(log.encode()) == [
        (
            b'{"Event":"X","Host":"10.139.64.5","At":"file:/databricks/driver/lake, /databricks/worker/app-1/0",'
            b'"By":"10.139.64.4:7078"}\n'
        ),
        b'{"Event":"Y","Host":"10.139.64.4"}\n',
    ]


def test_of_the_environment_only_the_spark_properties_stay() -> None:
    log = (
        b'{"Event":"SparkListenerEnvironmentUpdate","JVM Information":{"Java Home":"/x"},"Spark Properties":'
        b'{"spark.app.id":"a"},"System Properties":{"user.name":"u"},"Classpath Entries":{"/x.jar":"System"}}\n'
    )
    assert scrubbed(log) == [
        (
            b'{"Event":"SparkListenerEnvironmentUpdate","JVM Information":{},"Spark Properties":{"spark.app.id":"a"},'
            b'"System Properties":{},"Classpath Entries":{}}\n'
        )
    ]


def test_a_last_line_that_was_cut_off_is_left_out() -> None:
    assert scrubbed(b'{"Event":"X"}\n{"Event":"Y","Ti') == [b'{"Event":"X"}\n']


def test_what_could_not_be_replaced_stops_the_recording() -> None:
    with pytest.raises(OverwatchError, match=r"'/srv/rec' is left in a recorded event"):
        scrubbed(b'{"Event":"X","At":"/srv/record"}\n')
    with pytest.raises(OverwatchError, match="'/tmp/' is left"):
        scrubbed(b'{"Event":"X","At":"file:/tmp/blockmgr-1"}\n')


# --- what is recorded


def test_every_recording_is_there_for_each_spark() -> None:
    assert [label[: len("spark3")] for label in LABELS] == ["spark3", "spark4"]
    expected = {f"{app}-{label}.zstd" for app in ("etl", "failures", "stream", "notebooks") for label in LABELS}
    expected |= {f"interrupted-{label}.zstd.inprogress" for label in LABELS}
    assert set(NAMES) == expected
    assert {path.name for path in RECORDED.iterdir()} == expected | {"manifest.json"}
    assert sum(path.stat().st_size for path in RECORDED.iterdir()) < 1_500_000


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_says_what_is_in_the_log(name: str) -> None:
    entry = next(entry for entry in MANIFEST if entry["name"] == name)
    assert entry == {"name": name, **describe(recorded(name))}
    assert entry["spark_version"].startswith("3.5." if "spark35" in name else "4.")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_recording_machine_is_left(name: str) -> None:
    text = b"".join(recorded(name)).decode()
    assert re.findall(r"(?<![\w.-])/(?:work|root|home|tmp|var|opt|mnt|usr|srv|private|repo)\b[^\"]{0,40}", text) == []
    assert set(re.findall(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", text)) == {
        "10.139.64.4",
        "10.139.64.5",
        "10.139.64.6",
    }
    assert ".record/" not in text
    assert "localhost" not in text
    (environment,) = of_kind(name, "EnvironmentUpdate")
    assert {key for key, value in environment.items() if value} == {"Event", "Spark Properties"}


@pytest.mark.parametrize("label", LABELS)
def test_etl_has_spill_skew_a_cached_table_and_parquet_in_and_out(label: str) -> None:
    ends = of_kind(f"etl-{label}.zstd", "TaskEnd")
    metrics = [end["Task Metrics"] for end in ends]
    assert sum(m["Memory Bytes Spilled"] for m in metrics) > 10_000_000
    assert sum(m["Disk Bytes Spilled"] for m in metrics) > 10_000_000
    assert sum(m["Input Metrics"]["Bytes Read"] for m in metrics) > 10_000_000
    assert sum(m["Output Metrics"]["Bytes Written"] for m in metrics) > 10_000_000
    assert sum(m["Shuffle Read Metrics"]["Remote Bytes Read"] for m in metrics) > 1_000_000
    durations: dict[int, list[int]] = {}
    for end in ends:
        info = end["Task Info"]
        durations.setdefault(end["Stage ID"], []).append(info["Finish Time"] - info["Launch Time"])
    assert any(len(each) == 12 and max(each) > 3 * sorted(each)[6] for each in durations.values())
    stages = of_kind(f"etl-{label}.zstd", "StageCompleted")
    assert any(rdd["Storage Level"]["Use Memory"] for stage in stages for rdd in stage["Stage Info"]["RDD Info"])


@pytest.mark.parametrize("label", LABELS)
def test_failures_has_every_way_for_a_task_to_end(label: str) -> None:
    name = f"failures-{label}.zstd"
    ends = of_kind(name, "TaskEnd")
    assert {end["Task End Reason"]["Reason"] for end in ends} >= {
        "Success",
        "ExceptionFailure",
        "ExecutorLostFailure",
        "FetchFailed",
        "TaskKilled",
    }
    assert any(end["Task Info"]["Speculative"] for end in ends)
    assert any(end["Task Info"]["Attempt"] > 0 for end in ends)
    assert any(end["Stage Attempt ID"] > 0 for end in ends)
    assert {end["Job Result"]["Result"] for end in of_kind(name, "JobEnd")} == {"JobSucceeded", "JobFailed"}
    reasons = {removed["Removed Reason"] for removed in of_kind(name, "ExecutorRemoved")}
    assert {"Command exited with code 137", "Executor killed by driver."} <= reasons


@pytest.mark.parametrize("label", LABELS)
def test_stream_has_two_runs_of_one_query_and_one_that_fails(label: str) -> None:
    name = f"stream-{label}.zstd"
    started = of_kind(name, "QueryStartedEvent")
    assert [each["name"] for each in started] == ["orders_per_window", "orders_per_window", "checked_orders"]
    assert started[0]["id"] == started[1]["id"]
    assert started[0]["runId"] != started[1]["runId"]
    failed = [each["runId"] for each in of_kind(name, "QueryTerminatedEvent") if each.get("exception")]
    assert failed == [started[2]["runId"]]
    described = {each["description"] for each in of_kind(name, "SQLExecutionStart")}
    of_batch = re.compile(rf"id = {started[0]['id']}.*runId = {started[0]['runId']}.*batch = 1", re.DOTALL)
    assert any(of_batch.search(description) for description in described)


@pytest.mark.parametrize("label", LABELS)
def test_notebooks_has_databricks_properties_and_jobs_without_a_user(label: str) -> None:
    jobs = of_kind(f"notebooks-{label}.zstd", "JobStart")
    properties = [job["Properties"] for job in jobs]
    groups = {each["spark.jobGroup.id"] for each in properties}
    assert {"1234_5678_job-77-run-9001-action-1", "1001_5003_7d1f0c"} <= groups
    without = [each for each in properties if "user" not in each]
    repls = {each["spark.databricks.replId"] for each in properties if "user" in each}
    assert any(each.get("spark.databricks.replId") in repls for each in without)
    assert any("spark.databricks.job.id" not in e and "job-77-run-9002" in e["spark.jobGroup.id"] for e in without)
    assert all(each["spark.sample.upstream.api.token"] == "not-a-real-token" for each in properties)
    assert any("spark.sql.execution.id" in each for each in properties)
    spans = sorted((job["Submission Time"], job["Job ID"]) for job in jobs)
    ends = {end["Job ID"]: end["Completion Time"] for end in of_kind(f"notebooks-{label}.zstd", "JobEnd")}
    assert any(ends[first] > start for (_, first), (start, _) in itertools.pairwise(spans)), "none at once"


@pytest.mark.parametrize("label", LABELS)
def test_interrupted_ends_with_an_open_job_stage_and_task(label: str) -> None:
    counts = next(e for e in MANIFEST if e["name"] == f"interrupted-{label}.zstd.inprogress")
    assert counts["ended"] is False
    for kind in ("jobs", "stage_attempts", "tasks", "executions"):
        assert counts["counts"][kind] > counts["counts"][f"{kind}_ended"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_retiming_moves_every_event_alike_and_twice_gives_the_same(name: str) -> None:
    lines = recorded(name)
    entry = next(entry for entry in MANIFEST if entry["name"] == name)
    start_ms = 1_714_608_000_000
    how: dict[str, Any] = {"start_ms": start_ms, "app_id": "app-20240502000000-0007", "stretch": 3.0}
    new = list(retime(lines, **how))
    assert new == list(retime(lines, **how))
    before = [own_time(orjson.loads(line)) for line in lines]
    after = [own_time(orjson.loads(line)) for line in new]
    assert after == [at and start_ms + 3 * (at - entry["first_ms"]) for at in before]
    text = b"".join(new).decode()
    assert entry["app_id"] not in text
    # No field still has a time of the recording; a streaming plan's text has its watermark, and stays as recorded.
    recording_day = datetime.fromtimestamp(entry["first_ms"] / 1000, UTC).date().isoformat()
    assert re.findall(rf'(?<=[:"]){str(entry["first_ms"])[:6]}\d{{7}}\b|"{recording_day}T', text) == []
    assert [line for line in until(new, start_ms - 1) if own_time(orjson.loads(line)) is not None] == []
    assert list(until(new, start_ms + 10**9)) == new
