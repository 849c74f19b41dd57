"""Windows of time: UTC, half open, cut at `now`."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from overwatch_assets.rules.days import DAY_MS, day_start_ms, days_of


def to_ms(moment: dt.datetime) -> int:
    """Epoch milliseconds of an aware datetime."""
    return round(moment.timestamp() * 1000)


@dataclass(frozen=True, order=True)
class Window:
    """``[from_ms, until_ms)``."""

    from_ms: int
    until_ms: int

    @property
    def days(self) -> list[dt.date]:
        """Days that the window meets."""
        return [] if self.until_ms <= self.from_ms else days_of(self.from_ms, self.until_ms)

    def meets(self, other: "Window") -> bool:
        """Whether the two have time in common."""
        return self.from_ms < other.until_ms and other.from_ms < self.until_ms

    def __str__(self) -> str:
        """As people write it: the first day, or the first and the last."""
        days = self.days
        if not days:
            return "no time"
        return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"


def windows_of(days: Iterable[dt.date], *, now_ms: int, max_days: int) -> Iterator[Window]:
    """Days as contiguous windows of at most ``max_days``, oldest first; the part after ``now`` is left out."""
    run: list[dt.date] = []

    def close() -> Iterator[Window]:
        if run:
            until = min(day_start_ms(run[-1]) + DAY_MS, now_ms)
            if until > day_start_ms(run[0]):
                yield Window(day_start_ms(run[0]), until)

    for day in sorted(set(days)):
        if run and ((day - run[-1]).days > 1 or len(run) >= max_days):
            yield from close()
            run = []
        run.append(day)
    yield from close()


def paint(windows: Iterable[Window]) -> list[Window]:
    """What a sequence of loads covers, newest load on top: disjoint pieces in order of time.

    Each piece is the part of one load that no later load covered; pieces never overlap (law 5).
    """
    pieces: list[Window] = []
    for window in windows:
        if window.until_ms <= window.from_ms:
            continue
        kept = []
        for p in pieces:
            left = Window(p.from_ms, min(p.until_ms, window.from_ms))
            right = Window(max(p.from_ms, window.until_ms), p.until_ms)
            kept += [part for part in (left, right) if part.from_ms < part.until_ms]
        pieces = sorted([*kept, window])
    return pieces


def holes(pieces: Iterable[Window]) -> list[Window]:
    """Time between the first and the last piece that none covers."""
    return [Window(a.until_ms, b.from_ms) for a, b in pairwise(sorted(pieces)) if a.until_ms < b.from_ms]


def covers(pieces: Iterable[Window], window: Window) -> bool:
    """Whether the pieces cover all of the window."""
    at = window.from_ms
    for piece in sorted(pieces):
        if piece.from_ms > at:
            return False
        at = max(at, piece.until_ms)
        if at >= window.until_ms:
            return True
    return at >= window.until_ms
