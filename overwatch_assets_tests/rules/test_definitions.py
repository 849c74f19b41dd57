"""What the histories of all defined objects have in common."""

import json
import random
from typing import Any

from overwatch_assets.rules.definitions import IMPUTED, Event, History, Snapshot, history_of, numbered, settled_until


def record(
    at: int, action: str | None, number: int = 0, *, line: int = 0, status: int = 200, **value: Any
) -> dict[str, Any]:
    request = None if action is None else {"requestId": str(number), "response": {"statusCode": status}}
    return {
        "at": at,
        "action": action,
        "hash": number,
        "line": line,
        "email": None,
        "request": request,
        "value": json.dumps(value),
    }


def actions(history: History) -> list[tuple[int, str]]:
    return [(event.at, event.action) for event in history.events]


def test_any_order_of_records_is_one_history() -> None:
    records = [
        record(5, "edit", 3),
        record(5, "create", 9),
        record(5, "edit", 2),
        record(1, None, a=1),
        record(7, None),
    ]
    expected = history_of(records, ("create", "edit"))
    assert [(e.action, e.request and e.request["requestId"]) for e in expected.events] == [
        ("create", "9"),
        ("edit", "2"),
        ("edit", "3"),
    ]
    for seed in range(20):
        random.Random(seed).shuffle(records)
        assert history_of(records, ("create", "edit")) == expected


def test_a_repeated_publication_counts_once_and_its_success_counts() -> None:
    records = [record(5, "edit", 3, line=1, status=500), record(5, "edit", 3, line=2), record(5, "edit", 3, line=9)]
    (event,) = history_of(records).events
    assert event.succeeded


def test_imputed_rows_stand_for_what_no_request_explains() -> None:
    def with_imputed(*events: Event, snapshots: tuple[int, ...] = (10, 20)) -> list[tuple[int, str]]:
        history = History(events, [Snapshot(at, {}) for at in snapshots])
        return [(e.at, e.action) for e in history.with_imputed(events)]

    assert with_imputed() == [(10, IMPUTED)]
    assert with_imputed(Event(15, "edit")) == [(10, IMPUTED), (15, "edit")]
    assert with_imputed(Event(5, "edit")) == [(5, "edit")]
    assert with_imputed(Event(10, "edit")) == [(10, "edit")]
    assert with_imputed(Event(15, "edit"), Event(30, "create")) == [(15, "edit"), (30, "create")]
    assert with_imputed(snapshots=()) == []


def test_the_snapshot_that_describes_a_definition_best() -> None:
    history = History((), [Snapshot(at, {"at": at}) for at in (10, 20, 30)])

    def found(at: int, until: int | None) -> tuple[int | None, bool]:
        snapshot, held = history.snapshot_for(at, until)
        return (snapshot.at if snapshot else None), held

    assert found(12, 25) == (20, True), "taken while it held"
    assert found(20, None) == (20, True)
    assert found(21, 25) == (20, False), "else the latest before it"
    assert found(10, 10) == (10, False)
    assert found(1, 5) == (10, False), "else the first after it"
    assert History((), ()).snapshot_for(1, None) == (None, False)


def test_definitions_hold_until_the_next() -> None:
    events = [Event(1, "create"), Event(2, "resize"), Event(3, "edit"), Event(4, "resize")]
    assert settled_until(events, lambda e: e.action != "resize") == [3, 3, None, None]


def test_rows_of_a_millisecond_are_numbered() -> None:
    rows = numbered([{"timestamp": 1}, {"timestamp": 1}, {"timestamp": 2}])
    assert [(r["timestamp"], r["sequence"]) for r in rows] == [(1, 0), (1, 1), (2, 0)]
