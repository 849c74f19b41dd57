"""Audit records as Azure delivers them: in messages of an Event Hub, and those in the files of Event Hubs Capture.

Fields: Azure Monitor's diagnostic log schema, and the Avro schema that Event Hubs Capture documents.
"""

import datetime as dt
import functools
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson

from overwatch_assets.sample.audit import AuditLine
from overwatch_assets.sample.story import DAY, FIRST_MS, HOUR

_RECORDS = 5  # of a message, at most
_PARTITIONS = 2
_OBJECTS_FROM_MS = FIRST_MS + DAY + 12 * HOUR  # before it, what is no plain value is JSON text
_SAID = (
    *("serviceName", "actionName", "requestId", "sessionId", "sourceIPAddress", "userAgent"),
    *("requestParams", "response"),
)
_TYPES = ["long", "double", "string", "bytes"]
_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "EventData",
    "namespace": "Microsoft.ServiceBus.Messaging",
    "fields": [
        {"name": "SequenceNumber", "type": "long"},
        {"name": "Offset", "type": "string"},
        {"name": "EnqueuedTimeUtc", "type": "string"},
        {"name": "SystemProperties", "type": {"type": "map", "values": _TYPES}},
        {"name": "Properties", "type": {"type": "map", "values": [*_TYPES, "null"]}},
        {"name": "Body", "type": ["null", "bytes"]},
    ],
}


@dataclass(frozen=True)
class Captured:
    """What one file holds: messages of a partition that were enqueued at a time; `first` is the number of the first."""

    partition: int
    enqueued_ms: int
    first: int
    messages: tuple[tuple[AuditLine, ...], ...]

    def content(self) -> bytes:
        """The file."""
        objects = self.enqueued_ms >= _OBJECTS_FROM_MS
        bodies = (_body(lines, objects=objects) for lines in self.messages)
        return captured(bodies, self.enqueued_ms, first=self.first, codec="deflate")


def capture_files(lines: Iterable[AuditLine]) -> Iterator[Captured]:
    """Spread lines over messages and these over partitions, by the time of their delivery.

    A line that is broken is a message that is. What comes later changes nothing of the files before it.
    """
    numbers: dict[int, int] = defaultdict(int)
    for enqueued_ms, together in groupby(sorted(lines, key=_delivered), key=_delivered):
        found = list(together)
        whole = [line for line in found if not line.broken]
        messages = [tuple(whole[n : n + _RECORDS]) for n in range(0, len(whole), _RECORDS)]
        messages += [(line,) for line in found if line.broken]
        for partition in range(_PARTITIONS):
            if own := tuple(messages[partition::_PARTITIONS]):
                yield Captured(partition, enqueued_ms, numbers[partition], own)
                numbers[partition] += len(own)


def hub_record(record: Mapping[str, Any], *, objects: bool) -> dict[str, Any]:
    """Give a delivered record in the form that it has in a message.

    Args:
        record: as it is in a line of JSON elsewhere.
        objects: of the generation that writes objects; the older one writes JSON text.
    """

    def written(value: Any) -> Any:
        return value if objects or not isinstance(value, Mapping) else orjson.dumps(value).decode()

    at = dt.datetime.fromtimestamp(record["timestamp"] / 1000, dt.UTC)
    return {
        "resourceId": "/SUBSCRIPTIONS/1/RESOURCEGROUPS/RETAIL/PROVIDERS/MICROSOFT.DATABRICKS/WORKSPACES/RETAIL",
        "operationVersion": "1.0.0",
        "operationName": f"Microsoft.Databricks/{record['serviceName']}/{record['actionName']}",
        "time": f"{at:%Y-%m-%dT%H:%M:%S.%f}0Z",
        "category": record["serviceName"],
        "identity": written(record["userIdentity"]),
        "properties": {**{name: written(record[name]) for name in _SAID}, "logId": "d1a2"},
        "Host": "0501-000000-hub",
    }


def captured(bodies: Iterable[bytes | None], enqueued_ms: int, *, first: int = 0, codec: str = "null") -> bytes:
    """Write a file of Event Hubs Capture: a message for each body, the first of them with this number."""
    import fastavro  # noqa: PLC0415 - only workspaces on Azure need it

    at = dt.datetime.fromtimestamp(enqueued_ms / 1000, dt.UTC)
    rows = [
        {
            "SequenceNumber": number,
            "Offset": str(number * 100),
            "EnqueuedTimeUtc": f"{at.month}/{at.day}/{at.year} {at:%I:%M:%S %p}",
            "SystemProperties": {"x-opt-enqueued-time": enqueued_ms},
            "Properties": {},
            "Body": body,
        }
        for number, body in enumerate(bodies, first)
    ]
    file = io.BytesIO()
    fastavro.writer(file, _schema(), rows, codec=codec, sync_marker=b"overwatch-assets")  # the same bytes each time
    return file.getvalue()


@functools.cache
def _schema() -> Any:
    import fastavro  # noqa: PLC0415 - as above

    return fastavro.parse_schema(_SCHEMA)


def _body(lines: Sequence[AuditLine], *, objects: bool) -> bytes:
    whole = orjson.dumps({"records": [hub_record(line.record, objects=objects) for line in lines]})
    return whole[: len(whole) // 2] if any(line.broken for line in lines) else whole


def _delivered(line: AuditLine) -> int:
    return line.delivered_ms
