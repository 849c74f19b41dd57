"""What a cluster costs, and who pays: its states cut into segments in which nothing changes.

A state is cut where a price changes, where a run starts or ends, and at UTC midnights. What a segment costs is a whole
number, of trillionths of a dollar, and its parts are too, so that sums are exact in any order: the runs' shares and
what no run used are the cluster's cost, days are the state's.

- Nodes, SKU and engine are those of the definition at the state's start; prices are those of the segment.
- Compute is paid for the workers that a state aims at, DBUs and cores for those that it began with (Overwatch's
  documentation of `clusterStateFact`).
- A price that is not known makes its part null, and what is known remains; nothing is 0 because it is unknown.
- Each of the k runs that a segment has pays a k-th part, the odd trillionths go to the smallest run ids. A run that
  another one started (`dbutils.notebook.run`) is paid by that one while both are on the cluster.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from itertools import pairwise
from typing import Any

UNIT = 10**12
"""How many units a dollar, or a DBU, has."""
HOUR_MS = 3_600_000
_DAY_MS = 86_400_000

PRICED = "priced"


@dataclass(frozen=True)
class Price:
    """A price that holds in `[from_ms, until_ms)`; None: from ever, for ever.

    Attributes:
        values: per name the number, None if it is not known; whatever else its row has besides.
    """

    from_ms: int | None
    until_ms: int | None
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Definition:
    """What the cluster consisted of, from a time on; of one time, the highest sequence counts."""

    ms: int
    sequence: int
    driver_node_type: str | None
    node_type: str | None
    is_single_node: bool
    sku: str | None
    engine: str | None


@dataclass(frozen=True)
class Occupant:
    """A run on the cluster, `[start, end)`.

    Attributes:
        parent: the run that started it, if a run did.
    """

    run_id: int
    start: int
    end: int
    parent: int | None = None


@dataclass(frozen=True)
class Stretch:
    """A state, as `cluster_state_detail_silver` has it."""

    state: str
    start: int
    end: int
    is_open: bool
    running: bool
    dbu_billable: bool
    current: int | None
    target: int | None


@dataclass(frozen=True)
class Amounts:
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


AMOUNTS = tuple(f.name for f in fields(Amounts))
COSTS = AMOUNTS[:4]


@dataclass(frozen=True)
class Share:
    """A run's part of a segment.

    Attributes:
        run_start: tells the lives of one run apart.
        charged_to: the run that pays for it; the part is 0 then.
    """

    run_id: int
    run_start: int
    charged_to: int | None
    amounts: Amounts


@dataclass(frozen=True)
class Segment:
    """A part of a state in which nothing changes.

    Attributes:
        cost_status: `priced`, or what is missing or bridged, in a fixed order.
        runs: how many pay.
        idle: what no run used.
    """

    state: Stretch
    start: int
    end: int
    definition: Definition | None
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
    states: Iterable[Stretch], definitions: Iterable[Definition], occupants: Iterable[Occupant], prices: Prices
) -> Iterator[Segment]:
    """The segments of one cluster, in order. States of no length have none."""
    ordered = sorted(definitions, key=lambda d: (d.ms, d.sequence))
    present = sorted((o for o in occupants if o.end > o.start), key=lambda o: (o.run_id, o.start))
    for state in sorted(states, key=lambda s: (s.start, s.end)):
        at = bisect_right(ordered, state.start, key=lambda d: d.ms)
        definition = ordered[max(at - 1, 0)] if ordered else None
        there = [o for o in present if o.start < state.end and o.end > state.start]
        used = _used(prices, definition)
        cuts = {state.start, state.end, *range(state.start - state.start % _DAY_MS, state.end, _DAY_MS)}
        cuts |= {ms for o in there for ms in (o.start, o.end)}
        cuts |= {ms for price in used for ms in (price.from_ms, price.until_ms) if ms is not None}
        for start, end in pairwise(sorted(ms for ms in cuts if state.start <= ms <= state.end)):
            active = [o for o in there if o.start <= start < o.end]
            yield _segment(state, start, end, definition, active, prices, bridged=bool(ordered) and at == 0)


def _used(prices: Prices, definition: Definition | None) -> list[Price]:
    if definition is None:
        return []
    nodes = [price_key(definition.driver_node_type), price_key(definition.node_type)]
    sku, engine = price_key(definition.sku), price_key(definition.engine)
    return [
        *(price for node in nodes for price in prices.nodes.get(node, ())),
        *prices.rates.get(sku, ()),
        *prices.factors.get((sku, engine), ()),
    ]


def price_key(name: str | None) -> str:
    """A node type, SKU or engine as prices are found by."""
    return (name or "").strip().lower()


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
    definition: Definition | None,
    active: Sequence[Occupant],
    prices: Prices,
    *,
    bridged: bool,
) -> Segment:
    missing: list[str] = []

    def known(value: float | None, what: str) -> Decimal | None:
        if value is None and what not in missing:
            missing.append(what)
        return None if value is None else Decimal(str(value))

    sku, engine = (price_key(definition.sku), price_key(definition.engine)) if definition else ("", "")
    rate = values_at(prices.rates.get(sku, ()), start).get("rate")
    factor = values_at(prices.factors.get((sku, engine), ()), start).get("factor")
    if not prices.factors.get((sku, engine)):
        factor = 1.0
    amounts = Amounts()
    if state.running:
        parts: dict[str, int | None] = {}
        single = definition is not None and definition.is_single_node
        counts = {"driver": (1, 1), "worker": (0, 0) if single else (state.target, state.current)}
        cores: dict[str, Decimal | None] = {}
        for role, (aimed, there) in counts.items():
            node = None if definition is None else (definition.driver_node_type, definition.node_type)[role == "worker"]
            found = values_at(prices.nodes.get(price_key(node), ()), start)
            name = f"{role} node {node or 'type'}"
            none = aimed == 0 and there == 0
            aimed_n = known(aimed, "number of workers")
            there_n = known(there, "number of workers")
            price = Decimal(0) if none else known(found.get("compute"), f"price of {name}")
            parts[f"{role}_compute_cost"] = _whole(price, aimed_n, ms=end - start)
            vcpus = Decimal(0) if none else known(found.get("vcpus"), f"cores of {name}")
            cores[role] = None if vcpus is None or there_n is None else vcpus * there_n
            if state.dbu_billable:
                hourly = Decimal(0) if none else known(found.get("dbus"), f"DBUs of {name}")
                photon = known(factor, f"Photon factor of {sku or 'its SKU'}")
                paid = Decimal(0) if none else known(rate, f"rate of {sku or 'its SKU'}")
                parts[f"{role}_dbus"] = _whole(hourly, there_n, photon, ms=end - start)
                parts[f"{role}_dbu_cost"] = _whole(hourly, there_n, photon, paid, ms=end - start)
        driver, worker = cores["driver"], cores["worker"]
        ms = end - start
        parts["core_ms"] = None if driver is None or worker is None else int((driver + worker) * ms)
        if state.dbu_billable:
            potential = driver if single else worker
            parts["worker_potential_core_ms"] = None if potential is None else int(potential * ms)
        amounts = Amounts(**parts)
    shares = tuple(_shares(amounts, active))
    taken = [s.amounts for s in shares if s.charged_to is None]
    idle = amounts if not taken else _minus(amounts, taken)
    status = "; ".join([*(f"missing {m}" for m in missing), *(["definition of a later time"] if bridged else [])])
    return Segment(
        state=state,
        start=start,
        end=end,
        definition=definition,
        dbu_rate=rate,
        photon_factor=factor,
        cost_status=status or PRICED,
        amounts=amounts,
        idle=idle,
        runs=len(taken),
        shares=shares,
    )


def _whole(*factors: Decimal | None, ms: int) -> int | None:
    """Product of hourly amounts over some milliseconds, in units, rounded half to even."""
    product = Decimal(UNIT) * ms
    for factor in factors:
        if factor is None:
            return None
        product *= factor
    return int((product / HOUR_MS).to_integral_value())


def _shares(amounts: Amounts, active: Sequence[Occupant]) -> Iterator[Share]:
    parents = {o.run_id: o.parent for o in active}
    payers = [_payer(o, parents) for o in active]
    count, at = payers.count(None), 0
    for run, payer in zip(active, payers, strict=True):
        if payer is not None:
            yield Share(run.run_id, run.start, payer, Amounts())
            continue
        parts = {name: _part(getattr(amounts, name), at, count) for name in AMOUNTS}
        yield Share(run.run_id, run.start, None, Amounts(**parts))
        at += 1


def _payer(run: Occupant, parents: Mapping[int, int | None]) -> int | None:
    """The outermost run that is there too and started it; None: it pays itself."""
    seen, found, parent = {run.run_id}, None, run.parent
    while parent is not None and parent in parents and parent not in seen:
        seen.add(parent)
        found, parent = parent, parents[parent]
    return found


def _part(total: int | None, at: int, count: int) -> int | None:
    if total is None:
        return None
    whole, rest = divmod(total, count)
    return whole + (at < rest)


def _minus(amounts: Amounts, taken: Sequence[Amounts]) -> Amounts:
    left = {}
    for name in AMOUNTS:
        total = getattr(amounts, name)
        left[name] = None if total is None else total - sum(getattr(t, name) for t in taken)
    return Amounts(**left)
