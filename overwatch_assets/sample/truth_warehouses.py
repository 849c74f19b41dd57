"""What the SQL warehouses of a random story really cost: exact fractions, by code that no table shares.

A state has the size, type and prices of its start (docs/internals.md), so nothing is cut.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from overwatch_assets.sample.random_parts import NODE, OFF, RATE, STARTING, Setting, Size, Story, Turn, Warehouse
from overwatch_assets.sample.random_prices import SERVERLESS, SKUS
from overwatch_assets.sample.random_warehouses import HEARD_MS
from overwatch_assets.sample.story import HOUR
from overwatch_assets.sample.truth import Bill, Bills, Money, Prices, midnight, times

PARTS = ("driver_compute_cost", "worker_compute_cost", "total_dbu_cost")
_FREE: Money = dict.fromkeys(PARTS, Fraction(0))


@dataclass(frozen=True)
class State:
    """What a warehouse was from a turn to the next, `[start, end)`."""

    warehouse: Warehouse
    turn: Turn
    setting: Setting
    end: int
    cost: Money

    @property
    def key(self) -> tuple[str, str, int]:
        """Warehouse, event and time."""
        return self.warehouse.warehouse_id, self.turn.kind, self.turn.at


@dataclass
class WarehouseTruth:
    """Bills by warehouse, and by warehouse, event and time of each of its states."""

    warehouses: Bills = field(default_factory=lambda: defaultdict(Bill))
    warehouse_states: Bills = field(default_factory=lambda: defaultdict(Bill))


def truth_of_warehouses(story: Story) -> WarehouseTruth:
    """Add up what the warehouses of a story cost until it is looked at."""
    found = WarehouseTruth()
    for state in states(story):
        found.warehouse_states[state.key].add(state.cost)
        found.warehouses[(state.key[0],)].add(state.cost)
    return found


def states(story: Story, *, listed: bool = True) -> Iterator[State]:
    """The states of all warehouses from the first that is heard of each.

    Args:
        story: what happened.
        listed: with the prices that somebody lists; else with all that there are.
    """
    for warehouse in story.warehouses:
        last = story.until_ms if warehouse.deleted_ms is None else warehouse.deleted_ms
        known = [t for t in warehouse.turns if HEARD_MS <= t.at < story.until_ms and t.at <= last]
        ends = [*(after.at for _, after in pairwise(known)), min(last, story.until_ms)]
        for turn, end in zip(known, ends, strict=True):
            if end == turn.at and turn is not known[-1]:
                continue  # of what happens at once the last is how it is
            setting = warehouse.setting(turn.at)
            yield State(warehouse, turn, setting, end, cost(story, turn, setting, end - turn.at, listed=listed))


def cost(story: Story, turn: Turn, setting: Setting, lasts: int, *, listed: bool = True) -> Money:
    """What a warehouse comes to that is so for some milliseconds, at the prices of the turn."""
    if turn.phase == OFF or not turn.clusters or not lasts:
        return _FREE
    prices = Prices([p for p in story.prices if p.listed or not listed], Fraction(turn.at))
    size = _size([s for s in story.sizes if s.listed or not listed], setting.size, turn.at)
    clusters, hours = Fraction(turn.clusters), Fraction(lasts, HOUR)
    is_known = setting.kind_told or not listed

    def of(count: int | None) -> Fraction | None:
        return None if count is None else Fraction(count)

    found: dict[str, Fraction | None] = dict.fromkeys(PARTS)
    if turn.phase == STARTING:
        found["total_dbu_cost"] = Fraction(0)
    elif size and is_known:
        found["total_dbu_cost"] = times(of(size.dbus), prices.amount(RATE, SKUS[setting.kind]), clusters, hours)
    if setting.kind == SERVERLESS and is_known:
        return found | dict.fromkeys(PARTS[:2], Fraction(0))
    if size and is_known:
        found["driver_compute_cost"] = times(prices.amount(NODE, size.driver or ""), clusters, hours)
        found["worker_compute_cost"] = times(prices.amount(NODE, size.worker or ""), of(size.workers), clusters, hours)
    return found


def _size(sizes: list[Size], key: str, at: int) -> Size | None:
    held = [s for s in sizes if s.key == key and midnight(s) <= at]
    return max(held, key=lambda s: s.since) if held else None
