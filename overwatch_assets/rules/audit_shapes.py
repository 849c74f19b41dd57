"""The shapes in which audit records arrive, and the one that they all have here.

The same event is one record, whichever way it came: as a line of JSON, a row of Delta or Parquet, a row of
`system.access.audit`, or a record in a message of an Azure Event Hub, of which there are two generations. What only one
of them says, such as the version of its format, is about the delivery.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from overwatch_assets.rules.json_values import object_of, parsed
from overwatch_assets.sources.event_logs.events import event_time_ms

EVENT = (
    *("timestamp", "serviceName", "actionName", "requestId", "sessionId", "sourceIPAddress", "userAgent"),
    *("userIdentity", "requestParams", "response"),
)
"""What every delivery says of an event. All else is about the delivery."""

_SPELLED = {name.lower(): name for name in EVENT}
_SORTED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def sorted_text(value: Any) -> str:
    """Return a JSON value as compact JSON text, properties ordered by name."""
    return _SORTED.encode(value)


def event_and_delivery(record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide a record into the event, in the one form that it has in all deliveries, and what the delivery says.

    A null is as good as nothing; documented names are found in any case. Parameters of the request are texts, those
    that are no text as JSON text; times are epoch milliseconds.
    """
    event: dict[str, Any] = {}
    delivery: dict[str, Any] = {}
    for name, value in record.items():
        if value is None:
            continue
        spelled = _SPELLED.get(name.lower())
        if spelled is None or (spelled != name and (record.get(spelled) is not None or spelled in event)):
            delivery[name] = value
        else:
            event[spelled] = value
    formed = {name: _FORMS[name](value) if name in _FORMS else value for name, value in event.items()}
    return {name: value for name, value in formed.items() if value not in ({}, [])}, delivery


def _text(value: Any) -> str:
    return value if isinstance(value, str) else sorted_text(_lean(value))


def _object(value: Any) -> Any:
    """An object, also one that is written as text; what is none, as it is."""
    found = object_of(value)
    return value if found is None else _lean(found)


def _texts(value: Any) -> Any:
    found = _object(value)
    return {name: _text(inner) for name, inner in found.items()} if isinstance(found, dict) else found


def _answer(value: Any) -> Any:
    found = _object(value)
    if not isinstance(found, dict):
        return found
    code, result = found.get("statusCode"), found.get("result")
    numbered = {"statusCode": int(str(code))} if re.fullmatch(r"\d{1,9}", str(code)) else {}
    return found | numbered | ({} if result is None else {"result": _text(result)})


def _time(value: Any) -> Any:
    at = event_time_ms({"timestamp": value})
    return value if at is None else at


_FORMS: Mapping[str, Callable[[Any], Any]] = {
    "timestamp": _time,
    **dict.fromkeys(("requestId", "sessionId", "sourceIPAddress", "userAgent"), _text),
    "userIdentity": _object,
    "requestParams": _texts,
    "response": _answer,
}


def _lean(value: Any) -> Any:
    """A JSON value without the nulls in its objects."""
    if isinstance(value, dict):
        return {name: _lean(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_lean(inner) for inner in value]
    return value


def of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a table as JSON values: times as ISO 8601 in UTC, maps as objects."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], tuple):  # how Arrow gives a map
        value = {str(name): inner for name, inner in value}
    if isinstance(value, dict):
        return of_row(value)
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    for kind, plain in _PLAIN.items():
        if isinstance(value, kind):
            return plain(value)
    return value


def _moment(value: datetime) -> str:
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


_PLAIN: Mapping[type, Callable[[Any], Any]] = {
    datetime: _moment,  # before `date`, which it is too
    date: date.isoformat,
    bytes: lambda value: value.decode("utf-8", "replace"),
    Decimal: lambda value: int(value) if value == value.to_integral_value() else str(value),
    float: lambda value: value if math.isfinite(value) else None,
}


def of_system(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `system.access.audit` as a delivered record: names in camel case, `event_time` as `timestamp`."""
    record = {_camel(name): value for name, value in of_row(row).items()}
    record["timestamp"] = _time(record.pop("eventTime", None))
    for name in ("userIdentity", "response"):
        if isinstance(found := object_of(record.get(name)), dict):
            record[name] = {_camel(inner): value for inner, value in found.items()}
    return record


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


@dataclass(frozen=True)
class Wrong:
    """A piece of a message that is no record, and why."""

    content: str | bytes
    reason: str


def of_message(body: bytes) -> Iterator[dict[str, Any] | Wrong]:
    """The records in the body of an Event Hub's message, `{"records": [...]}`, as delivered records.

    `properties`, `identity`, `requestParams` and `response` are objects or JSON text.
    """
    if not body:
        yield Wrong(body, "an empty message")
        return
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        yield Wrong(body, f"invalid UTF-8 at byte {error.start} of the message")
        return
    try:
        found = parsed(text)
    except ValueError as error:
        yield Wrong(text, f"not JSON: {error}")
        return
    records = found.get("records") if isinstance(found, dict) else None
    if not isinstance(records, list):
        yield Wrong(text, "no list of records")
        return
    for record in records:
        if not isinstance(record, dict):
            yield Wrong(sorted_text(record), "not a JSON object")
            continue
        said = object_of(record.get("properties"))
        if said is None:
            yield Wrong(sorted_text(record), "no properties")
            continue
        rest = {name: value for name, value in record.items() if name not in ("properties", "time", "identity")}
        yield {
            **rest,
            **said,
            "timestamp": _time(record.get("time")),
            "userIdentity": record.get("identity"),
            "version": record.get("operationVersion"),
        }
