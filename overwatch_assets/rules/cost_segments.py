"""What a cluster costs, and who pays: its states cut into segments in which nothing changes.

A state is cut where a price changes, where a run starts or ends, and at UTC midnights. What a segment costs is a whole
number, of trillionths of a dollar, and its parts are too, so that sums are exact in any order: the runs' shares and
what no run used are the cluster's cost, days are the state's.

- Nodes, SKU and engine are those of the definition at the state's start; prices are those of the segment.
- Compute is paid for the workers that a state aims at, DBUs and cores for those that it began with (Overwatch's
  documentation of `clusterStateFact`).
- A price that is not known makes its part null, and what is known remains; nothing is 0 because it is unknown.
- Each of the k runs that a segment has pays a k-th part, the odd trillionths go to the smallest run ids. A run that
  another one started (`dbutils.notebook.run`) is paid by that one while both are on the cluster, else by the one that
  started that, if all of them were on it on the day.
"""

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

from overwatch_assets.rules.dated import held_at, in_order
from overwatch_assets.rules.days import DAY_MS, day_start_ms, days_of

UNIT = 10**12
"""How many units a dollar, or a DBU, has."""
HOUR_MS = 3_600_000
_UNIT_PER_MS = Fraction(UNIT, HOUR_MS)

PRICED = "priced"
NO_STATE = "no state of the cluster is known"
NO_STATE_FOR_ALL = "no state of the cluster is known for a part of it"


@dataclass(frozen=True)
class Price:
    """A price that holds in `[from_ms, until_ms)`; None: from ever, for ever.

    Attributes:
        values: per name the number, None if it is not known; whatever else its row has besides.
    """

    from_ms: int | None
    until_ms: int | None
    values: Mapping[str, Any]


class Definition(NamedTuple):
    """What the cluster consisted of, from a time on; of one time, the highest sequence counts."""

    ms: int
    sequence: int
    driver_node_type: str | None
    node_type: str | None
    is_single_node: bool
    sku: str | None
    engine: str | None


class Occupant(NamedTuple):
    """A run on the cluster, `[start, end)`.

    Attributes:
        parent: the run that started it, if a run did.
    """

    run_id: int
    start: int
    end: int
    parent: int | None = None


class Stretch(NamedTuple):
    """A state, as `cluster_state_detail_silver` has it."""

    state: str
    start: int
    end: int
    is_open: bool
    running: bool
    dbu_billable: bool
    current: int | None
    target: int | None


class Amounts(NamedTuple):
    """What a segment, or a run's part of it, comes to; None: not known.

    Attributes:
        driver_compute_cost: and the other costs, in `UNIT`s of a dollar.
        driver_dbus: and those of the workers, in `UNIT`s of a DBU.
        core_ms: cores of all nodes times milliseconds.
        worker_potential_core_ms: cores that could run tasks, times milliseconds.
    """

    driver_compute_cost: int | None = 0
    worker_compute_cost: int | None = 0
    driver_dbu_cost: int | None = 0
    worker_dbu_cost: int | None = 0
    driver_dbus: int | None = 0
    worker_dbus: int | None = 0
    core_ms: int | None = 0
    worker_potential_core_ms: int | None = 0


AMOUNTS = Amounts._fields
_NOTHING = Amounts()
COSTS = AMOUNTS[:4]


class Share(NamedTuple):
    """A run's part of a segment.

    Attributes:
        run_start: tells the lives of one run apart.
        charged_to: the run that pays for it; the part is 0 then.
    """

    run_id: int
    run_start: int
    charged_to: int | None
    amounts: Amounts


class Segment(NamedTuple):
    """A part of a state in which nothing changes.

    Attributes:
        driver: the price of the driver's node that holds at its start, with all of its row; empty: none does.
        worker: that of the workers'.
        cost_status: `priced`, or what is missing or bridged, in a fixed order.
        runs: how many pay.
        idle: what no run used.
    """

    state: Stretch
    start: int
    end: int
    definition: Definition | None
    driver: Mapping[str, Any]
    worker: Mapping[str, Any]
    dbu_rate: float | None
    photon_factor: float | None
    cost_status: str
    amounts: Amounts
    idle: Amounts
    runs: int
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Prices:
    """Prices by key in lower case, each key's in any order: nodes by type, rates by SKU, factors by SKU and engine.

    A SKU and engine without any row have the factor 1.
    """

    nodes: Mapping[str, Sequence[Price]]
    rates: Mapping[str, Sequence[Price]]
    factors: Mapping[tuple[str, str], Sequence[Price]]


def segments(
    states: Iterable[Stretch],
    definitions: Iterable[Definition],
    occupants: Iterable[Occupant],
    prices: Prices,
    days: Collection[dt.date] | None = None,
) -> Iterator[Segment]:
    """The segments of one cluster, in order. States of no length have none.

    Args:
        states: its states.
        definitions: what it consisted of; the first serves earlier times too.
        occupants: its runs.
        prices: those of its nodes and SKUs.
        days: those whose segments are wanted; None: all.
    """
    ordered = in_order(definitions)
    present = sorted((o for o in occupants if o.end > o.start), key=lambda o: (o.run_id, o.start))
    tariffs = {definition: _Tariff(prices, definition) for definition in ordered}
    unknown = _Tariff(prices, None)
    of_days: dict[dt.date, list[Occupant]] = {}
    parents: dict[dt.date, dict[int, int | None]] = {}
    for state in sorted(states, key=lambda s: (s.start, s.end)):
        definition, is_later = held_at(ordered, state.start)
        tariff = unknown if definition is None else tariffs[definition]
        for day in days_of(state.start, state.end):
            if days is not None and day not in days:
                continue
            midnight = day_start_ms(day)
            if day not in of_days:
                of_days[day] = [o for o in present if o.start < midnight + DAY_MS and o.end > midnight]
                parents[day] = {o.run_id: o.parent for o in of_days[day]}
            begin, end = max(state.start, midnight), min(state.end, midnight + DAY_MS)
            there = [o for o in of_days[day] if o.start < end and o.end > begin]
            cuts = {begin, end, *(ms for o in there for ms in (o.start, o.end)), *tariff.cuts}
            for a, b in pairwise(sorted(ms for ms in cuts if begin <= ms <= end)):
                active = [o for o in there if o.start <= a < o.end]
                yield _segment(state, a, b, tariff, active, parents[day], bridged=is_later)


@dataclass(frozen=True)
class _Hourly:
    """What a state costs by the hour while no price changes.

    Attributes:
        rates: of each of `AMOUNTS` its units a millisecond, None: not known; without any all are 0.
    """

    rates: Sequence[tuple[int, int] | None]
    missing: tuple[str, ...]
    dbu_rate: float | None
    photon_factor: float | None
    driver: Mapping[str, Any]
    worker: Mapping[str, Any]

    def amounts(self, ms: int) -> Amounts:
        """What some milliseconds come to, rounded half to even."""
        if not self.rates:
            return _NOTHING
        return Amounts(*(None if rate is None else rounded(ms * rate[0], rate[1]) for rate in self.rates))


class _Tariff:
    """The prices of a definition."""

    def __init__(self, prices: Prices, definition: Definition | None) -> None:
        self.definition = definition
        nodes = (definition.driver_node_type, definition.node_type) if definition else (None, None)
        self._nodes = dict(zip(("driver", "worker"), nodes, strict=True))
        self._sku, engine = (price_key(definition.sku), price_key(definition.engine)) if definition else ("", "")
        self._of_node = {role: prices.nodes.get(price_key(node), ()) for role, node in self._nodes.items()}
        self._rates = prices.rates.get(self._sku, ())
        self._factors = prices.factors.get((self._sku, engine), ())
        used = [*(p for found in self._of_node.values() for p in found), *self._rates, *self._factors]
        self.cuts = sorted({ms for p in used for ms in (p.from_ms, p.until_ms) if ms is not None}) if definition else []
        self._known: dict[tuple[object, ...], _Hourly] = {}

    def hourly(self, state: Stretch, at: int) -> _Hourly:
        """What a state costs at a time."""
        period = bisect_right(self.cuts, at)
        key = (period, state.running, state.dbu_billable, state.current, state.target)
        if key not in self._known:
            self._known[key] = self._hourly(state, at)
        return self._known[key]

    def _hourly(self, state: Stretch, at: int) -> _Hourly:
        rate = values_at(self._rates, at).get("rate")
        factor = values_at(self._factors, at).get("factor") if self._factors else 1.0
        nodes = {role: values_at(found, at) for role, found in self._of_node.items()}
        if not state.running:
            return _Hourly((), (), rate, factor, **nodes)
        missing: dict[str, None] = {}

        def known(value: float | None, what: str) -> Fraction | None:
            if value is None:
                missing[what] = None
            return None if value is None else exact(value)

        rates: dict[str, tuple[int, int] | None] = {}
        single = self.definition is not None and self.definition.is_single_node
        counts = {"driver": (1, 1), "worker": (0, 0) if single else (state.target, state.current)}
        cores: dict[str, Fraction | None] = {}
        for role, (aimed, there) in counts.items():
            found = nodes[role]
            name = f"{role} node {self._nodes[role] or 'type'}"
            none = there == 0
            aimed_n = known(aimed, "number of workers")
            there_n = known(there, "number of workers")
            price = Fraction(0) if aimed == 0 else known(found.get("compute"), f"price of {name}")
            rates[f"{role}_compute_cost"] = per_ms(price, aimed_n)
            vcpus = Fraction(0) if none else known(found.get("vcpus"), f"cores of {name}")
            cores[role] = None if vcpus is None or there_n is None else vcpus * there_n
            if state.dbu_billable:
                hourly = Fraction(0) if none else known(found.get("dbus"), f"DBUs of {name}")
                photon = known(factor, f"Photon factor of {self._sku or 'its SKU'}")
                paid = Fraction(0) if none else known(rate, f"rate of {self._sku or 'its SKU'}")
                rates[f"{role}_dbus"] = per_ms(hourly, there_n, photon)
                rates[f"{role}_dbu_cost"] = per_ms(hourly, there_n, photon, paid)
        driver, worker = cores["driver"], cores["worker"]
        rates["core_ms"] = None if driver is None or worker is None else (driver + worker).as_integer_ratio()
        if state.dbu_billable:
            potential = driver if single else worker
            rates["worker_potential_core_ms"] = None if potential is None else potential.as_integer_ratio()
        of_all = tuple(rates.get(name, (0, 1)) for name in AMOUNTS)
        return _Hourly(of_all, tuple(missing), rate, factor, **nodes)


def price_key(name: str | None) -> str:
    """A node type, SKU or engine as prices are found by."""
    return (name or "").strip().lower()


def prices_by(key: str, rows: Iterable[Mapping[str, Any]], **columns: str) -> dict[str, list[Price]]:
    """Rows of a price table by one of its columns, in lower case; ``columns``: a name for each number."""
    found: dict[str, list[Price]] = defaultdict(list)
    for row in rows:
        values = {**row, **{name: row[column] for name, column in columns.items()}}
        found[price_key(row[key])].append(Price(row["valid_from_ms"], row["valid_until_ms"], values))
    return found


def values_at(prices: Sequence[Price], ms: int) -> Mapping[str, Any]:
    """The values that hold at a time; none: nothing does."""
    for price in prices:
        if (price.from_ms is None or price.from_ms <= ms) and (price.until_ms is None or ms < price.until_ms):
            return price.values
    return {}


def _segment(
    state: Stretch,
    start: int,
    end: int,
    tariff: _Tariff,
    active: Sequence[Occupant],
    parents: Mapping[int, int | None],
    *,
    bridged: bool,
) -> Segment:
    hourly = tariff.hourly(state, start)
    amounts = hourly.amounts(end - start)
    shares = tuple(_shares(amounts, active, parents)) if active else ()
    taken = [s.amounts for s in shares if s.charged_to is None]
    missing = [f"missing {m}" for m in hourly.missing]
    return Segment(
        state=state,
        start=start,
        end=end,
        definition=tariff.definition,
        driver=hourly.driver,
        worker=hourly.worker,
        dbu_rate=hourly.dbu_rate,
        photon_factor=hourly.photon_factor,
        cost_status="; ".join([*missing, *(["definition of a later time"] if bridged else [])]) or PRICED,
        amounts=amounts,
        idle=amounts if not taken else _minus(amounts, taken),
        runs=len(taken),
        shares=shares,
    )


def per_ms(*hourly: Fraction | None) -> tuple[int, int] | None:
    """Product of hourly amounts as units a millisecond, a ratio of whole numbers."""
    found = product(_UNIT_PER_MS, *hourly)
    return None if found is None else found.as_integer_ratio()


def product(*factors: Fraction | None) -> Fraction | None:
    """A product; None: a factor is not known."""
    known = [f for f in factors if f is not None]
    if len(known) < len(factors):
        return None
    return Fraction(prod(f.numerator for f in known), prod(f.denominator for f in known))


@cache
def exact(value: float) -> Fraction:
    """A price, a factor or a count as it is written, which a double only comes near. There are few, asked for often."""
    return Fraction(str(value))


def rounded(numerator: int, denominator: int) -> int:
    """A quotient, rounded half to even."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def _shares(amounts: Amounts, active: Sequence[Occupant], parents: Mapping[int, int | None]) -> Iterator[Share]:
    there = {o.run_id for o in active}
    payers = [_payer(o, parents, there) for o in active]
    count, at = payers.count(None), 0
    for run, payer in zip(active, payers, strict=True):
        if payer is not None:
            yield Share(run.run_id, run.start, payer, _NOTHING)
            continue
        yield Share(run.run_id, run.start, None, Amounts(*(kth_part(total, at, count) for total in amounts)))
        at += 1


def _payer(run: Occupant, parents: Mapping[int, int | None], there: Collection[int]) -> int | None:
    """The outermost run that is there too and started it; None: it pays itself."""
    seen, found, parent = {run.run_id}, None, run.parent
    while parent is not None and parent not in seen:
        seen.add(parent)
        found, parent = parent if parent in there else found, parents.get(parent)
    return found


def kth_part(total: int | None, at: int, count: int) -> int | None:
    """The part of one of so many, from 0: they differ by 1 at most, and are the whole together."""
    if total is None:
        return None
    whole, rest = divmod(total, count)
    return whole + (at < rest)


def _minus(amounts: Amounts, taken: Sequence[Amounts]) -> Amounts:
    each = zip(amounts, *taken, strict=True)
    return Amounts(*(None if total is None else total - sum(parts) for total, *parts in each))
