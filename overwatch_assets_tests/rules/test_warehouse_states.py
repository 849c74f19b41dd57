"""States of SQL warehouses: each case is what its name says, worked out by hand."""

import itertools
import random
from dataclasses import replace
from typing import Any

import pytest

from overwatch_assets.rules.warehouse_states import (
    IMPUTED,
    OFF,
    ON,
    STANDS_OFF,
    STANDS_ON,
    TRANSITIONS,
    Before,
    Event,
    Spec,
    State,
    Warehouse,
    says_stopped,
    states,
)

M, H = 60_000, 3_600_000
DAY = 24 * H
LATEST = 100 * H


def warehouse(*told: tuple[int, str] | tuple[int, str, int | None], **known: Any) -> Warehouse:
    events = [Event(*each) for each in told]
    return Warehouse(events, **{"loaded_until": LATEST, "longest_ms": 90 * DAY, **known})


def of(*told: Any, **known: Any) -> list[State]:
    return states(warehouse(*told, **known))


def spans(found: list[State]) -> list[tuple[str, int, int, bool]]:
    return [(s.type, s.start, s.end, s.running) for s in found]


def test_an_up_session() -> None:
    found = of((0, "STARTING", 0), (M, "RUNNING", 1), (H, "SCALED_UP", 3), (2 * H, "SCALED_DOWN", 2),
               (3 * H, "STOPPING", 2), (3 * H + M, "STOPPED", 0))  # fmt: skip
    assert spans(found) == [
        ("STARTING", 0, M, True),
        ("RUNNING", M, H, True),
        ("SCALED_UP", H, 2 * H, True),
        ("SCALED_DOWN", 2 * H, 3 * H, True),
        ("STOPPING", 3 * H, 3 * H + M, False),
        ("STOPPED", 3 * H + M, LATEST, False),
    ]
    assert [s.current for s in found] == [0, 1, 3, 2, 0, 0]
    assert [s.dbu_billable for s in found] == [False, True, True, True, False, False]
    assert [s.is_open for s in found] == [False] * 5 + [True]
    assert {s.restart for s in found} == {0}
    assert [s.since_restart_ms for s in found] == [M, H, 2 * H, 3 * H, 0, 0]


def test_every_transition_is_decided() -> None:
    kinds = {"STARTING", "RUNNING", "SCALED_UP", "SCALED_DOWN", "STOPPING", "STOPPED", IMPUTED, "PERMENANT_DELETE"}
    assert set(TRANSITIONS) == kinds
    assert all(set(of_kind) == {True, False, None} for of_kind in TRANSITIONS.values())
    assert not ON & OFF


@pytest.mark.parametrize(
    ("kind", "from_off", "from_on"),
    [
        ("STARTING", True, True),
        ("RUNNING", True, True),
        ("SCALED_UP", True, True),
        ("SCALED_DOWN", False, True),
        ("STOPPING", False, False),
        ("STOPPED", False, False),
        ("REPAIRED", False, True),
    ],
)
def test_a_transition(kind: str, from_off: bool, from_on: bool) -> None:
    assert of((0, "STOPPED"), (H, kind))[-1].running is from_off
    assert of((0, "RUNNING", 1), (H, kind))[-1].running is from_on


def test_a_new_start_forgets_the_clusters_and_the_uptime() -> None:
    found = of((0, "RUNNING", 5), (H, "STOPPED", 0), (2 * H, "STARTING", None), (3 * H, "RUNNING", None),
               specs=[Spec(0, least=2, most=4)])  # fmt: skip
    assert [s.current for s in found] == [5, 0, 2, 2]
    assert [s.restart for s in found] == [0, 0, 2 * H, 2 * H]
    assert [s.first_after_stop for s in found] == [False, False, True, False]
    assert [s.since_restart_ms for s in found] == [H, 0, 0, LATEST - 2 * H]


def test_clusters_are_what_the_event_says_else_as_before_else_the_least_else_unknown() -> None:
    counted = of((0, "STARTING", 0), (M, "RUNNING", None), (H, "SCALED_UP", 3), (2 * H, "REPAIRED", None),
                 specs=[Spec(0, least=1, most=5)])  # fmt: skip
    assert [s.current for s in counted] == [0, 1, 3, 3]
    assert [s.target for s in counted] == [1, 5, 5, 5], "the least while it starts, then the most"
    assert [s.current for s in of((0, "RUNNING", None))] == [None], "unknown, and not 0"
    assert [s.current for s in of((0, "RUNNING", None), specs=[Spec(H, least=2), Spec(2 * H, least=9)])] == [2]


def test_the_definition_of_the_moment_says_the_least() -> None:
    specs = [Spec(0, least=1), Spec(2 * H, 0, least=2), Spec(2 * H, 1, least=3)]
    assert [s.current for s in of((0, "RUNNING"), (H, "STOPPED"), (2 * H, "RUNNING"), specs=specs)] == [1, 0, 3]


def test_before_its_first_event_that_decides_a_warehouse_was_on_if_that_is_a_stop() -> None:
    assert [s.running for s in of((0, "REPAIRED", 1), (H, "REPAIRED", 1), (2 * H, "STOPPING"))] == [True, True, False]
    assert [s.running for s in of((0, "REPAIRED", 1), (H, "RUNNING", 1))] == [False, True]
    assert [s.running for s in of((0, "REPAIRED", 1))] == [False]


def test_a_stop_that_was_lost_is_where_somebody_says_so() -> None:
    found = of((0, "RUNNING", 1), stopped=[3 * H, 2 * H])
    assert spans(found) == [("RUNNING", 0, 2 * H, True), (IMPUTED, 2 * H, LATEST, False)]
    assert [(s.imputed, s.is_open) for s in found] == [(False, False), (True, True)]
    assert spans(of((0, "RUNNING", 1), (4 * H, "STOPPED"), stopped=[2 * H])) == [
        ("RUNNING", 0, 4 * H, True),
        ("STOPPED", 4 * H, LATEST, False),
    ], "it vanishes when the event comes"
    assert spans(of((2 * H, "RUNNING", 1), stopped=[2 * H, H])) == [("RUNNING", 2 * H, LATEST, True)]


def test_a_stop_that_was_lost_before_another_start() -> None:
    twice = ((0, "RUNNING", 1), (5 * H, "STARTING", 0))
    assert spans(of(*twice)) == [("RUNNING", 0, 5 * H, True), ("STARTING", 5 * H, LATEST, True)]
    assert spans(of(*twice, specs=[Spec(0, auto_stop_minutes=30)])) == [
        ("RUNNING", 0, 30 * M, True),
        (IMPUTED, 30 * M, 5 * H, False),
        ("STARTING", 5 * H, LATEST, True),
    ]
    assert of(*twice, specs=[Spec(0, auto_stop_minutes=30)], stopped=[2 * H])[1].start == 2 * H
    assert len(of(*twice, specs=[Spec(0, auto_stop_minutes=600)])) == 2
    assert [s.restart for s in of(*twice)] == [0, 5 * H]


def test_running_again_after_something_said_that_it_stopped_is_a_new_start() -> None:
    found = of((0, "RUNNING", 4), (5 * H, "RUNNING", None), stopped=[2 * H], specs=[Spec(0, least=1)])
    assert spans(found) == [
        ("RUNNING", 0, 2 * H, True),
        (IMPUTED, 2 * H, 5 * H, False),
        ("RUNNING", 5 * H, LATEST, True),
    ]
    assert (found[2].restart, found[2].current) == (5 * H, 1)
    assert len(of((0, "RUNNING", 4), (5 * H, "RUNNING", 4))) == 2


def test_starts_in_a_row_are_one() -> None:
    found = of((0, "STARTING", 0), (M, "STARTING", 0), (2 * M, "RUNNING", 1), specs=[Spec(0, auto_stop_minutes=1)])
    assert [s.type for s in found] == ["STARTING", "STARTING", "RUNNING"]
    assert {s.restart for s in found} == {0}


def test_silence_ends_a_warehouse_after_the_longest_time() -> None:
    assert spans(of((0, "RUNNING", 1), longest_ms=50 * H)) == [
        ("RUNNING", 0, 50 * H, True),
        (IMPUTED, 50 * H, LATEST, False),
    ]
    assert len(of((0, "RUNNING", 1), longest_ms=LATEST)) == 1


def test_deletion_closes_a_warehouse_for_good() -> None:
    found = of((0, "RUNNING", 2), (3 * H, "STOPPED", 0), deleted=[2 * H])
    assert spans(found) == [("RUNNING", 0, 2 * H, True), ("PERMENANT_DELETE", 2 * H, 2 * H, False)]
    assert [s.is_open for s in found] == [False, False]
    known = of((0, "RUNNING", 2), deleted=[4 * H], stopped=[H])
    assert [(s.type, s.start) for s in known] == [("RUNNING", 0), (IMPUTED, H), ("PERMENANT_DELETE", 4 * H)]


def test_events_of_one_millisecond() -> None:
    run = ((H, "RUNNING", 1), (H, "STARTING", 0), (2 * H, "STOPPED", 0), (2 * H, "STOPPING", 1))
    assert spans(of(*run)) == [("RUNNING", H, 2 * H, True), ("STOPPED", 2 * H, LATEST, False)]
    again = of((0, "RUNNING", 5), (H, "STARTING", 1), (H, "STOPPED", 0))
    assert spans(again) == [("RUNNING", 0, H, True), ("STARTING", H, LATEST, True)]
    assert (again[1].restart, again[1].current) == (H, 1)
    up = ((0, "RUNNING", 1), (H, "SCALED_UP", 3), (H, "SCALED_UP", 2))
    down = ((2 * H, "SCALED_DOWN", 1), (2 * H, "SCALED_DOWN", 2))
    assert [s.current for s in of(*up, *down)] == [1, 3, 1]


def test_an_event_after_what_is_loaded_has_no_length() -> None:
    (found,) = of((LATEST + 5, "RUNNING", 1))
    assert (found.start, found.end, found.is_open) == (LATEST + 5, LATEST + 5, True)


@pytest.mark.parametrize(
    ("state", "stopped"),
    [("STOPPED", True), ("stopping", True), ("DELETED", True), ("RUNNING", False), ("STARTING", False), (None, False)],
)
def test_what_a_snapshot_says(state: str | None, stopped: bool) -> None:
    assert says_stopped(state) is stopped


def _random(rng: random.Random) -> Warehouse:
    kinds = ["STARTING", "RUNNING", "SCALED_UP", "SCALED_DOWN", "STOPPING", "STOPPED", "REPAIRED"]
    events = [
        Event(rng.randrange(40) * H, rng.choice(kinds), rng.choice([None, 0, 1, 2, 3]))
        for _ in range(rng.randrange(1, 14))
    ]
    return Warehouse(
        events,
        loaded_until=rng.choice([30 * H, 60 * H]),
        longest_ms=rng.choice([10 * H, 90 * DAY]),
        specs=[
            Spec(rng.randrange(40) * H, n, rng.choice([None, 1, 2]), 4, rng.choice([None, 0, 90])) for n in range(2)
        ],
        stopped=[rng.randrange(40) * H + 1 for _ in range(rng.randrange(3))],
        deleted=[rng.randrange(20, 40) * H + 2] if rng.random() < 0.2 else [],
    )


def test_states_abut_in_any_order_and_may_be_told_from_any_row_that_stands() -> None:
    rng = random.Random(20240501)
    resumed = 0
    for _ in range(600):
        whole = _random(rng)
        found = states(whole)
        assert found == states(replace(whole, events=rng.sample(whole.events, len(whole.events))))
        assert found == states(replace(whole, events=[*whole.events, *whole.events[:2]]))
        for one, after in itertools.pairwise(found):
            assert one.end == after.start > one.start
        for n, row in enumerate(found):
            certain = STANDS_ON if row.running else STANDS_OFF
            if row.imputed or row.end == row.start or row.type not in certain:
                continue
            before = Before(row.type, row.start, row.running, row.current, row.restart, row.first_after_stop)
            later = replace(
                whole,
                before=before,
                events=[e for e in whole.events if e.ms > row.start],
                stopped=[ms for ms in whole.stopped if ms > row.start],
                deleted=[ms for ms in whole.deleted if ms > row.start],
            )
            assert states(later) == found[n:]
            resumed += 1
    assert resumed > 1000
