"""Commands pay for the parts of states that they overlap; numbers worked out by hand."""

import random
from fractions import Fraction
from itertools import pairwise
from typing import Any

from overwatch_assets.rules.command_costs import Command, Piece, Run, charges
from overwatch_assets.rules.cost_segments import AMOUNTS, NO_STATE, NO_STATE_FOR_ALL, Amounts


def piece(start: int, end: int, cost: int | None, status: str = "priced", **more: Any) -> Piece:
    return Piece(start, end, start, Amounts(driver_dbu_cost=cost, **more), status)


def paid(pieces: list[Piece], *commands: Command) -> list[int | None]:
    found = charges(pieces, commands)
    return [found[c].whole("driver_dbu_cost") for c in commands]


def test_a_command_pays_for_the_parts_that_it_overlaps_and_for_no_other() -> None:
    states = [piece(0, 10, 100), piece(10, 20, 300), piece(20, 30, 9_000)]
    assert paid(states, Command(5, 12, 1)) == [50 + 60]


def test_two_at_once_share_each_part_and_a_third_one_later_pays_alone() -> None:
    states = [piece(0, 60, 600)]
    assert paid(states, Command(0, 30, 1), Command(10, 40, 2), Command(40, 60, 3)) == [100 + 100, 100 + 100, 200]


def test_two_commands_of_the_same_time_share_it_and_the_odd_unit_goes_to_the_first() -> None:
    assert paid([piece(0, 3, 7)], Command(0, 3, 5), Command(0, 3, 4)) == [3, 4]


def test_a_command_that_lasts_as_long_as_the_state_pays_all_of_it() -> None:
    assert paid([piece(0, 10, 100), piece(10, 20, 300)], Command(10, 20, 1)) == [300]


def test_an_unknown_price_is_null_and_said_and_the_rest_is_known() -> None:
    command = Command(5, 15, 1)
    found = charges([piece(0, 10, None, "missing rate of x", core_ms=40), piece(10, 20, 300, core_ms=40)], [command])
    charge = found[command]
    assert (charge.whole("driver_dbu_cost"), charge.known["driver_dbu_cost"], charge.whole("core_ms")) == (
        None,
        150,
        40,
    )
    assert charge.cost_status(10) == "missing rate of x"
    nothing = charges([piece(0, 20, None, "missing rate of x")], [command])[command]
    assert "driver_dbu_cost" not in nothing.known


def test_what_lies_in_no_state_is_said() -> None:
    early, half = Command(0, 5, 1), Command(5, 15, 2)
    found = charges([piece(10, 20, 100)], [early, half])
    assert (found[early].whole("driver_dbu_cost"), found[early].cost_status(5)) == (None, NO_STATE)
    assert (found[half].whole("driver_dbu_cost"), found[half].cost_status(10)) == (50, NO_STATE_FOR_ALL)


def test_the_state_of_a_command_is_the_one_that_it_ran_in_longest() -> None:
    command = Command(5, 30, 1)
    assert charges([piece(0, 10, 1), piece(10, 20, 1), piece(20, 30, 1)], [command])[command].longest == 10


def test_runs_are_named_if_they_meet_the_command() -> None:
    early, late = Command(10, 20, 1), Command(30, 40, 2)
    runs = [Run(1, 0, 10), Run(2, 0, 11), Run(3, 19, 30), Run(4, 20, None), Run(5, 12, 12), Run(6, 40, 50)]
    found = charges([], [early, late], runs)
    assert (found[early].run_ids, found[late].run_ids) == ({2, 3}, {4})
    assert (found[early].most, found[late].most) == (1, 1)


def test_together_they_pay_what_the_states_cost_while_one_of_them_ran() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        cuts = sorted(rng.sample(range(1, 200), 6))
        states = [piece(a, b, rng.randrange(1, 10**6)) for a, b in pairwise(cuts)]
        whole = [Command(cuts[0], cuts[-1], 0)]
        some = [
            Command(start, start + rng.randrange(0, 80), key) for key in range(1, 9) if (start := rng.randrange(180))
        ]
        found = charges(states, whole + some)
        total = sum(p.amounts.driver_dbu_cost or 0 for p in states)
        assert sum(c.known.get("driver_dbu_cost", 0) for c in found.values()) == total, seed
        assert charges(states[::-1], [*some[::-1], *whole, *some]) == found
        assert set(AMOUNTS) >= found[whole[0]].known.keys()


def test_each_pays_what_the_clock_says_counted_by_the_millisecond() -> None:
    """The truth by other code: of each millisecond what it costs, divided by how many run in it."""
    for seed in range(40):
        rng = random.Random(seed)
        cuts = sorted(rng.sample(range(120), 5))
        states = [piece(a, b, rng.randrange(1, 10**9)) for a, b in pairwise(cuts)]
        commands = [
            Command(start, start + rng.randrange(1, 70), key) for key in range(6) if (start := rng.randrange(90))
        ]
        truth = dict.fromkeys(commands, Fraction(0))
        for ms in range(170):
            there = [c for c in commands if c.start <= ms < c.end]
            for state in (s for s in states if s.start <= ms < s.end):
                for command in there:
                    cost = state.amounts.driver_dbu_cost or 0
                    truth[command] += Fraction(cost, (state.end - state.start) * len(there))
        for command, charge in charges(states, commands).items():
            assert abs(charge.known.get("driver_dbu_cost", 0) - truth[command]) <= 2 * len(commands) + len(cuts), seed
