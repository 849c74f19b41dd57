"""Simpler rules for warehouses and commands on stories told by hand, with errors worked out by hand."""

from dataclasses import replace
from fractions import Fraction

import pytest

from overwatch_assets.sample.random_parts import NODE, OFF, PRICED_SINCE, RATE, WORKING, Price, Setting, Story, Turn
from overwatch_assets_tests.accuracy import naive_sql
from overwatch_assets_tests.sample.test_truth_commands import at as hour, command, story as of_commands
from overwatch_assets_tests.sample.test_truth_warehouses import DAYS, at, setting, story as of_warehouse, warehouse


def story(*settings: Setting, **more: object) -> Story:
    """22:00 an hour of one cluster at 8, 23:00 two hours of two: 32."""
    it = warehouse(
        Turn(at(22), "RUNNING", WORKING, 1),
        Turn(at(23), "SCALED_UP", WORKING, 2),
        Turn(at(25), "STOPPED", OFF),
        settings=settings or (setting(),),
    )
    classic = Price(RATE, "sqlCompute", PRICED_SINCE, Fraction("0.25"))
    return replace(of_warehouse(it, classic), **more)  # type: ignore[arg-type]


def test_the_first_size_and_the_next() -> None:
    """Large costs 20 an hour, of which only DBUs are known. In truth 8 and, from 23:00 on, 80."""
    resized = story(setting(), setting(22.5, size="Large"))
    assert naive_sql.first_size(resized).overall == pytest.approx((80 - 32) / 88)
    found = naive_sql.next_definition(resized)
    assert (found.overall, found.worst) == (pytest.approx(12 / 88), pytest.approx(12 / 8))
    assert naive_sql.first_size(story()).overall == naive_sql.next_definition(story()).overall == 0


def test_one_cluster_and_one_rate() -> None:
    """Half of the 32; DBUs are 6 of 8 dollars, and half of that at the classic rate."""
    assert naive_sql.one_cluster(story()).overall == pytest.approx(16 / 40)
    assert naive_sql.one_rate(story()).overall == pytest.approx(3 / 8)


def test_unknown_is_nothing() -> None:
    """A huge cluster is a driver, eight workers and 400 DBUs: 203 an hour, of which nobody lists anything."""
    assert naive_sql.warehouse_unknown_is_nothing(story(setting(size="Huge"))).overall == 1
    assert naive_sql.warehouse_unknown_is_nothing(story()).overall == 0


def test_each_moment() -> None:
    """Two dollars more for each driver from midnight on: an hour of two."""
    dearer = Price(NODE, "driver", DAYS[1], Fraction(3))
    assert naive_sql.each_moment(story(prices=(*story().prices, dearer))).overall == pytest.approx(4 / 40)
    assert naive_sql.each_moment(story()).overall == 0


# One: 10:45 to 11:30, two: 11:00 to 12:00; an hour at 2.275 and one at 3.5; shares 1.44375 and 2.625.
COMMANDS = of_commands(command("one", hour(10, 45), hour(11, 30)), command("two", hour(11), hour(12)))
WHOLE = 2.275 / 4 + 3.5


def test_not_shared() -> None:
    """Each pays the other half of half an hour."""
    assert naive_sql.not_shared(COMMANDS).overall == pytest.approx(3.5 / 2 / WHOLE)


def test_whole_states() -> None:
    """One pays 5.775, two 3.5."""
    assert naive_sql.whole_states(COMMANDS).overall == pytest.approx((5.775 + 3.5 - WHOLE) / WHOLE)


def test_the_mean_of_the_cluster() -> None:
    """5.775 in the ten hours that it was known: 0.5775 an hour, 45 minutes and an hour of it."""
    off = (1.44375 - 0.75 * 0.5775) + (2.625 - 0.5775)
    assert naive_sql.mean_of_the_cluster(COMMANDS).overall == pytest.approx(off / WHOLE)
