"""Costs against the truth of random stories, added up minute by minute by code that shares nothing with the rules."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from overwatch_assets.rules.cluster_states import Cluster, Event, Run, Spec, states
from overwatch_assets.rules.cost_segments import COSTS, UNIT, Definition, Occupant, Price, Prices, Stretch, segments

MIN = 60_000
DAY = 1440  # minutes
DAYS = 5
NODES = {"big": (Fraction("0.5"), Fraction(1)), "small": (Fraction("0.2"), Fraction("0.75"))}


@dataclass
class Story:
    """What a cluster really did, per minute.

    Attributes:
        phase: starting (compute only), working or off (absent).
        aimed: workers that it pays compute for; `there`: those that it pays DBUs for.
    """

    events: list[Event] = field(default_factory=list)
    phase: dict[int, str] = field(default_factory=dict)
    aimed: dict[int, int] = field(default_factory=dict)
    there: dict[int, int] = field(default_factory=dict)
    runs: list[tuple[int, int, int, int | None]] = field(default_factory=list)  # id, start, end, parent; minutes
    rates: list[tuple[int, Fraction]] = field(default_factory=list)  # first day, dollars a DBU
    photon: bool = False


def story(rng: random.Random) -> Story:
    """A cluster that starts, scales and ends some times in five days, with runs on it and prices that change."""
    told = Story(photon=rng.random() < 0.5, rates=[(0, Fraction("0.55"))])
    if rng.random() < 0.7:
        told.rates.append((rng.randrange(1, DAYS), Fraction(rng.choice(["0.6", "0.15"]))))
    at, first = rng.randrange(600), True
    while at < DAYS * DAY - 200:
        there = aimed = rng.randrange(4)
        told.events.append(Event(at * MIN, "CREATING" if first else "STARTING", size=there))
        first, began, working = False, at, at + rng.randrange(1, 9)
        told.events.append(Event(working * MIN, "RUNNING", current=there, target=there))
        until = min(at + rng.randrange(30, 2000), DAYS * DAY - 1)
        changes = {working: (there, aimed)}
        for minute in sorted(rng.sample(range(working + 1, until), min(rng.randrange(5), until - working - 1))):
            there, aimed = aimed, rng.randrange(6)
            told.events.append(Event(minute * MIN, "RESIZING", current=there, target=aimed))
            changes[minute] = (there, aimed)
        there, aimed = changes[working]
        for minute in range(began, until):
            there, aimed = changes.get(minute, (there, aimed))
            told.phase[minute] = "starting" if minute < working else "working"
            told.there[minute], told.aimed[minute] = there, aimed
        told.events.append(Event(until * MIN, "TERMINATING"))
        if rng.random() < 0.4:
            told.events.append(Event((until + 3) * MIN, "EXPANDED_DISK"))
        at = until + rng.randrange(10, 900)
    for number in range(rng.randrange(7)):
        start = rng.randrange(DAYS * DAY - 10)
        parent = number - 1 if number and rng.random() < 0.4 else None
        told.runs.append((number, start, start + rng.randrange(1, 2500), parent))
    return told


def truth(told: Story) -> tuple[dict[int, Fraction], dict[int, Fraction], dict[tuple[int, int], Fraction]]:
    """Cost per day, per run, and per run and day, dollars."""
    days: dict[int, Fraction] = defaultdict(Fraction)
    runs: dict[int, Fraction] = defaultdict(Fraction)
    both: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
    factor = 2 if told.photon else 1
    for minute, phase in told.phase.items():
        rate = [price for day, price in told.rates if day * DAY <= minute][-1]
        hour = NODES["big"][0] + NODES["small"][0] * told.aimed[minute]
        if phase == "working":
            hour += (NODES["big"][1] + NODES["small"][1] * told.there[minute]) * factor * rate
        days[minute // DAY] += hour / 60
        here = {run: parent for run, start, end, parent in told.runs if start <= minute < end}
        day = minute // DAY
        today = {run: parent for run, start, end, parent in told.runs if start < (day + 1) * DAY and end > day * DAY}
        payers = [run for run in here if not here.keys() & set(_started_by(run, today))]
        for run in payers:
            runs[run] += hour / 60 / len(payers)
            both[run, minute // DAY] += hour / 60 / len(payers)
    return days, runs, both


def _started_by(run: int, parents: dict[int, int | None]) -> list[int]:
    """The runs of the day that started a run, one through the other."""
    parent = parents.get(run)
    return [] if parent is None else [parent, *_started_by(parent, parents)]


@pytest.mark.parametrize("seed", range(40))
def test_costs_are_those_of_the_story(seed: int) -> None:
    told = story(random.Random(seed))
    loaded_until = DAYS * DAY * MIN
    found = states(
        Cluster(
            events=random.Random(seed).sample(told.events, len(told.events)),
            loaded_until=loaded_until,
            longest_ms=90 * DAY * MIN,
            runs=[Run(start * MIN, end * MIN) for _, start, end, _ in told.runs],
            specs=[Spec(0, automated=False)],
        )
    )
    stretches = [
        Stretch(s.type, s.start, s.end, s.is_open, s.running, s.dbu_billable, s.current, s.target) for s in found
    ]
    ends = [day * DAY * MIN for day, _ in told.rates[1:]] + [None]
    rates = [
        Price(day * DAY * MIN, end, {"rate": float(price)}) for (day, price), end in zip(told.rates, ends, strict=True)
    ]
    nodes = {n: [Price(None, None, {"compute": float(c), "dbus": float(d), "vcpus": 4})] for n, (c, d) in NODES.items()}
    prices = Prices(nodes, {"interactive": rates}, {("interactive", "photon"): [Price(None, None, {"factor": 2.0})]})
    definition = Definition(0, 0, "big", "small", False, "interactive", "PHOTON" if told.photon else "STANDARD")
    occupants = [Occupant(run, start * MIN, end * MIN, parent) for run, start, end, parent in told.runs]
    days: dict[int, int] = defaultdict(int)
    runs: dict[int, int] = defaultdict(int)
    both: dict[tuple[int, int], int] = defaultdict(int)
    for segment in segments(stretches, [definition], occupants, prices):
        day = segment.start // (DAY * MIN)
        days[day] += sum(getattr(segment.amounts, name) for name in COSTS)
        for share in segment.shares:
            part = sum(getattr(share.amounts, name) for name in COSTS)
            runs[share.run_id] += part
            both[share.run_id, day] += part
    for computed, real in zip((days, runs, both), truth(told), strict=True):
        assert {k for k, v in computed.items() if v} == set(real)
        for key, dollars in real.items():
            assert computed[key] / UNIT == pytest.approx(float(dollars), rel=1e-9)  # type: ignore[index]
