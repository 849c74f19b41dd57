"""What a recorded log holds, counted by one plain pass over its lines."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson

from overwatch_assets.sample.logs import own_time

SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecution"
STREAM = "org.apache.spark.sql.streaming.StreamingQueryListener$Query"
COUNTED = {
    "SparkListenerJobStart": "jobs",
    "SparkListenerJobEnd": "jobs_ended",
    "SparkListenerStageSubmitted": "stage_attempts",
    "SparkListenerStageCompleted": "stage_attempts_ended",
    "SparkListenerTaskStart": "tasks",
    "SparkListenerTaskEnd": "tasks_ended",
    "SparkListenerExecutorAdded": "executors",
    "SparkListenerExecutorRemoved": "executors_removed",
    f"{SQL}Start": "executions",
    f"{SQL}End": "executions_ended",
    f"{STREAM}StartedEvent": "streams",
    f"{STREAM}ProgressEvent": "stream_progress",
    f"{STREAM}TerminatedEvent": "streams_ended",
}


def describe(lines: Iterable[bytes]) -> dict[str, Any]:
    """Spark version, application, first and last event time (epoch milliseconds), and how many events of each kind.

    `counts` are events (a start and its end are two kinds); `task_ends` splits the ended tasks by Spark's reason.
    """
    counts = Counter(dict.fromkeys(COUNTED.values(), 0))
    reasons: Counter[str] = Counter()
    times: list[int] = []
    about: dict[str, Any] = {"spark_version": None, "app_id": None, "app_name": None, "ended": False}
    records = 0
    for line in lines:
        event = orjson.loads(line)
        records += 1
        at = own_time(event)
        if at is not None:
            times.append(at)
        kind = event["Event"]
        if kind in COUNTED:
            counts[COUNTED[kind]] += 1
        if kind == "SparkListenerLogStart":
            about["spark_version"] = event["Spark Version"]
        elif kind == "SparkListenerApplicationStart":
            about |= {"app_id": event["App ID"], "app_name": event["App Name"]}
        elif kind == "SparkListenerApplicationEnd":
            about["ended"] = True
        elif kind == "SparkListenerTaskEnd":
            reasons[event["Task End Reason"]["Reason"]] += 1
    return {
        **about,
        "first_ms": min(times),
        "last_ms": max(times),
        "records": records,
        "counts": dict(counts),
        "task_ends": dict(sorted(reasons.items())),
    }
