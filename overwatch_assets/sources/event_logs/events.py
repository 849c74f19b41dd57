"""What a record of an event log says about itself: its time, and the application that the log belongs to."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_YEAR_10000_MS = 253_402_300_800_000
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_OWN_TIME = {
    "SparkListenerTaskStart": (("Task Info", "Launch Time"),),
    "SparkListenerStageSubmitted": (("Stage Info", "Submission Time"),),
}
_ANY_TIME = (
    ("Timestamp",),
    ("time",),
    ("Completion Time",),
    ("Submission Time",),
    ("Task Info", "Finish Time"),
    ("Task Info", "Launch Time"),
    ("Stage Info", "Completion Time"),
    ("Stage Info", "Submission Time"),
    ("timestamp",),
    ("progress", "timestamp"),
)


def event_time_ms(event: Mapping[str, Any]) -> int | None:
    """Return the time that a record itself states, epoch milliseconds UTC, or None: an untimed record.

    The first field of this list that holds a time; the two events whose objects Spark may have gone on changing before
    it wrote them (a task that has finished by then) have one field only:

    | Event | fields, in order |
    |---|---|
    | `SparkListenerTaskStart` | `Task Info`.`Launch Time` |
    | `SparkListenerStageSubmitted` | `Stage Info`.`Submission Time` |
    | any other | `Timestamp`, `time`, `Completion Time`, `Submission Time`, `Task Info`.`Finish Time`, |
    |   | `Task Info`.`Launch Time`, `Stage Info`.`Completion Time`, `Stage Info`.`Submission Time`, |
    |   | `timestamp`, `progress`.`timestamp` |

    A time is an integer t with 0 < t < 253402300800000 (the year 10000); `timestamp` and `progress`.`timestamp` may
    also hold it as digits in a string, or as ISO 8601 with `T`, seconds and a zone (`2024-05-02T13:03:25.123Z`).
    Names are case-sensitive. A number with a fraction is no time.
    """
    kind = event.get("Event")
    for path in _OWN_TIME.get(kind, _ANY_TIME) if isinstance(kind, str) else _ANY_TIME:
        value: Any = event
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if path[-1] == "timestamp" and isinstance(value, str):
            value = _text_ms(value)
        if type(value) is int and 0 < value < _YEAR_10000_MS:  # not a bool
            return value
    return None


def _text_ms(text: str) -> int | None:
    if re.fullmatch(r"[0-9]{1,15}", text):
        return int(text)
    if not _ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # such as the 30th of February
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400_000) + since.seconds * 1000 + since.microseconds // 1000


def application_log_id(event: Mapping[str, Any]) -> str | None:
    """Return the log identity that a `SparkListenerApplicationStart` states, or None for any other record."""
    app = event.get("App ID")
    if event.get("Event") != "SparkListenerApplicationStart" or not isinstance(app, str) or not app:
        return None
    attempt = event.get("App Attempt ID")
    return log_id_of(app, str(attempt) if isinstance(attempt, str | int) and attempt != "" else None)


def log_id_of(app_id: str, attempt: str | None = None) -> str:
    """Return the identity of an application's log: the name that Spark gives its files.

    That name is `<app>[_<attempt>]` in lower case with ` `, `:` and `/` as `-` and `.`, `$`, `{`, `}` and quotes as
    `_`, so that the folder of a rolling log and the records of a single file lead to the same identity.
    """
    name = app_id if attempt is None else f"{app_id}_{attempt}"
    return re.sub(r"[.${}'\"]", "_", re.sub(r"[ :/]", "-", name)).lower()
