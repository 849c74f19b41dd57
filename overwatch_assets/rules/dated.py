"""Histories in Python: what held at a time."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar


class Dated(Protocol):
    """Something that holds from a time on, until the next one does; of one time, the highest sequence counts."""

    @property
    def ms(self) -> int:
        """From when on it holds, epoch ms."""

    @property
    def sequence(self) -> int:
        """Its place among those of its time."""


_D = TypeVar("_D", bound=Dated)


def in_order(history: Iterable[_D]) -> list[_D]:
    """A history as `held_at` takes it."""
    return sorted(history, key=lambda d: (d.ms, d.sequence))


def held_at(ordered: Sequence[_D], ms: int) -> tuple[_D | None, bool]:
    """What held at a time, None: nothing is known at all; and whether that is the first one, which came later."""
    at = bisect_right(ordered, ms, key=lambda d: d.ms)
    return (ordered[max(at - 1, 0)], at == 0) if ordered else (None, False)
