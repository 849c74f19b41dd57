"""Simpler rules on a story told by hand, with errors worked out by hand; and that the document is of these stories."""

from fractions import Fraction

import pytest

from overwatch_assets.sample.random_parts import NODE, OFF, PRICED_SINCE, WORKING, Moment, Price, Story
from overwatch_assets.sample.random_story import random_story
from overwatch_assets_tests.accuracy import naive
from overwatch_assets_tests.accuracy.__main__ import DAYS, DOCUMENT, SEEDS, of_rules
from overwatch_assets_tests.accuracy.naive import RULES
from overwatch_assets_tests.accuracy.naive_sql import COMMAND_RULES, WAREHOUSE_RULES
from overwatch_assets_tests.sample.test_truth import DAYS as MAY, at, cluster, prices, run


def story(*, worker: str = "worker", parent: int | None = None) -> Story:
    """22:00 an hour of two workers at 2.275, 23:00 four at 3.5 to 25:00; run 1 from 22:30 to 24:30, run 2 23:00 to 24:00."""
    it = cluster(
        Moment(at(22), "RUNNING", WORKING, 2, 2),
        Moment(at(23), "RESIZING", WORKING, 4, 4),
        Moment(at(25), "TERMINATING", OFF),
        worker=worker,
    )
    runs = (run(1, at(22, 30), at(24, 30)), run(2, at(23), at(24), parent=parent))
    rare = Price(NODE, "rare", PRICED_SINCE, Fraction("0.2"), Fraction("0.75"), listed=False)
    return Story(0, MAY, at(26), (it,), runs, (), (), (), prices(rare))


# Run 1: 1.1375 alone, 1.75 shared, 1.75 alone after midnight: 4.6375. Run 2: 1.75.
def test_the_whole_first_state() -> None:
    """Run 1 pays 2.275 for the first state, run 2 both hours of the second: 7."""
    found = naive.whole_first_state(story())
    assert found.overall == pytest.approx((1.1375 + 5.25) / 6.3875)
    assert found.worst == pytest.approx(5.25 / 1.75)


def test_all_on_the_first_day() -> None:
    """The 1.75 after midnight are too much on the first day and missing on the second."""
    found = naive.all_on_the_first_day(story())
    assert found.overall == pytest.approx(3.5 / 6.3875)
    assert found.worst == 1


def test_unknown_is_nothing() -> None:
    """Workers cost 0.6125 an hour, the driver 1.05: 2 * 0.6125 + 4 * 2 * 0.6125 = 6.125 of 9.275 are missing."""
    found = naive.unknown_is_nothing(story(worker="rare"))
    assert found.overall == pytest.approx(6.125 / 9.275)
    assert naive.unknown_is_nothing(story()).overall == 0


def test_a_millisecond_less() -> None:
    found = naive.a_millisecond_less(story())
    assert found.overall == pytest.approx((2.275 + 3.5) / 3_600_000 / 9.275)
    assert found.worst == pytest.approx(1 / 3_600_000)


def test_children_pay_too() -> None:
    """Run 1 pays all, 6.3875; its child is charged the 3.5 of its hour besides."""
    assert naive.children_pay_too(story()).overall == 0
    assert naive.children_pay_too(story(parent=1)).overall == pytest.approx(3.5 / 6.3875)


def test_the_document_is_of_these_stories_and_no_row_is_missing_or_too_many() -> None:
    """Of two of them; what the tables' errors are, only `make accuracy` tells: it loads them."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    for seed in SEEDS[:2]:
        story = random_story(seed, DAYS)
        assert [of_rules(story, rules) in lines for rules in (RULES, WAREHOUSE_RULES, COMMAND_RULES)] == [True] * 3
    for bars in (9, 10):  # of clusters and runs; of warehouses and commands
        ours = [cells for line in lines if len(cells := line.split("|")) == bars + 1 and cells[1].strip().isdigit()]
        assert [int(cells[1]) for cells in ours] == list(SEEDS)
        for cells in ours:
            assert (int(cells[-4]), int(cells[-3])) == (0, 0)
            assert float(cells[-2]) <= 1e-9
