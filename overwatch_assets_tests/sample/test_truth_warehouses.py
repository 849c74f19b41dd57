"""What warehouses of stories that are told by hand cost, against costs that were worked out by hand."""

import datetime as dt
from fractions import Fraction
from typing import Any

import pytest

from overwatch_assets.sample.random_parts import (
    NODE,
    OFF,
    PRICED_SINCE,
    RATE,
    STARTING,
    WORKING,
    Price,
    Setting,
    Size,
    Story,
    Turn,
    Warehouse,
)
from overwatch_assets.sample.story import FIRST_DAY, FIRST_MS, HOUR
from overwatch_assets.sample.truth_warehouses import WarehouseTruth, truth_of_warehouses

DAYS = tuple(FIRST_DAY + dt.timedelta(days=n) for n in range(3))


def at(hour: float) -> int:
    return FIRST_MS + round(hour * HOUR)


def setting(hour: float = 0, **more: Any) -> Setting:
    chosen = {"name": "w", "size": "Small", "kind": "PRO", "least": 1, "most": 4, "idle_minutes": 10, **more}
    return Setting(at(hour), **chosen)


def warehouse(*turns: Turn, settings: tuple[Setting, ...] = (setting(),), **more: Any) -> Warehouse:
    return Warehouse("w", settings, turns, logged=True, **more)


def story(it: Warehouse, *more: Price, until: float = 30) -> Story:
    """Small: 12 DBUs, a driver of a dollar, four workers of a quarter; a DBU of a pro one is half a dollar.

    Large: 40 DBUs, and nobody says what its nodes are. Serverless: 70 cents a DBU from the second day on 90.
    """
    prices = (
        Price(NODE, "driver", PRICED_SINCE, Fraction(1)),
        Price(NODE, "worker", PRICED_SINCE, Fraction("0.25")),
        Price(RATE, "sqlPro", PRICED_SINCE, Fraction("0.5")),
        Price(RATE, "sqlServerless", PRICED_SINCE, Fraction("0.7")),
        Price(RATE, "sqlServerless", DAYS[1], Fraction("0.9")),
        *more,
    )
    sizes = (
        Size("Small", PRICED_SINCE, 12, "driver", "worker", 4),
        Size("Large", PRICED_SINCE, 40, None, None, 8),
        Size("Huge", PRICED_SINCE, 400, "driver", "worker", 8, listed=False),
    )
    return Story(0, DAYS, at(until), (), (), (), (), (), prices, (it,), sizes)


def told(it: Warehouse, **more: Any) -> WarehouseTruth:
    return truth_of_warehouses(story(it, **more))


def cost(found: WarehouseTruth, kind: str, hour: float) -> tuple[float | None, set[str]]:
    bill = found.warehouse_states["w", kind, at(hour)]
    return None if bill.total is None else float(bill.total), bill.unknown


def test_nodes_and_dbus_of_each_cluster() -> None:
    """A cluster is 2 dollars of nodes and 6 of DBUs an hour: a start of one 6 min 0.2, an hour of one 8, two of three 48."""
    found = told(
        warehouse(
            Turn(at(1), "STARTING", STARTING, 1, counted=False),
            Turn(at(1.1), "RUNNING", WORKING, 1),
            Turn(at(2.1), "SCALED_UP", WORKING, 3),
            Turn(at(4.1), "STOPPED", OFF),
        )
    )
    assert {key[1:]: float(bill.total or 0) for key, bill in found.warehouse_states.items()} == {
        ("STARTING", at(1)): pytest.approx(0.2),
        ("RUNNING", at(1.1)): 8.0,
        ("SCALED_UP", at(2.1)): 48.0,
        ("STOPPED", at(4.1)): 0.0,
    }
    assert float(found.warehouses[("w",)].total or 0) == pytest.approx(56.2)


def test_a_state_has_one_price_and_one_size_and_the_next_has_the_new_ones() -> None:
    """Serverless at 70 cents: 8.4 an hour, eight hours over the midnight at which a DBU is dearer; then 40 DBUs at 90."""
    found = told(
        warehouse(
            Turn(at(20), "RUNNING", WORKING, 1),
            Turn(at(28), "SCALED_UP", WORKING, 2),
            settings=(setting(kind="SERVERLESS"), setting(22, kind="SERVERLESS", size="Large")),
        )
    )
    assert cost(found, "RUNNING", 20) == (pytest.approx(8 * 8.4), set())
    assert cost(found, "SCALED_UP", 28) == (pytest.approx(2 * 2 * 40 * 0.9), set())


def test_what_nobody_says_is_unknown() -> None:
    nodes = {"driver_compute_cost", "worker_compute_cost"}
    on, start = Turn(at(1.5), "RUNNING", WORKING, 1), Turn(at(1), "STARTING", STARTING, 1)

    def of(**what: Any) -> WarehouseTruth:
        return told(warehouse(start, on, settings=(setting(**what),)), until=2.5)

    assert cost(of(size="Large"), "RUNNING", 1.5) == (20.0, nodes)
    assert cost(of(size="Large"), "STARTING", 1) == (None, nodes)
    assert cost(of(size="Huge"), "RUNNING", 1.5) == (None, nodes | {"total_dbu_cost"})
    assert cost(of(kind_told=False), "RUNNING", 1.5) == (None, nodes | {"total_dbu_cost"})
    assert cost(of(size="Huge", kind="SERVERLESS"), "RUNNING", 1.5) == (None, {"total_dbu_cost"})
    assert cost(of(size="Huge", kind="SERVERLESS"), "STARTING", 1) == (0.0, set())


def test_it_is_over_when_it_is_deleted_and_nothing_is_known_before_it_is_heard_of() -> None:
    found = told(
        warehouse(
            Turn(at(-30), "RUNNING", WORKING, 2),
            Turn(at(1), "SCALED_DOWN", WORKING, 1),
            Turn(at(2), "PERMENANT_DELETE", OFF, told=False),
            Turn(at(3), "STOPPED", OFF),
            deleted_ms=at(2),
        )
    )
    assert {key[1:]: float(bill.total or 0) for key, bill in found.warehouse_states.items()} == {
        ("SCALED_DOWN", at(1)): 8.0,
        ("PERMENANT_DELETE", at(2)): 0.0,
    }
