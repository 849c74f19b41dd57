"""What a state of a SQL warehouse costs: DBUs x clusters x the rate of its type, and its nodes if they are yours.

Definition, size and prices are those of the state's start. All parts are whole numbers, of trillionths of a dollar, so
that sums are exact in any order. While a classic or pro warehouse is on, the cloud takes money for the nodes of each of
its clusters, driver and workers; those of a serverless one are Databricks' own, and in its rate. What is not known
makes its part null; nothing is 0 because it is unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from overwatch_assets.rules.cost_segments import PRICED, Price, exact, per_ms, price_key, product, rounded, values_at
from overwatch_assets.rules.dated import held_at, in_order
from overwatch_assets.rules.prices import SQL_SKUS, size_key
from overwatch_assets.rules.warehouses import SERVERLESS, billed_type


@dataclass(frozen=True)
class Definition:
    """What the warehouse was, from a time on; of one time, the highest sequence counts.

    Attributes:
        row: whatever else is known of it.
    """

    ms: int
    sequence: int
    size: str | None
    warehouse_type: str | None
    serverless: bool | None
    row: Mapping[str, Any] = field(default_factory=dict)

    @property
    def billed(self) -> str | None:
        """CLASSIC, PRO or SERVERLESS; None: not known."""
        return billed_type(self.warehouse_type, self.serverless)

    @property
    def sku(self) -> str | None:
        """What its DBUs are sold as."""
        return None if self.billed is None else SQL_SKUS[self.billed]


@dataclass(frozen=True)
class Stretch:
    """A state, `[start, end)`, as `warehouse_state_detail_silver` has it."""

    start: int
    end: int
    running: bool
    dbu_billable: bool
    clusters: int | None


@dataclass(frozen=True)
class Cost:
    """What a state comes to; None: not known.

    Attributes:
        definition: that of its start; None: there is none.
        size: the price of that size, with all of its row; empty: none holds.
        rate: dollars a DBU.
        dbu_cost: in `UNIT`s of a dollar, as are the costs of nodes; of a serverless warehouse those are 0.
        dbus: in `UNIT`s of a DBU.
        worker_core_ms: cores of its workers times milliseconds.
        cost_status: `priced`, or what is missing or bridged.
    """

    definition: Definition | None
    size: Mapping[str, Any]
    rate: float | None
    dbus: int | None
    dbu_cost: int | None
    driver_compute_cost: int | None
    worker_compute_cost: int | None
    worker_core_ms: int | None
    cost_status: str

    @property
    def compute_cost(self) -> int | None:
        """What is known of its nodes' cost; None: nothing."""
        return _known(self.driver_compute_cost, self.worker_compute_cost)

    @property
    def total_cost(self) -> int | None:
        """What is known of its cost; None: nothing is."""
        return _known(self.dbu_cost, self.driver_compute_cost, self.worker_compute_cost)


@dataclass(frozen=True)
class Tariff:
    """Definitions of a warehouse and the prices that they ask for.

    Attributes:
        definitions: in any order; the first serves earlier times too.
        sizes: by `size_key`, with the values of `warehousedbudetails`.
        rates: by SKU in lower case, with the value `rate`.
    """

    definitions: Sequence[Definition]
    sizes: Mapping[str, Sequence[Price]]
    rates: Mapping[str, Sequence[Price]]

    def __post_init__(self) -> None:
        """Put definitions in order."""
        object.__setattr__(self, "definitions", in_order(self.definitions))

    def cost(self, state: Stretch) -> Cost:
        """What a state comes to."""
        definition, is_later = held_at(self.definitions, state.start)
        size = values_at(self.sizes.get(size_key(definition.size), ()), state.start) if definition else {}
        rate = values_at(self.rates.get(price_key(definition.sku), ()), state.start).get("rate") if definition else None
        missing: dict[str, None] = {}

        def known(value: float | None, what: str) -> Fraction | None:
            if value is None:
                missing[what] = None
            return None if value is None else exact(value)

        def comes_to(*hourly: Fraction | None) -> int | None:
            ratio = per_ms(*hourly)
            return None if ratio is None else rounded((state.end - state.start) * ratio[0], ratio[1])

        amounts: dict[str, int | None] = dict.fromkeys(
            ("dbus", "dbu_cost", "driver_compute_cost", "worker_compute_cost", "worker_core_ms"), 0
        )
        # A state that lasts no time, or has no clusters, costs nothing whatever its prices.
        if state.running and state.end > state.start and state.clusters != 0:
            clusters = known(state.clusters, "number of clusters")
            kind = definition.billed if definition else None
            if definition is None:
                missing["definition"] = None
            else:
                named = f"size {definition.size}".strip() if definition.size else "size"
                if not size:
                    missing[named] = None
                if kind is None:
                    missing["type of the warehouse"] = None

            def stated(name: str, what: str) -> Fraction | None:
                return known(size.get(name), f"{what} of {named}") if size else None

            workers = stated("worker_count", "number of workers")
            if state.dbu_billable:
                dbus = stated("total_dbus", "DBUs")
                paid = known(rate, f"rate of {definition.sku}") if definition and kind else None
                amounts["dbus"] = comes_to(dbus, clusters)
                amounts["dbu_cost"] = comes_to(dbus, clusters, paid)
                cores = product(clusters, workers, stated("worker_vCPUs", "cores of the workers"))
                lasted = state.end - state.start
                amounts["worker_core_ms"] = None if cores is None else rounded(*(cores * lasted).as_integer_ratio())
            if kind != SERVERLESS:
                driver = stated("driver_compute_price", "price of the driver") if kind else None
                worker = stated("worker_compute_price", "price of a worker") if kind else None
                amounts["driver_compute_cost"] = comes_to(driver, clusters)
                amounts["worker_compute_cost"] = comes_to(worker, workers, clusters)
        bridged = ["definition of a later time"] if is_later and state.running else []
        said = [*(f"missing {m}" for m in missing), *bridged]
        return Cost(definition, size, rate, **amounts, cost_status="; ".join(said) or PRICED)


def _known(*parts: int | None) -> int | None:
    """Sum of what is known. That a start costs no DBUs, or a serverless one no nodes, tells nothing of the rest."""
    found = sum(part for part in parts if part is not None)
    return found if found or None not in parts else None
