"""What a random story really cost: exact fractions, added up from what happened, by code that no table shares.

All causes of a change (something happens to a cluster, a run starts or ends, a price changes, a day ends) are put on
one line of time; between two of them nothing changes, so each piece is looked at in its middle. Slow, and plain.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from overwatch_assets.sample.random_parts import (
    NODE,
    OFF,
    PHOTON,
    RATE,
    WORKING,
    Cluster,
    Definition,
    Moment,
    Price,
    Run,
    Size,
    Story,
)
from overwatch_assets.sample.story import DAY, FIRST_DAY, FIRST_MS, HOUR

PARTS = ("driver_compute_cost", "worker_compute_cost", "driver_dbu_cost", "worker_dbu_cost")

Money = Mapping[str, Fraction | None]
"""Dollars by part; None: not known."""


@dataclass(frozen=True)
class Piece:
    """A time in which nothing changes, `[start, end)`, with what the cluster cost and who was on it.

    Attributes:
        moment: what last happened to the cluster: the state that it is in.
        payers: the runs that share the cost.
        guests: runs that another one pays for, and that one.
    """

    cluster: Cluster
    moment: Moment
    start: int
    end: int
    cost: Money
    payers: tuple[Run, ...]
    guests: tuple[tuple[Run, Run], ...]

    @property
    def day(self) -> int:
        """Its UTC day, counted from the story's first."""
        return (self.start - FIRST_MS) // DAY


@dataclass
class Bill:
    """A sum of costs.

    Attributes:
        known: what is known of each part.
        unknown: the parts of which something is not known.
        pieces: how many costs it is the sum of.
    """

    known: dict[str, Fraction] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    pieces: int = 0

    def add(self, cost: Money, parts: int = 1) -> None:
        """Put the n-th part of a cost on it."""
        self.pieces += 1
        for name, dollars in cost.items():
            if dollars is None:
                self.unknown.add(name)
            else:
                self.known[name] = self.known.get(name, Fraction(0)) + dollars / parts

    @property
    def total(self) -> Fraction | None:
        """All that is known; None: nothing is. That what is not there costs nothing tells nothing of the rest."""
        known = sum(self.known.values(), Fraction(0))
        return known if known or (self.known and not self.unknown) else None

    def part(self, name: str) -> Fraction | None:
        """One part; None: not all of it is known."""
        return None if name in self.unknown else self.known.get(name)


Bills = dict[tuple[object, ...], Bill]


@dataclass
class Truth:
    """Bills by what is paid for.

    Attributes:
        cluster_days: by cluster and day.
        idle_days: what no run used of them.
        states: by cluster, event and time of each state.
        runs: by run and start; a run that met no state of a cluster has an empty one.
        run_days: by run, start, cluster and day.
    """

    cluster_days: Bills = field(default_factory=lambda: defaultdict(Bill))
    idle_days: Bills = field(default_factory=lambda: defaultdict(Bill))
    states: Bills = field(default_factory=lambda: defaultdict(Bill))
    runs: Bills = field(default_factory=lambda: defaultdict(Bill))
    run_days: Bills = field(default_factory=lambda: defaultdict(Bill))


NOTHING: Money = dict.fromkeys(PARTS, Fraction(0))
"""What something costs that costs nothing."""


def truth(story: Story) -> Truth:
    """Add up what a story cost until it is looked at."""
    found = Truth()
    for run in story.runs:
        if is_known(run, story):
            found.runs[run.run_id, run.start].add({})
    for cluster in story.clusters:
        for moment in cluster.known(story.until_ms):
            is_last = moment.at == cluster.over(story.until_ms)  # a state of no length costs nothing
            found.states[cluster.cluster_id, moment.kind, moment.at].add(NOTHING if is_last else {})
    for piece in pieces(story):
        cluster_id = piece.cluster.cluster_id
        found.cluster_days[cluster_id, piece.day].add(piece.cost)
        found.states[cluster_id, piece.moment.kind, piece.moment.at].add(piece.cost)
        used = {name: None if dollars is None else Fraction(0) for name, dollars in piece.cost.items()}
        found.idle_days[cluster_id, piece.day].add(used if piece.payers else piece.cost)
        for run in piece.payers:
            found.runs[run.run_id, run.start].add(piece.cost, len(piece.payers))
            found.run_days[run.run_id, run.start, cluster_id, piece.day].add(piece.cost, len(piece.payers))
        for run, _ in piece.guests:
            found.runs[run.run_id, run.start].add(NOTHING)
            found.run_days[run.run_id, run.start, cluster_id, piece.day].add(NOTHING)
    return found


def is_known(run: Run, story: Story) -> bool:
    """Whether a run has begun, as far as anybody tells."""
    return run.began_told and run.start < story.until_ms


def end_of(run: Run, story: Story) -> int:
    """When a run ended, or until when it is open."""
    told = run.end if run.ended_told else run.cancelled_ms
    return story.until_ms if told is None else min(told, story.until_ms)


def pieces(story: Story, *, listed: bool = True) -> Iterator[Piece]:
    """The pieces of all clusters, from the first that is heard of each to the last.

    Args:
        story: what happened.
        listed: with the prices that somebody lists; else with all that there are.
    """
    for cluster in story.clusters:
        yield from _of_cluster(story, cluster, [p for p in story.prices if p.listed or not listed])


def _of_cluster(story: Story, cluster: Cluster, prices: Iterable[Price]) -> Iterator[Piece]:
    known = cluster.known(story.until_ms)
    if not known:
        return
    over = cluster.over(story.until_ms)
    begin, end = known[0].at, story.until_ms if over is None else over
    runs = [r for r in story.runs if r.cluster_id == cluster.cluster_id and is_known(r, story)]
    causes = {begin, end, *(m.at for m in known), *(at for at, _ in cluster.definitions)}
    causes |= {ms for run in runs for ms in (run.start, end_of(run, story))}
    causes |= {midnight(price) for price in prices}
    causes |= set(range(FIRST_MS - 30 * DAY, end, DAY))
    for a, b in pairwise(sorted(ms for ms in causes if begin <= ms <= end)):
        middle = Fraction(a + b, 2)
        moment = [m for m in known if m.at <= middle][-1]
        definition = [d for at, d in cluster.definitions if at <= middle][-1]
        there = [r for r in runs if r.start <= middle < end_of(r, story)]
        hosts = {r.run_id: host for r in there if (host := _host(r, there, story.runs)) is not None}
        yield Piece(
            cluster,
            moment,
            a,
            b,
            _cost(moment, definition, Prices(prices, middle), Fraction(b - a, HOUR)),
            tuple(r for r in there if r.run_id not in hosts),
            tuple((r, hosts[r.run_id]) for r in there if r.run_id in hosts),
        )


def _host(run: Run, there: Iterable[Run], runs: Iterable[Run]) -> Run | None:
    """The outermost of a run's ancestors that is there."""
    parents = {r.run_id: r.parent for r in runs}
    present = {r.run_id: r for r in there}
    found, ancestor = None, run.parent
    while ancestor is not None:
        found = present.get(ancestor, found)
        ancestor = parents.get(ancestor)
    return found


class Prices:
    """What things cost at a moment; what a row leaves out is as in the row before it."""

    def __init__(self, prices: Iterable[Price], at: Fraction) -> None:
        self.rows = sorted((p for p in prices if midnight(p) <= at), key=lambda p: p.since)
        self.keys = {(p.kind, p.key) for p in prices}

    def amount(self, kind: str, key: str) -> Fraction | None:
        """Dollars an hour, dollars a DBU, or a factor."""
        return next(
            (p.amount for p in reversed(self.rows) if (p.kind, p.key) == (kind, key) and p.amount is not None), None
        )

    def dbus(self, key: str) -> Fraction | None:
        """DBUs an hour of a node."""
        return next(
            (p.dbus for p in reversed(self.rows) if (p.kind, p.key) == (NODE, key) and p.dbus is not None), None
        )

    def factor(self, definition: Definition) -> Fraction | None:
        """What DBUs are multiplied by."""
        if not definition.photon or (PHOTON, definition.sold_as) not in self.keys:
            return Fraction(1)
        return self.amount(PHOTON, definition.sold_as)


def midnight(price: Price | Size) -> int:
    """When a price begins to hold."""
    return FIRST_MS + (price.since - FIRST_DAY).days * DAY


def _cost(moment: Moment, definition: Definition, prices: Prices, hours: Fraction) -> Money:
    """What a cluster costs: the cloud takes the nodes that were asked for, DBUs are of the nodes that are there."""
    if moment.phase == OFF:
        return NOTHING
    found: dict[str, Fraction | None] = {}
    rate, factor = prices.amount(RATE, definition.sold_as), prices.factor(definition)
    for role, node, aimed, there in (
        ("driver", definition.driver, 1, 1),
        ("worker", definition.worker, moment.aimed, moment.there),
    ):
        if node is None:
            found |= {f"{role}_compute_cost": Fraction(0), f"{role}_dbu_cost": Fraction(0)}
            continue
        found[f"{role}_compute_cost"] = times(prices.amount(NODE, node), Fraction(aimed), hours)
        works = moment.phase == WORKING
        dbus = times(prices.dbus(node), Fraction(there), factor, rate, hours)
        found[f"{role}_dbu_cost"] = dbus if works else Fraction(0)
    return found


def times(*factors: Fraction | None) -> Fraction | None:
    """A product; None: one of the factors is not known."""
    product = Fraction(1)
    for factor in factors:
        if factor is None:
            return None
        product *= factor
    return product
