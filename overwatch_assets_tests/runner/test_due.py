"""Days as few windows: two due days are one window if no other day lies between."""

import datetime as dt

import pytest

from overwatch_assets.rules.days import DAY_MS, day_start_ms
from overwatch_assets.runner.due import joined
from overwatch_assets.runner.window import Window

MAY = day_start_ms(dt.date(2024, 5, 1))


def day(number: int) -> dt.date:
    return dt.date(2024, 5, 1) + dt.timedelta(days=number)


@pytest.mark.parametrize(
    ("days", "due", "windows"),
    [
        ([], [], []),
        ([0], [], []),
        ([0, 1], [0, 1], [(0, 2)]),
        ([0, 30], [0, 30], [(0, 31)]),  # nothing lies between
        ([0, 10, 30], [0, 30], [(0, 1), (30, 31)]),  # day 10 is loaded: it is not loaded again
        ([0, 10, 30], [10, 30], [(10, 31)]),
        ([0, 366, 733], [0, 366, 733], [(0, 367), (733, 734)]),  # a gap of more than 366 days
    ],
)
def test_joined(days: list[int], due: list[int], windows: list[tuple[int, int]]) -> None:
    assert joined(map(day, days), set(map(day, due))) == [
        Window(MAY + a * DAY_MS, MAY + b * DAY_MS) for a, b in windows
    ]
