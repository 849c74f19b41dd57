"""What states of SQL warehouses cost; every number is worked out by hand, in dollars unless it says otherwise."""

import random
from fractions import Fraction
from typing import Any

import pytest

from overwatch_assets.rules.cost_segments import UNIT, Price
from overwatch_assets.rules.warehouse_costs import Cost, Definition, Stretch, Tariff

H = 3_600_000
# A small cluster: 12 DBUs, a driver of 1.25 and four workers of 0.5, of 8 cores each.
SMALL = {
    "driver_size": "big",
    "worker_size": "mid",
    "worker_count": 4,
    "total_dbus": 12,
    "worker_vCPUs": 8,
    "driver_compute_price": 1.25,
    "worker_compute_price": 0.5,
}
RATES = {"sqlcompute": 0.22, "sqlpro": 0.55, "sqlserverless": 0.7}


def priced(start: int | None = None, end: int | None = None, **changed: Any) -> Price:
    return Price(start, end, {**SMALL, **changed})


def cost(
    kind: str | None = "PRO",
    *,
    serverless: bool | None = False,
    size: str | None = "Small",
    clusters: int | None = 2,
    billable: bool = True,
    running: bool = True,
    span: tuple[int, int] = (0, H),
    sizes: dict[str, list[Price]] | None = None,
    rates: dict[str, list[Price]] | None = None,
    definitions: list[Definition] | None = None,
) -> Cost:
    own = [Definition(0, 0, size, kind, serverless)] if definitions is None else definitions
    known = {sku: [Price(None, None, {"rate": rate})] for sku, rate in RATES.items()} if rates is None else rates
    tariff = Tariff(own, {"small": [priced()]} if sizes is None else sizes, known)
    return tariff.cost(Stretch(*span, running=running, dbu_billable=billable, clusters=clusters))


def dollars(amount: int | None) -> float | None:
    return None if amount is None else amount / UNIT


@pytest.mark.parametrize(
    ("kind", "serverless", "rate", "dbu_cost", "compute"),
    [
        ("CLASSIC", False, 0.22, 5.28, 6.5),
        ("CLASSIC", None, 0.22, 5.28, 6.5),
        ("PRO", False, 0.55, 13.2, 6.5),
        ("PRO", True, 0.7, 16.8, 0.0),
    ],
)
def test_the_rate_is_that_of_the_type_and_serverless_pays_no_nodes(
    kind: str, serverless: bool | None, rate: float, dbu_cost: float, compute: float
) -> None:
    """Two clusters for an hour: 24 DBUs; two drivers, eight workers."""
    found = cost(kind, serverless=serverless)
    assert (found.rate, dollars(found.dbus), dollars(found.dbu_cost)) == (rate, 24.0, dbu_cost)
    assert dollars(found.compute_cost) == compute
    assert dollars(found.total_cost) == round(dbu_cost + compute, 2)
    assert found.cost_status == "priced"


def test_clusters_count() -> None:
    """The original's DBUs were those of one cluster, however many ran."""
    one, five = cost(clusters=1), cost(clusters=5)
    assert (one.dbus, five.dbus) == (12 * UNIT, 60 * UNIT)
    assert five.total_cost == 5 * (one.total_cost or 0)
    assert (dollars(one.driver_compute_cost), dollars(one.worker_compute_cost)) == (1.25, 2.0)


def test_core_hours_are_those_of_the_workers() -> None:
    """The original counted the driver's cores."""
    assert cost().worker_core_ms == 2 * 4 * 8 * H
    assert cost(serverless=True).worker_core_ms == 2 * 4 * 8 * H


def test_a_start_costs_nodes_and_no_dbus() -> None:
    found = cost(billable=False)
    assert (found.dbus, found.dbu_cost, found.worker_core_ms) == (0, 0, 0)
    assert dollars(found.total_cost) == 6.5


def test_a_start_of_unknown_nodes_is_unknown_although_it_costs_no_dbus() -> None:
    """The total was 0, which says that a start was free."""
    found = cost(billable=False, sizes={})
    assert (found.dbu_cost, found.compute_cost, found.total_cost) == (0, None, None)
    assert found.cost_status == "missing size Small"
    assert cost(billable=False, sizes={}, serverless=True).total_cost == 0


def test_what_is_off_costs_nothing_whatever_is_known() -> None:
    found = cost(None, size=None, running=False, billable=False, clusters=0, sizes={}, rates={})
    assert (found.total_cost, found.dbus, found.compute_cost, found.cost_status) == (0, 0, 0, "priced")
    empty = cost(None, size=None, clusters=0, sizes={}, rates={})
    assert (empty.total_cost, empty.cost_status) == (0, "priced")


def test_prices_are_those_of_the_state_s_start_to_the_millisecond() -> None:
    sizes = {"small": [priced(0, 10 * H), priced(10 * H, None, total_dbus=14)]}
    rates = {"sqlpro": [Price(0, 10 * H, {"rate": 0.5}), Price(10 * H, None, {"rate": 0.6})]}
    before = cost(sizes=sizes, rates=rates, clusters=1, span=(10 * H - 1, 11 * H - 1))
    assert (before.rate, before.dbus) == (0.5, 12 * UNIT)
    after = cost(sizes=sizes, rates=rates, clusters=1, span=(10 * H, 11 * H))
    assert (after.rate, after.dbus, dollars(after.dbu_cost)) == (0.6, 14 * UNIT, 8.4)


def test_open_rows_of_prices_have_no_end() -> None:
    """The original's ended where they were loaded, so no state after the first load had a price."""
    year = 365 * 24 * H
    assert cost(sizes={"small": [priced(0)]}, span=(50 * year, 50 * year + H)).cost_status == "priced"


def test_the_definition_is_that_of_the_state_s_start_never_the_next() -> None:
    """The original looked ahead: a state had the size that came after it."""
    known = [Definition(9 * H, 0, "2X-Large", "CLASSIC", serverless=False),
             Definition(0, 1, "Small", "PRO", serverless=False),
             Definition(0, 0, "Large", "CLASSIC", serverless=False)]  # fmt: skip
    found = cost(definitions=known, span=(5 * H, 6 * H))
    assert found.definition is not None
    assert (found.definition.size, found.definition.sku, found.cost_status) == ("Small", "sqlPro", "priced")
    early = cost(definitions=[Definition(9 * H, 0, "Small", "PRO", serverless=False)])
    assert (dollars(early.dbu_cost), early.cost_status) == (13.2, "definition of a later time")


@pytest.mark.parametrize(
    ("how", "status", "dbu_cost", "compute", "total"),
    [
        (
            {"size": "5X-Large"},
            "missing size 5X-Large",
            None,
            None,
            None,
        ),
        ({"size": None}, "missing size", None, None, None),
        ({"kind": None}, "missing type of the warehouse", None, None, None),
        ({"kind": "PRO", "serverless": None}, "missing type of the warehouse", None, None, None),
        ({"kind": "TYPE_UNSPECIFIED"}, "missing type of the warehouse", None, None, None),
        ({"rates": {}}, "missing rate of sqlPro", None, 6.5, 6.5),
        ({"rates": {}, "serverless": True}, "missing rate of sqlServerless", None, 0.0, None),
        ({"clusters": None}, "missing number of clusters", None, None, None),
        ({"definitions": []}, "missing definition", None, None, None),
        (
            {"sizes": {"small": [priced(total_dbus=None)]}},
            "missing DBUs of size Small",
            None,
            6.5,
            6.5,
        ),
        (
            {"sizes": {"small": [priced(driver_compute_price=None)]}},
            "missing price of the driver of size Small",
            13.2,
            4.0,
            17.2,
        ),
    ],
)
def test_what_is_not_known_is_null_and_named_and_never_0(
    how: dict[str, Any], status: str, dbu_cost: float | None, compute: float | None, total: float | None
) -> None:
    found = cost(**how)
    assert found.cost_status == status
    assert (dollars(found.dbu_cost), dollars(found.compute_cost), dollars(found.total_cost)) == (
        dbu_cost,
        compute,
        total,
    )


def test_a_size_is_found_in_every_spelling() -> None:
    sizes = {"2x-small": [priced()]}
    assert {cost(size=s, sizes=sizes).cost_status for s in ("2X-Small", "2X_SMALL", "XXSMALL", " 2x-small ")} == {
        "priced"
    }


def test_parts_are_the_whole_to_the_last_trillionth() -> None:
    rng = random.Random(7)
    for _ in range(200):
        start, lasted = rng.randrange(10**12), rng.randrange(1, 10**9)
        price = priced(
            driver_compute_price=rng.randrange(1, 9999) / 1000, worker_compute_price=rng.randrange(1, 9999) / 7919
        )
        clusters = rng.randrange(1, 30)
        found = cost(sizes={"small": [price]}, clusters=clusters, span=(start, start + lasted))
        parts = (found.dbu_cost, found.driver_compute_cost, found.worker_compute_cost)
        assert found.total_cost == sum(p for p in parts if p is not None)
        true = Fraction(clusters * lasted, H) * (
            12 * Fraction("0.55") + Fraction(str(price.values["driver_compute_price"]))
            + 4 * Fraction(str(price.values["worker_compute_price"]))
        )  # fmt: skip
        assert abs(Fraction(found.total_cost or 0, UNIT) - true) <= Fraction(3, 2 * UNIT)
