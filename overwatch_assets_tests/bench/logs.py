"""Large event logs made of a recorded one: real records, repeated with new ids and later times."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from overwatch_assets.sample.logs import recorded

_COPIES = 8  # of each task: real applications have more tasks to a stage than the recorded one
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
_ROUND_MS = 20_000


def write_log(path: Path, megabytes: int, app_id: str, source: str = "etl-spark42.zstd") -> int:
    """Write one application's log of at least this size, and return its number of tasks."""
    lines = recorded(source)
    events = [orjson.loads(line) for line in lines]
    body = [e for e in events if _kind(e) in _REPEATED]
    stages = 1 + max(s["Stage ID"] for e in events for s in (e.get("Stage Info"), *e.get("Stage Infos", [])) if s)
    tasks = 1 + max(e["Task Info"]["Task ID"] for e in events if "Task Info" in e)
    jobs = 1 + max(e["Job ID"] for e in events if "Job ID" in e)
    executions = 1 + max(e["executionId"] for e in events if "executionId" in e)
    steps = {"Stage ID": stages, "Job ID": jobs, "executionId": executions}
    written = count = 0
    with path.open("wb") as file:
        for event in (e for e in events if _kind(e) not in _REPEATED and _kind(e) != "SparkListenerApplicationEnd"):
            if _kind(event) == "SparkListenerApplicationStart":
                event["App ID"] = app_id
            written += file.write(orjson.dumps(event) + b"\n")
        number = 0
        while written < megabytes * 1_000_000:
            for event in body:
                for copy in _copies(event, number, steps, tasks):
                    written += file.write(copy + b"\n")
                    count += _kind(event) == "SparkListenerTaskEnd"
            number += 1
        for event in (e for e in events if _kind(e) == "SparkListenerApplicationEnd"):
            file.write(orjson.dumps(_shifted(event, number, steps)) + b"\n")
    return count


def _kind(event: dict[str, Any]) -> str:
    return str(event["Event"]).rsplit(".", 1)[-1]


def _copies(event: dict[str, Any], number: int, steps: dict[str, int], tasks: int) -> Iterator[bytes]:
    shifted = _shifted(orjson.loads(orjson.dumps(event)), number, steps)
    if "Task Info" not in shifted:
        yield orjson.dumps(shifted)
        return
    task, index = shifted["Task Info"]["Task ID"], shifted["Task Info"]["Index"]
    for copy in range(_COPIES):
        shifted["Task Info"]["Task ID"] = task + tasks * (number * _COPIES + copy)
        shifted["Task Info"]["Index"] = index + 1000 * copy
        yield orjson.dumps(shifted)


def _shifted(event: dict[str, Any], number: int, steps: dict[str, int]) -> dict[str, Any]:
    """The event of a later round: every id and every time moved on."""
    for holder in (event, event.get("Stage Info"), event.get("Task Info"), *event.get("Stage Infos", [])):
        if holder is None:
            continue
        for name, step in steps.items():
            if isinstance(holder.get(name), int):
                holder[name] += step * number
        for name in _TIMES:
            if isinstance(holder.get(name), int) and holder[name] > 0:
                holder[name] += _ROUND_MS * number
        if "Parent IDs" in holder:
            holder["Parent IDs"] = [p + steps["Stage ID"] * number for p in holder["Parent IDs"]]
    if "Stage IDs" in event:
        event["Stage IDs"] = [s + steps["Stage ID"] * number for s in event["Stage IDs"]]
    execution = (event.get("Properties") or {}).get("spark.sql.execution.id")
    if execution:
        event["Properties"]["spark.sql.execution.id"] = str(int(execution) + steps["executionId"] * number)
    return event
