"""What commands of stories that are told by hand cost, against costs that were worked out by hand."""

from typing import Any

import pytest

from overwatch_assets.sample.random_parts import OFF, WORKING, Command, Moment, Notebook, Story
from overwatch_assets.sample.truth_commands import Company, company, truth_of_commands
from overwatch_assets_tests.sample.test_truth import DAYS, at, cluster, prices, run


def story(*commands: Command, worker: str = "worker") -> Story:
    """10:00 two workers at 2.275 an hour, 11:00 four at 3.5 to 12:00; a run from 10:15 to 11:30."""
    it = cluster(
        Moment(at(10), "RUNNING", WORKING, 2, 2),
        Moment(at(11), "RESIZING", WORKING, 4, 4),
        Moment(at(12), "TERMINATING", OFF),
        worker=worker,
    )
    notebook = Notebook(5, ((at(10, 30), "createNotebook", "/a"), (at(11, 30), "renameNotebook", "/b")))
    there = (run(7, at(10, 15), at(11, 30)),)
    return Story(0, DAYS, at(20), (it,), there, (), (), (), prices(), notebooks=(notebook,), commands=commands)


def command(key: str, start: int, end: int, **more: Any) -> Command:
    return Command(key, 5, **{"cluster_id": "c", "start": start, "end": end, **more})


def costs(told: Story) -> dict[object, float | None]:
    return {key[0]: None if b.total is None else float(b.total) for key, b in truth_of_commands(told).items()}


def test_commands_at_once_share_and_pay_for_the_time_that_they_ran() -> None:
    """10:45 to 11:00 alone, half an hour of 3.5 shared; the other half an hour of it, then alone to 12:00."""
    found = costs(story(command("one", at(10, 45), at(11, 30)), command("two", at(11), at(12))))
    assert found == {"one": 2.275 / 4 + 3.5 / 4, "two": 3.5 / 4 + 3.5 / 2}


def test_a_command_pays_nothing_when_its_cluster_is_off_and_nothing_is_known_before_it_was_there() -> None:
    found = costs(
        story(
            command("after", at(13), at(14)),
            command("before", at(8), at(9)),
            command("begun before", at(9), at(10, 30)),
        )
    )
    assert found == {"after": 0.0, "before": None, "begun before": 2.275 / 2}


def test_what_is_not_told_or_not_allowed_shares_nothing() -> None:
    whole = command("whole", at(10), at(11))
    others = (
        command("refused", at(10), at(11), granted=False),
        command("at the end", at(10), at(21)),
        command("of no time", at(10, 30), at(10, 30)),
        command("nobody says", at(10), at(11), timed=False),
        command("nowhere", at(10), at(11), cluster_id=None),
    )
    assert costs(story(whole, *others)) == {
        "whole": 2.275,
        "of no time": 0.0,
        "nobody says": None,
        "nowhere": None,
    }


def test_unknown_prices() -> None:
    """The driver alone: half a dollar and a DBU at 55 cents."""
    told = story(command("one", at(10), at(11)), worker="rare")
    (bill,) = truth_of_commands(told).values()
    assert (bill.unknown, float(bill.total or 0)) == (
        {"worker_compute_cost", "worker_dbu_cost"},
        pytest.approx(1.05),
    )


def test_company() -> None:
    """Names are those of the end; the first one serves earlier times."""
    one, two = command("one", at(10), at(10, 20)), command("two", at(10, 20), at(11, 40))
    three = command("three", at(10, 25), at(10, 30))
    found = company(story(one, two, three, command("late", at(11, 30), at(11, 31))))
    assert {key[0]: value for key, value in found.items()} == {
        "one": Company("/a", 0, (7,)),
        "two": Company("/b", 1, (7,)),
        "three": Company("/a", 1, (7,)),
        "late": Company("/b", 1, ()),
    }
