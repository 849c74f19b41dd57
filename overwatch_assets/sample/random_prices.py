"""Prices of a random story."""

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from fractions import Fraction

from overwatch_assets.sample.random_parts import (
    AUTOMATED,
    INTERACTIVE,
    LIGHT,
    NODE,
    PHOTON,
    PRICED_SINCE,
    RATE,
    Price,
    Size,
)

CLASSIC, PRO, SERVERLESS = "CLASSIC", "PRO", "SERVERLESS"
KINDS = (CLASSIC, PRO, SERVERLESS)
SKUS = {CLASSIC: "sqlCompute", PRO: "sqlPro", SERVERLESS: "sqlServerless"}
SIZES = ("2X-Small", "X-Small", "Small", "Medium")
"""Sizes of SQL warehouses of which all is known."""


def prices(rng: random.Random, days: Sequence[dt.date]) -> Iterator[Price]:
    """Prices, some of which change on a day of the story."""

    def some(low: str, high: str) -> Fraction:
        span = Fraction(high) - Fraction(low)
        return Fraction(low) + span * rng.randrange(1000) / 1000

    first = {
        NODE: {"big": ("0.4", "0.9"), "small": ("0.1", "0.3"), "pooled": ("0.2", "0.5"), "odd": ("0.1", "0.4")},
        RATE: {INTERACTIVE: ("0.4", "0.6"), AUTOMATED: ("0.1", "0.2"), LIGHT: ("0.07", "0.1")},
        PHOTON: {INTERACTIVE: ("1.5", "2.5"), AUTOMATED: ("2", "3")},
    }
    for kind, keys in first.items():
        for key, between in keys.items():
            for day in (PRICED_SINCE, *(d for d in days[1:-1] if rng.random() < 0.8 / len(days))):
                dbus = some("0.5", "4") if kind == NODE else None
                if key == "odd" and day == PRICED_SINCE:
                    dbus = None  # its DBUs are unknown, until a later row says them
                yield Price(kind, key, day, some(*between), dbus)
    yield Price(NODE, "odd", days[-1], None, some("0.5", "4"))
    yield Price(NODE, "odd", PRICED_SINCE, None, some("0.5", "4"), listed=False)
    yield Price(NODE, "unlisted", PRICED_SINCE, some("1", "2"), some("1", "2"), listed=False)


def sizes_and_rates(seed: int, days: Sequence[dt.date]) -> tuple[tuple[Size, ...], tuple[Price, ...]]:
    """What sizes and DBUs of SQL cost; some change on a day of the story."""
    rng = random.Random(f"sizes {seed}")  # noqa: S311 - a story, not a secret

    def since() -> Iterator[dt.date]:
        yield PRICED_SINCE
        yield from (day for day in days[1:] if rng.random() < 0.8 / len(days))

    sizes = [
        Size(key, day, rng.randint(3, 40), rng.choice(["big", "small"]), rng.choice(["big", "small"]), n + 1)
        for n, key in enumerate(SIZES)
        for day in since()
    ]
    sizes += [
        Size("Large", PRICED_SINCE, 40, "big", None, 8),
        Size("X-Large", PRICED_SINCE, None, "small", "small", 16),
        Size("2X-Large", PRICED_SINCE, 144, "small", "unlisted", 32),
        Size("5X-Large", PRICED_SINCE, 1000, "big", "small", 512, listed=False),
    ]
    rates = [Price(RATE, sku, day, Fraction(rng.randint(100, 900), 1000)) for sku in SKUS.values() for day in since()]
    return tuple(sizes), tuple(rates)
