"""Large event logs made of recorded ones: real records, repeated with new ids and later times."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from overwatch_assets.sample.logs import recorded

_SOURCES = ("etl-spark42.zstd", "failures-spark42.zstd", "notebooks-spark42.zstd", "stream-spark42.zstd")
_REPEATED = {
    "SparkListenerJobStart",
    "SparkListenerJobEnd",
    "SparkListenerStageSubmitted",
    "SparkListenerStageCompleted",
    "SparkListenerTaskStart",
    "SparkListenerTaskEnd",
    "SparkListenerSQLExecutionStart",
    "SparkListenerSQLExecutionEnd",
    "SparkListenerDriverAccumUpdates",
}
_TIMES = (
    "Timestamp",
    "time",
    "Submission Time",
    "Completion Time",
    "Launch Time",
    "Finish Time",
    "Getting Result Time",
)
_ROUND_MS = 60_000


@dataclass(frozen=True)
class _Recorded:
    """One recorded application: what is said once, what is repeated, and how many ids it uses of each kind."""

    head: list[dict[str, Any]]
    body: list[dict[str, Any]]
    end: list[dict[str, Any]]
    steps: dict[str, int]

    @classmethod
    def of(cls, source: str) -> "_Recorded":
        events = [orjson.loads(line) for line in recorded(source)]
        body = [e for e in events if _kind(e) in _REPEATED]
        steps = {
            "Stage ID": 1
            + max(s["Stage ID"] for e in events for s in (e.get("Stage Info"), *e.get("Stage Infos", [])) if s),
            "Task ID": 1 + max(e["Task Info"]["Task ID"] for e in events if "Task Info" in e),
            "Job ID": 1 + max(e["Job ID"] for e in events if "Job ID" in e),
            "executionId": 1 + max((e["executionId"] for e in events if "executionId" in e), default=-1),
        }
        end = [e for e in events if _kind(e) == "SparkListenerApplicationEnd"]
        head = [e for e in events if _kind(e) not in _REPEATED and e not in end]
        return cls(head, body, end, steps)


def write_log(path: Path, megabytes: int, app_id: str, *, copies: int = 8) -> int:
    """Write one application's log of at least this size, and return its number of tasks.

    What each recorded application ran is repeated in turn.

    Args:
        path: where.
        megabytes: least size.
        app_id: its identity.
        copies: how often each task is repeated: real stages have more tasks than the recorded ones.
    """
    sources = [_Recorded.of(name) for name in _SOURCES]
    used = dict.fromkeys(sources[0].steps, 0)
    written = count = number = 0
    with path.open("wb") as file:
        for event in sources[0].head:
            if _kind(event) == "SparkListenerApplicationStart":
                event["App ID"] = app_id
            written += file.write(orjson.dumps(event) + b"\n")
        while written < megabytes * 1_000_000:
            source = sources[number % len(sources)]
            for event in source.body:
                for copy in _copies(event, number, used, source.steps["Task ID"], copies):
                    written += file.write(copy + b"\n")
                    count += _kind(event) == "SparkListenerTaskEnd"
            for name, step in source.steps.items():
                used[name] += step * (copies if name == "Task ID" else 1)
            number += 1
        for event in sources[0].end:
            file.write(orjson.dumps(_shifted(event, number, used)) + b"\n")
    return count


def _kind(event: dict[str, Any]) -> str:
    return str(event["Event"]).rsplit(".", 1)[-1]


def _copies(event: dict[str, Any], number: int, used: dict[str, int], tasks: int, copies: int) -> Iterator[bytes]:
    shifted = _shifted(orjson.loads(orjson.dumps(event)), number, used)
    if "Task Info" not in shifted:
        yield orjson.dumps(shifted)
        return
    info = shifted["Task Info"]
    task, index = info["Task ID"], info["Index"]
    for copy in range(copies):
        info["Task ID"] = used["Task ID"] + task + tasks * copy
        info["Index"] = index + 1000 * copy
        yield orjson.dumps(shifted)


def _shifted(event: dict[str, Any], number: int, used: dict[str, int]) -> dict[str, Any]:
    """The event of a later round: every id moved on by those used before, every time by the rounds."""
    for holder in (event, event.get("Stage Info"), event.get("Task Info"), *event.get("Stage Infos", [])):
        if holder is None:
            continue
        for name in ("Stage ID", "Job ID", "executionId"):
            if isinstance(holder.get(name), int):
                holder[name] += used[name]
        for name in _TIMES:
            if isinstance(holder.get(name), int) and holder[name] > 0:
                holder[name] += _ROUND_MS * number
        if "Parent IDs" in holder:
            holder["Parent IDs"] = [p + used["Stage ID"] for p in holder["Parent IDs"]]
    if "Stage IDs" in event:
        event["Stage IDs"] = [s + used["Stage ID"] for s in event["Stage IDs"]]
    execution = (event.get("Properties") or {}).get("spark.sql.execution.id")
    if execution:
        event["Properties"]["spark.sql.execution.id"] = str(int(execution) + used["executionId"])
    return event
