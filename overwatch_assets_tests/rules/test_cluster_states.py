"""silver.md 9 and gold.md 4.4, with the defects that they mark mended."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from overwatch_assets.rules.cluster_states import (
    STANDS_OFF,
    STANDS_ON,
    Before,
    Cluster,
    Event,
    Run,
    Spec,
    State,
    states,
)

H = 3_600_000
M = 60_000
DAY = 24 * H
LONGEST = 90 * DAY
JOB = Spec(0, workers=2, automated=True)
SHARED = Spec(0, workers=2, automated=False, autotermination_minutes=30)


def cluster(*events: Event, until: int = 10 * DAY, longest_ms: int = LONGEST, **known: object) -> Cluster:
    return Cluster(events=events, loaded_until=until, longest_ms=longest_ms, **known)  # type: ignore[arg-type]


def told(found: list[State]) -> list[tuple[str, int, int, bool]]:
    return [(s.type, s.start, s.end, s.running) for s in found]


def test_the_worked_example() -> None:
    found = states(
        cluster(
            Event(22 * H, "CREATING", size=2),
            Event(22 * H + 5 * M, "DRIVER_HEALTHY"),
            Event(22 * H + 6 * M, "RUNNING", current=2, target=2),
            Event(23 * H + 30 * M, "RESIZING", current=2, target=6),
            Event(23 * H + 36 * M, "UPSIZE_COMPLETED", current=6, target=6),
            Event(25 * H, "RESIZING", current=6, target=3),
            Event(25 * H + 10 * M, "RUNNING", current=3, target=3),
            Event(26 * H, "TERMINATING"),
            until=27 * H,
        )
    )
    assert [(s.type, s.end - s.start, s.current, s.target, s.running, s.dbu_billable) for s in found] == [
        ("CREATING", 5 * M, 2, 2, True, False),
        ("DRIVER_HEALTHY", 1 * M, 2, 2, True, True),
        ("RUNNING", 84 * M, 2, 2, True, True),
        ("RESIZING", 6 * M, 2, 6, True, True),
        ("UPSIZE_COMPLETED", 84 * M, 6, 6, True, True),
        ("RESIZING", 10 * M, 6, 3, True, True),
        ("RUNNING", 50 * M, 3, 3, True, True),
        ("TERMINATING", 60 * M, 0, 0, False, False),
    ]
    assert found[4].since_restart_ms == 180 * M
    assert (found[-1].since_restart_ms, found[-1].is_open, found[-1].reset) == (0, True, False)
    assert {s.restart for s in found} == {22 * H}


def test_nothing_but_a_start_switches_a_cluster_on() -> None:
    found = states(cluster(Event(0, "CREATING"), Event(H, "TERMINATING"), Event(2 * H, "EXPANDED_DISK")))
    assert told(found)[1:] == [("TERMINATING", H, 2 * H, False), ("EXPANDED_DISK", 2 * H, 10 * DAY, False)]
    found = states(cluster(Event(0, "CREATING"), Event(H, "TERMINATING"), Event(2 * H, "PINNED"), Event(H, "UNPINNED")))
    assert not any(s.running for s in found[1:])


@pytest.mark.parametrize(
    ("first", "then", "was_on"),
    [
        ("EXPANDED_DISK", "TERMINATING", True),
        ("RUNNING", "TERMINATING", True),
        ("EXPANDED_DISK", "STARTING", False),
        ("EDITED", None, False),
        ("RUNNING", None, True),
    ],
)
def test_a_cluster_that_was_there_before_its_first_event(first: str, then: str | None, was_on: bool) -> None:
    events = [Event(0, first), *([] if then is None else [Event(H, then)])]
    assert states(cluster(*events))[0].running is was_on


def test_a_restart_forgets_the_workers_and_the_uptime_of_the_time_before() -> None:
    found = states(
        cluster(
            Event(0, "CREATING", size=8),
            Event(H, "TERMINATING"),
            Event(2 * H, "STARTING"),
            Event(3 * H, "RUNNING", current=3, target=3),
            specs=[Spec(0, workers=1)],
        )
    )
    assert [(s.type, s.current, s.target) for s in found[2:]] == [("STARTING", 1, 1), ("RUNNING", 3, 3)]
    assert (found[2].reset, found[2].restart, found[2].since_restart_ms) == (True, 2 * H, 0)
    assert (found[3].reset, found[3].since_restart_ms) == (False, 10 * DAY - 2 * H)


def test_workers_that_nothing_tells_are_unknown() -> None:
    assert states(cluster(Event(0, "CREATING")))[0].current is None


def test_an_end_that_was_lost_before_a_restart() -> None:
    events = (Event(0, "CREATING"), Event(H, "RUNNING"), Event(9 * H, "STARTING"))
    runs = [Run(2 * H, 4 * H)]
    # Its last run ended at 4, and it ends by itself after half an hour without one.
    found = states(cluster(*events, runs=runs, specs=[SHARED]))
    assert told(found)[1:3] == [
        ("RUNNING", H, 4 * H + 30 * M, True),
        ("TERMINATING_IMPUTED", 4 * H + 30 * M, 9 * H, False),
    ]
    assert found[2].imputed
    # The audit logs say when somebody ended it.
    found = states(cluster(*events, runs=runs, specs=[SHARED], ended=[5 * H]))
    assert told(found)[2] == ("TERMINATING_IMPUTED", 5 * H, 9 * H, False)
    # It never ends by itself, so it ran until it was started again, unless that is too long for its silence.
    never = [Spec(0, automated=False, autotermination_minutes=0)]
    found = states(cluster(*events, runs=runs, specs=never))
    assert told(found)[1] == ("RUNNING", H, 9 * H, True)
    found = states(cluster(*events, runs=runs, specs=never, longest_ms=3 * H))
    assert told(found)[1:3] == [("RUNNING", H, 7 * H, True), ("TERMINATING_IMPUTED", 7 * H, 9 * H, False)]


def test_starting_after_creating_or_restarting_is_no_lost_end() -> None:
    found = states(
        cluster(Event(0, "CREATING"), Event(M, "STARTING"), Event(H, "RESTARTING"), Event(H + M, "STARTING"))
    )
    assert [s.type for s in found] == ["CREATING", "STARTING", "RESTARTING", "STARTING"]
    assert all(s.running for s in found)
    assert found[3].restart == H + M


def test_a_start_an_hour_after_another_began_anew() -> None:
    assert told(states(cluster(Event(0, "STARTING"), Event(H, "STARTING"), specs=[SHARED]))) == [
        ("STARTING", 0, H, True),
        ("STARTING", H, 10 * DAY, True),
    ]
    assert told(states(cluster(Event(0, "STARTING"), Event(H + 1, "STARTING"), specs=[SHARED]))) == [
        ("STARTING", 0, 30 * M, True),
        ("TERMINATING_IMPUTED", 30 * M, H + 1, False),
        ("STARTING", H + 1, 10 * DAY, True),
    ]


def test_what_follows_a_restart_begins_anew_though_no_start_is_told() -> None:
    found = states(
        cluster(
            Event(0, "CREATING", size=8),
            Event(H, "RUNNING", current=8),
            Event(2 * H, "RESTARTING"),
            Event(3 * H, "RUNNING"),
            Event(4 * H, "RESIZING", current=3),
            specs=[Spec(0, workers=1)],
            until=5 * H,
        )
    )
    assert [(s.type, s.restart, s.current, s.since_restart_ms) for s in found] == [
        ("CREATING", 0, 8, H),
        ("RUNNING", 0, 8, 2 * H),
        ("RESTARTING", 0, 8, 3 * H),
        ("RUNNING", 3 * H, 1, 0),
        ("RESIZING", 3 * H, 3, 2 * H),
    ]


def test_a_cluster_of_a_job_whose_end_was_lost() -> None:
    events = (Event(0, "CREATING"), Event(M, "RUNNING"))
    # Between two tasks it still runs: the original wrote a termination at its last event.
    assert len(states(cluster(*events, runs=[Run(M, H)], specs=[JOB], until=2 * H - 1))) == 2
    closed = states(cluster(*events, runs=[Run(M, H)], specs=[JOB], until=2 * H))
    assert told(closed)[1:] == [("RUNNING", M, H, True), ("TERMINATING_IMPUTED", H, H, False)]
    assert not closed[-1].is_open, "nothing more is waited for"
    # An open run keeps it on; so does a run that began later.
    assert len(states(cluster(*events, runs=[Run(M, H), Run(3 * H, None)], specs=[JOB]))) == 2
    # Without any run nothing says that its work is over.
    assert len(states(cluster(*events, specs=[JOB]))) == 2
    # A real event takes its place.
    real = states(cluster(*events, Event(H + M, "TERMINATING"), runs=[Run(M, H)], specs=[JOB]))
    assert told(real)[1:] == [("RUNNING", M, H + M, True), ("TERMINATING", H + M, H + M, False)]


def test_a_jobs_cluster_whose_disk_reports_after_its_end_is_over_too() -> None:
    ended = (Event(0, "CREATING"), Event(H, "TERMINATING"), Event(H + M, "EXPANDED_DISK"))
    found = states(cluster(*ended, specs=[JOB]))
    assert told(found)[1:] == [("TERMINATING", H, H + M, False), ("EXPANDED_DISK", H + M, H + M, False)]
    assert not found[-1].is_open


def test_deletion_closes_a_cluster_for_good() -> None:
    found = states(cluster(Event(0, "CREATING"), Event(M, "RUNNING"), deleted=[H]))
    assert told(found)[1:] == [("RUNNING", M, H, True), ("PERMENANT_DELETE", H, H, False)]
    assert not found[-1].is_open
    found = states(cluster(Event(0, "CREATING"), Event(M, "TERMINATING"), deleted=[H]))
    assert told(found)[1:] == [("TERMINATING", M, H, False), ("PERMENANT_DELETE", H, H, False)]


def test_silence_ends_a_cluster_after_the_longest_time_unless_a_run_is_open() -> None:
    events = (Event(0, "CREATING"), Event(H, "RUNNING"))
    assert len(states(cluster(*events, longest_ms=3 * DAY, until=3 * DAY))) == 2
    closed = states(cluster(*events, longest_ms=3 * DAY, until=5 * DAY))
    assert told(closed)[1:] == [
        ("RUNNING", H, 3 * DAY + H, True),
        ("TERMINATING_IMPUTED", 3 * DAY + H, 5 * DAY, False),
    ]
    assert len(states(cluster(*events, longest_ms=3 * DAY, runs=[Run(H, None)]))) == 2
    # Its runs are signs of life too: without events it was used for months.
    runs = [Run(H, 2 * H), Run(2 * DAY, 5 * DAY)]
    assert len(states(cluster(*events, longest_ms=3 * DAY, runs=runs, until=8 * DAY))) == 2
    used = states(cluster(*events, longest_ms=3 * DAY, runs=runs, until=9 * DAY))
    assert told(used)[1:] == [("RUNNING", H, 8 * DAY, True), ("TERMINATING_IMPUTED", 8 * DAY, 9 * DAY, False)]


def test_a_closed_cluster_stays_closed_until_a_real_event_says_otherwise() -> None:
    silent = (Event(0, "CREATING"), Event(H, "RUNNING"))
    for until in (5 * DAY, 50 * DAY):
        closed = states(cluster(*silent, longest_ms=3 * DAY, until=until))
        assert told(closed)[1:] == [
            ("RUNNING", H, 3 * DAY + H, True),
            ("TERMINATING_IMPUTED", 3 * DAY + H, until, False),
        ]
    # It was on all the time, for it was resized.
    alive = states(cluster(*silent, Event(49 * DAY, "RESIZING"), longest_ms=3 * DAY, until=50 * DAY))
    assert told(alive)[1:] == [("RUNNING", H, 49 * DAY, True), ("RESIZING", 49 * DAY, 50 * DAY, True)]
    # Deleted, it is off for good: what is still told of it changes nothing.
    gone = states(cluster(*silent, Event(3 * H, "EDITED"), Event(4 * H, "PINNED"), deleted=[2 * H]))
    assert told(gone)[1:] == [
        ("RUNNING", H, 2 * H, True),
        ("PERMENANT_DELETE", 2 * H, 3 * H, False),
        ("EDITED", 3 * H, 4 * H, False),
        ("PINNED", 4 * H, 10 * DAY, False),
    ]


def test_ends_and_starts_of_one_ms_come_in_that_order_and_doubles_once() -> None:
    found = states(
        cluster(
            Event(0, "CREATING"),
            Event(H, "STARTING", content=1),
            Event(H, "TERMINATING"),
            Event(H, "STARTING", content=2, size=5),
        )
    )
    assert told(found)[1:] == [("STARTING", H, 10 * DAY, True)], "what lasts no time is no state"
    assert found[1].current is None, "of two events of one type and time the one with the smaller hash counts"


def test_states_abut_whatever_the_order_of_events() -> None:
    kinds = [
        "CREATING",
        "STARTING",
        "RUNNING",
        "RESIZING",
        "TERMINATING",
        "EXPANDED_DISK",
        "RESTARTING",
        "SOMETHING_NEW",
    ]
    for seed in range(300):
        rng = random.Random(seed)
        events = [
            Event(rng.randrange(60) * H, rng.choice(kinds), current=rng.choice([None, 1, 4]), content=n)
            for n in range(12)
        ]
        known = {
            "runs": [Run(a := rng.randrange(60) * H, rng.choice([None, a + H])) for _ in range(rng.randrange(3))],
            "specs": [rng.choice([JOB, SHARED])],
            "ended": [rng.randrange(70) * H] * rng.randrange(2),
            "deleted": [rng.randrange(70) * H] * rng.randrange(2),
        }
        found = states(cluster(*events, until=3 * DAY, **known))
        shuffled = rng.sample(events, len(events))
        assert states(cluster(*shuffled, until=3 * DAY, **known)) == found
        assert all(a.end == b.start for a, b in pairwise(found))
        assert all(s.end >= s.start for s in found)
        assert sum(s.is_open for s in found) <= 1


KINDS = [
    "CREATING",
    "STARTING",
    "RESTARTING",
    "RUNNING",
    "RESIZING",
    "UPSIZE_COMPLETED",
    "TERMINATING",
    "EXPANDED_DISK",
    "DRIVER_HEALTHY",
    "PINNED",
]


def stands(state: State) -> bool:
    """As `cluster_state_detail_silver` has it."""
    certain = state.type in (STANDS_ON if state.running else STANDS_OFF)
    return certain and not state.imputed and state.end > state.start


def whole(rng: random.Random) -> Cluster:
    """A cluster whose events, runs and definitions follow no plan."""
    unit = rng.choice((1, 6 * H))  # some events of one millisecond
    ms = [rng.randrange(6 * DAY // unit) * unit for _ in range(rng.randrange(1, 25))]
    events = [
        Event(at, rng.choice(KINDS), rng.choice((None, 1, 2)), rng.choice((None, 3)), rng.choice((None, 4)))
        for at in ms
    ]
    runs = [
        Run(start, rng.choice((None, start + rng.randrange(2 * DAY), start + rng.randrange(H))))
        for start in (rng.randrange(6 * DAY) for _ in range(rng.randrange(4)))
    ]
    specs = [
        Spec(rng.randrange(6 * DAY), n, rng.choice((None, 5, 6)), rng.choice((None, 0, 60)), rng.choice((True, False)))
        for n in range(rng.randrange(4))
    ]
    times = [rng.randrange(6 * DAY) for _ in range(rng.randrange(3))]
    deleted = [rng.randrange(6 * DAY) for _ in range(rng.randrange(20) == 0)]
    return cluster(*events, until=6 * DAY, longest_ms=DAY, runs=runs, specs=specs, ended=times, deleted=deleted)


def known_before(rng: random.Random, all_of_it: Cluster) -> tuple[Cluster, int]:
    """A part of what is known of a cluster, and the earliest time of which the rest says something."""
    parts: dict[str, list[object]] = {}
    rest: list[int] = []
    for name in ("events", "runs", "specs", "ended", "deleted"):
        every = getattr(all_of_it, name)
        late = rng.choice((0, 0.1, 0.5))
        kept = [x for x in every if rng.random() >= late]
        times = {id(x): x if isinstance(x, int) else x.start if isinstance(x, Run) else x.ms for x in every}
        first = (
            min((times[id(x)] for x in every), default=0) if name == "specs" else -1
        )  # the first serves earlier times
        rest += [-1 if times[id(x)] <= first else times[id(x)] for x in every if not any(x is k for k in kept)]
        parts[name] = kept
    until = all_of_it.loaded_until if rng.random() < 0.5 else 5 * DAY
    part = replace(all_of_it, loaded_until=until, **parts)  # type: ignore[arg-type]
    if found := [s.start + 1 for s in states(part) if s.is_open]:  # it ends where events are loaded to
        rest.append(min(found))
    return part, min(rest, default=10 * DAY)


@pytest.mark.parametrize("seed", range(20))
def test_going_on_from_a_state_that_stands_ends_as_all_of_it_does(seed: int) -> None:
    rng = random.Random(seed)
    resumed = 0
    for _ in range(150):
        all_of_it = whole(rng)
        part, at = known_before(rng, all_of_it)
        stored = states(part)
        standing = [s for s in stored if stands(s) and s.start < at]
        expected = states(all_of_it)
        if not standing:
            continue
        resumed += 1
        last = max(standing, key=lambda s: s.start)
        since = replace(
            all_of_it,
            events=[e for e in all_of_it.events if e.ms > last.start],
            runs=[r for r in all_of_it.runs if r.end is None or r.end > last.start],
            ended=[ms for ms in all_of_it.ended if ms > last.start],
            deleted=[ms for ms in all_of_it.deleted if ms > last.start],
            was_used=last.was_used,
            before=Before(last.type, last.start, last.running, last.current, last.target, last.reset, last.restart),
        )
        found = [s for s in stored if s.start < last.start] + states(since)
        assert told(found) == told(expected)
        assert found == expected
    assert resumed > 20
