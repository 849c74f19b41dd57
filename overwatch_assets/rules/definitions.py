"""Histories of definitions: what audit records and snapshots say of one object of the workspace, in order.

An object's history is read whole, so a definition is a function of the data: the order of rows does not matter.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from typing import Any

import pyarrow as pa
from pyspark.sql import Column as SparkColumn, DataFrame, functions as F, types as T

from overwatch_assets.contract import Column
from overwatch_assets.contract.types import spark_type
from overwatch_assets.rules.audit_records import RESPONSE, parameters
from overwatch_assets.rules.json_values import arrow_of, parsed

IMPUTED = "snapImpute"
"""Action of a row that no request stands behind: the object was there already when it was first seen."""

Fields = dict[str, Any]

REQUEST = f"struct<requestId:string,response:{RESPONSE},sessionId:string,sourceIPAddress:string,userAgent:string>"
_RECORD = {
    "at": "bigint",
    "action": "string",
    "hash": "bigint",
    "line": "bigint",
    "email": "string",
    "request": REQUEST,
    "value": "string",
}


def request_columns(service: str, actions: str, whose: str) -> tuple[Column, ...]:
    """Columns that say which request a row is of; they go before what it defines."""
    audit = "audit_log_bronze"
    imputed = f"{IMPUTED}: none was logged, this is how the first snapshot shows it."
    moment = "Time of the request, or of the first snapshot, epoch ms."
    return (
        Column("serviceName", "string", f"Service of the request: {service}.", nullable=False),
        Column("actionName", "string", f"{actions}; {imputed}", source=(f"{audit}.actionName",), nullable=False),
        Column("timestamp", "bigint", moment, source=(f"{audit}.timestamp",), nullable=False),
        Column("sequence", "int", f"Place among the {whose} rows of the same millisecond, from 0.", nullable=False),
        Column("date", "date", "UTC day of `timestamp`.", nullable=False),
    )


@dataclass(frozen=True)
class Event:
    """A request as the audit log has it; or what stands for the missing one of an object that was there already."""

    at: int
    action: str
    email: str | None = None
    request: Mapping[str, Any] | None = None
    line: str | None = None

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """All of its parameters."""
        return {} if self.line is None else parameters(self.line)

    @property
    def succeeded(self) -> bool:
        """Whether it was answered with success."""
        response = (self.request or {}).get("response") or {}
        return response.get("statusCode") == 200


@dataclass(frozen=True)
class Snapshot:
    """What the workspace's API said of the object at a moment."""

    at: int
    body: Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """What is known of one object.

    Attributes:
        events: requests, each once, in order of time; within a millisecond in the order of the actions that the table
            knows, then by their hash.
        snapshots: in order of time.
    """

    events: Sequence[Event]
    snapshots: Sequence[Snapshot]

    def with_imputed(self, events: Sequence[Event], creates: Collection[str] = ("create",)) -> list[Event]:
        """Some of the events, after an imputed one at the first snapshot if that shows what none of them explains.

        That is an object that was never created as far as they tell, and of which the snapshot knows before they do.

        Args:
            events: the events.
            creates: actions that create an object.
        """
        if not self.snapshots or any(e.action in creates for e in events):
            return list(events)
        first = self.snapshots[0].at
        return list(events) if events and events[0].at <= first else [Event(first, IMPUTED), *events]

    def snapshot_for(self, at: int, until: int | None) -> tuple[Snapshot | None, bool]:
        """The snapshot that describes best what was defined at a time and held until another; and whether it held then.

        The first one taken while it held, else the latest before it, else the first after it.
        """
        held = [s for s in self.snapshots if at <= s.at and (until is None or s.at < until)]
        if held:
            return held[0], True
        before = [s for s in self.snapshots if s.at <= at]
        found = before[-1:] or self.snapshots[:1]
        return (found[0] if found else None), False


def settled_until(events: Sequence[Event], settles: Callable[[Event], bool]) -> list[int | None]:
    """For each event when the next one settles the definition anew; None: never."""
    ends: list[int | None] = []
    following: int | None = None
    for event in reversed(events):
        ends.append(following)
        if settles(event):
            following = event.at
    return ends[::-1]


def numbered(rows: Iterable[Fields]) -> list[Fields]:
    """Rows in order, with `sequence`: their place among those of one millisecond, from 0."""
    return [
        {**row, "sequence": place}
        for _, same in groupby(rows, lambda row: row["timestamp"])
        for place, row in enumerate(same)
    ]


def fold_histories(
    audit: DataFrame,
    snapshots: DataFrame,
    *,
    keys: tuple[str, str],
    actions: Sequence[str],
    make: Callable[[History], Iterable[Fields]],
    columns: Mapping[str, str],
) -> DataFrame:
    """The rows that a function makes of each object's history, with its id.

    Args:
        audit: rows of `audit_log_bronze`; those without a time have no place in a history.
        snapshots: rows of the object's snapshot table.
        keys: columns with the object's id, in the one and in the other.
        actions: the order of actions of one millisecond; others come last.
        make: the function; it runs where the data is.
        columns: its rows' columns and their types.
    """
    of_audit, of_snapshots = keys
    records = _records(
        audit.where(F.col("timestamp").isNotNull()),
        of_audit,
        {
            "at": F.col("timestamp"),
            "action": F.col("actionName"),
            "hash": F.col("hashKey"),
            "line": F.col("lineHash"),
            "email": F.col("userIdentity")["email"],
            "request": F.struct("requestId", "response", "sessionId", "sourceIPAddress", "userAgent"),
            "value": F.col("value"),
        },
    ).unionByName(_records(snapshots, of_snapshots, {"at": F.unix_millis("fetched_ts"), "value": F.col("value")}))
    histories = records.where(F.col("id").isNotNull()).groupBy("id").agg(F.collect_list("record").alias("records"))
    ddl = ", ".join([f"{of_snapshots} string", *(f"{name} {kind}" for name, kind in columns.items())])
    return histories.mapInArrow(partial(_made, of_snapshots, tuple(actions), make, dict(columns)), ddl)


def _records(rows: DataFrame, key: str, values: Mapping[str, SparkColumn]) -> DataFrame:
    record = (values.get(name, F.lit(None)).cast(spark_type(kind)).alias(name) for name, kind in _RECORD.items())
    return rows.select(F.col(key).alias("id"), F.struct(*record).alias("record"))


def _made(
    key: str,
    actions: tuple[str, ...],
    make: Callable[[History], Iterable[Fields]],
    columns: dict[str, str],
    batches: Iterable[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        ids, rows = [], []
        for object_id, records in zip(batch.column("id").to_pylist(), batch.column("records").to_pylist(), strict=True):
            made = list(make(history_of(records, actions)))
            ids += [object_id] * len(made)
            rows += made
        kinds: dict[str, T.DataType] = {name: spark_type(kind) for name, kind in columns.items()}
        yield pa.RecordBatch.from_pydict(
            {
                key: pa.array(ids, pa.string()),
                **{name: arrow_of([row.get(name) for row in rows], kind) for name, kind in kinds.items()},
            }
        )


def history_of(records: Iterable[Mapping[str, Any]], actions: Sequence[str] = ()) -> History:
    """The history that some records tell: those without an action are snapshots. A repeated publication counts once."""
    requests: dict[int, tuple[Mapping[str, Any], Event]] = {}
    snapshots = []
    for record in sorted(records, key=lambda r: (r["at"], r["line"] or 0, r["value"])):
        if record["action"] is None:
            snapshots.append(Snapshot(record["at"], parsed(record["value"])))
            continue
        event = Event(record["at"], record["action"], record["email"], record["request"], record["value"])
        same = requests.get(record["hash"])
        if same is None or (event.succeeded and not same[1].succeeded):
            requests[record["hash"]] = record, event
    order = {action: place for place, action in enumerate(actions)}
    ordered = sorted(
        requests.values(), key=lambda pair: (pair[1].at, order.get(pair[1].action, len(order)), pair[0]["hash"])
    )
    return History([event for _, event in ordered], snapshots)
