"""Recorded Spark event logs as the sample needs them: moved in time, stretched, given other names, cut off at a moment.

The recorded files and their manifest are in `recorded/`; `record/` makes them. All functions are pure: the same
arguments give the same bytes. Times are epoch milliseconds, UTC.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import zstandard

from overwatch_assets.errors import SourceError

RECORDED = Path(__file__).parent / "recorded"
SPARK_CONTEXT_ID = "spark.databricks.sparkContextId"
CLUSTER_ID = "spark.databricks.clusterUsageTags.clusterId"
RECORDED_CLUSTER_ID = "0502-123456-abcd123"  # in the notebooks' logs

# Spark writes 0 where a task has no such time, and the epoch where a stream has no watermark yet: those stay.
_MILLISECONDS = frozenset(
    {
        "Completion Time",
        "Finish Time",
        "Getting Result Time",
        "Launch Time",
        "Registration Time",
        "Request Time",
        "Submission Time",
        "Timestamp",
        "time",
    }
)
_TIMED_PARTS = ("Executor Info", "Stage Info", "Task Info")
_MILLISECOND_PROPERTIES = frozenset({"spark.app.startTime", "spark.app.submitTime"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# Where a record's own time stands: the record itself, or the object that it is about.
_OWN_TIME = {
    "SparkListenerStageSubmitted": ("Stage Info", "Submission Time"),
    "SparkListenerStageCompleted": ("Stage Info", "Completion Time"),
    "SparkListenerTaskStart": ("Task Info", "Launch Time"),
    "SparkListenerTaskGettingResult": ("Task Info", "Getting Result Time"),
    "SparkListenerTaskEnd": ("Task Info", "Finish Time"),
    "SparkListenerJobStart": ("Submission Time",),
    "SparkListenerJobEnd": ("Completion Time",),
}


def recorded(name: str) -> list[bytes]:
    """Read the lines of `recorded/{name}`, each with its line break.

    Raises SourceError if there is no such log.
    """
    path = RECORDED / name
    if not path.is_file():
        raise SourceError(
            f"There is no recorded event log {name!r} in {RECORDED}; run `make record-sample` to record it."
        )
    return zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes()).splitlines(keepends=True)


def own_time(event: Mapping[str, Any]) -> int | None:
    """Say when an event happened; None for those that carry no time (Spark's version, plans, metrics, properties).

    Job and stage ends are at their completion, task ends at their finish; streaming progress at its trigger's start.
    """
    value: Any = event
    for key in _OWN_TIME.get(event["Event"], ()):
        value = value.get(key)
    if value is event:
        value = next((event[key] for key in ("Timestamp", "timestamp", "time") if key in event), None)
        if value is None and "progress" in event:
            value = event["progress"].get("timestamp")
    return _from_iso(value) if isinstance(value, str) else value


def until(lines: Iterable[bytes], now_ms: int) -> Iterator[bytes]:
    """Give the lines that a log being written holds at `now_ms`: all before the first one that is later.

    A line without a time was written with the one before it. What an earlier moment gives is the beginning of what a
    later one gives, as in a file that grows.
    """
    return itertools.takewhile(lambda line: (own_time(orjson.loads(line)) or 0) <= now_ms, lines)


def retime(
    lines: Iterable[bytes],
    *,
    start_ms: int,
    app_id: str,
    stretch: float = 1.0,
    app_name: str | None = None,
    spark_context_id: str | None = None,
    cluster_id: str | None = None,
    host_map: Mapping[str, str] | None = None,
    properties: Mapping[str, str | None] | None = None,
    replace: Mapping[str, str] | None = None,
) -> Iterator[bytes]:
    """Make a recorded log another application at another time: one line for each, metrics and plans as recorded.

    - The first event (the application start) is at `start_ms`; an event `t` ms after it is `t * stretch` ms after
      `start_ms`, rounded. Every time moves so: the events' own, those of the tasks and stages in them, Spark's two
      time properties, the streams' ISO times. Metrics (run time, CPU, durations) stay, so `stretch` is 1 or more: a
      task must not be shorter than its run time.
    - `app_id` replaces the recorded id wherever it stands; `app_name` the application's name.
    - `properties` are set on the local properties of every job and stage and on the Spark properties; None removes.
      `spark_context_id` and `cluster_id` are set so under Databricks' names, and `cluster_id` also replaces
      `RECORDED_CLUSTER_ID` in other properties, such as the cluster's tags.
    - `host_map` (recorded host to new one; the driver's is `10.139.64.4`) and `replace` (job and run ids, users,
      stream ids, notebook paths, …) apply to every string value, where the text is not part of a longer word or
      number: `{"job-77-run-9001": "job-5-run-6"}`. Numbers and keys stay. All are replaced at once, so names can be
      swapped.

    Raises SourceError if the lines have no application start, ValueError if `stretch` is below 1.
    """
    if stretch < 1:
        raise ValueError(f"stretch is {stretch}; it must be 1 or more")
    rest = iter(lines)
    head = _through_application_start(rest)
    first_ms = min(at for event in head if (at := own_time(event)) is not None)
    application = head[-1]
    names = {application["App ID"]: app_id, **(host_map or {}), **(replace or {})}
    given: dict[str, str | None] = {}
    if app_name is not None:
        application["App Name"] = app_name
    if spark_context_id is not None:
        given[SPARK_CONTEXT_ID] = spark_context_id
    if cluster_id is not None:
        names[RECORDED_CLUSTER_ID] = given[CLUSTER_ID] = cluster_id
    clock = _Clock(first_ms, start_ms, stretch)
    renamed = _renamer(names)
    for event in itertools.chain(head, map(orjson.loads, rest)):
        mended = renamed(event)
        clock.move(mended)
        _give(mended.get("Properties"), given | dict(properties or {}))
        spark_properties = mended.get("Spark Properties")
        _give(spark_properties, given | ({"spark.app.name": app_name} if app_name else {}) | dict(properties or {}))
        yield orjson.dumps(mended, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True)
class _Clock:
    """Maps recorded times to new ones."""

    first_ms: int
    start_ms: int
    stretch: float

    def at(self, recorded_ms: int) -> int:
        """Give the new time; 0 means "no time" in Spark's records and stays."""
        return self.start_ms + round((recorded_ms - self.first_ms) * self.stretch) if recorded_ms else 0

    def move(self, event: dict[str, Any]) -> None:
        """Move every time of one record, in place."""
        parts = (event[name] for name in _TIMED_PARTS if name in event)
        for part in (event, *parts, *event.get("Stage Infos", ())):
            for key in _MILLISECONDS & part.keys():
                part[key] = self.at(part[key])
        for properties in (event.get("Properties", {}), event.get("Spark Properties", {})):
            for key in _MILLISECOND_PROPERTIES & properties.keys():
                properties[key] = str(self.at(int(properties[key])))
        progress = event.get("progress", {})
        for part in (event, progress):
            if "timestamp" in part:
                part["timestamp"] = _to_iso(self.at(_from_iso(part["timestamp"])))
        for name, value in progress.get("eventTime", {}).items():
            progress["eventTime"][name] = _to_iso(self.at(_from_iso(value)))


def _through_application_start(lines: Iterator[bytes]) -> list[dict[str, Any]]:
    """Take the records up to the application start, which comes after a few others."""
    head = []
    for line in lines:
        head.append(orjson.loads(line))
        if head[-1]["Event"] == "SparkListenerApplicationStart":
            return head
    raise SourceError("These lines have no SparkListenerApplicationStart, so they are not a whole recorded event log.")


def _renamer(names: Mapping[str, str]) -> Callable[[Any], Any]:
    """Make a function that puts new names for old in every string value of a record."""
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<![0-9A-Za-z])(?:{longest_first})(?![0-9A-Za-z])")

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return pattern.sub(lambda found: names[found[0]], value)
        if isinstance(value, dict):
            return {key: renamed(part) for key, part in value.items()}
        if isinstance(value, list):
            return [renamed(part) for part in value]
        return value

    return renamed


def _give(properties: dict[str, str] | None, given: Mapping[str, str | None]) -> None:
    """Set properties, or remove those that are None."""
    if properties is None:
        return
    for name, value in given.items():
        if value is None:
            properties.pop(name, None)
        else:
            properties[name] = value


def _from_iso(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND


def _to_iso(at_ms: int) -> str:
    return (_EPOCH + at_ms * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")
