"""gold.md 4.4 and 5.6, by hand, and what must hold of any cluster."""

import random
from itertools import pairwise

import pytest

from overwatch_assets.rules.cost_segments import (
    AMOUNTS,
    COSTS,
    HOUR_MS as H,
    PRICED,
    UNIT,
    Definition,
    Occupant,
    Price,
    Prices,
    Segment,
    Stretch,
    segments,
)

M = 60_000
DAY = 24 * H
NODES = {
    "driver": [Price(None, None, {"compute": 0.5, "dbus": 1.0, "vcpus": 8})],
    "worker": [Price(None, None, {"compute": 0.2, "dbus": 0.75, "vcpus": 4})],
}
RATES = {"interactive": [Price(None, None, {"rate": 0.55})], "automated": [Price(None, None, {"rate": 0.15})]}
FACTORS = {("interactive", "photon"): [Price(None, None, {"factor": 2.0})]}
PRICES = Prices(NODES, RATES, FACTORS)
SHARED = Definition(0, 0, "driver", "worker", is_single_node=False, sku="interactive", engine="STANDARD")


def state(start: int, end: int, current: int, target: int | None = None, *, kind: str = "RUNNING") -> Stretch:
    on = kind != "TERMINATING"
    return Stretch(
        kind, start, end, False, on, on and kind != "CREATING", current, current if target is None else target
    )


def dollars(found: list[Segment], *names: str) -> float:
    return sum(getattr(s.amounts, name) for s in found for name in names) / UNIT


def paid(found: list[Segment], run_id: int) -> float:
    mine = [s.amounts for segment in found for s in segment.shares if s.run_id == run_id]
    return sum(getattr(m, name) for m in mine for name in COSTS) / UNIT


def test_an_autoscaling_cluster_over_midnight() -> None:
    photon = SHARED._replace(engine="PHOTON")
    states = [
        state(22 * H, 22 * H + 5 * M, 2, kind="CREATING"),
        state(22 * H + 5 * M, 22 * H + 6 * M, 2, kind="DRIVER_HEALTHY"),
        state(22 * H + 6 * M, 23 * H + 30 * M, 2),
        state(23 * H + 30 * M, 23 * H + 36 * M, 2, 6, kind="RESIZING"),
        state(23 * H + 36 * M, 25 * H, 6, kind="UPSIZE_COMPLETED"),
        state(25 * H, 25 * H + 10 * M, 6, 3, kind="RESIZING"),
        state(25 * H + 10 * M, 26 * H, 3),
        state(26 * H, 27 * H, 0, kind="TERMINATING"),
    ]
    found = list(segments(states, [photon], [], PRICES))
    assert dollars(found, *COSTS) == pytest.approx(21.628333333333, abs=1e-11)
    assert dollars(found, "driver_dbus") == pytest.approx(7.833333333333, abs=1e-11)
    assert dollars(found, "worker_dbus") == pytest.approx(22.4, abs=1e-11)
    hours = {s.start: 0.0 for s in states}
    for segment in found:
        hours[segment.state.start] += (segment.amounts.core_ms or 0) / H
    assert [round(h, 2) for h in hours.values()] == [1.33, 0.27, 22.4, 1.6, 44.8, 5.33, 16.67, 0]
    # The state over midnight: 24 of its 84 minutes belong to the first day.
    days = [dollars([s], *COSTS) for s in found if s.state.start == 23 * H + 36 * M]
    assert days == pytest.approx([3.1, 7.75])
    assert {s.cost_status for s in found} == {PRICED}


def test_two_runs_on_one_cluster_pay_half_each_while_both_are_there() -> None:
    states = [state(10 * H, 11 * H, 2), state(11 * H, 12 * H, 4)]
    runs = [Occupant(1, 10 * H + 15 * M, 11 * H + 30 * M), Occupant(2, 10 * H + 45 * M, 11 * H + 15 * M)]
    found = list(segments(states, [SHARED], runs, PRICES))
    assert paid(found, 1) == pytest.approx(2.734375, abs=1e-11)
    assert paid(found, 2) == pytest.approx(0.721875, abs=1e-11)
    assert dollars(found, *COSTS) == pytest.approx(2.275 + 3.5, abs=1e-11)


def test_no_minute_of_a_job_cluster_is_lost() -> None:
    job = SHARED._replace(sku="automated")
    states = [state(10 * H, 10 * H + 4 * M, 2, kind="CREATING"), state(10 * H + 4 * M, 10 * H + 30 * M, 2)]
    run = Occupant(1, 10 * H + M // 2, 10 * H + 29 * M)
    found = list(segments(states, [job], [run], PRICES))
    # Compute 0.9 an hour, DBUs 2.5 an hour at 0.15 once it runs.
    assert dollars(found, *COSTS) == pytest.approx(0.9 * 30 / 60 + 0.375 * 26 / 60)
    assert paid(found, 1) == pytest.approx(0.9 * 28.5 / 60 + 0.375 * 25 / 60)
    idle = sum(getattr(s.idle, name) for s in found for name in COSTS) / UNIT
    assert idle == pytest.approx(0.9 * 1.5 / 60 + 0.375 * 1 / 60)


def test_a_state_is_cut_where_a_price_changes() -> None:
    rates = {"interactive": [Price(None, DAY, {"rate": 0.55}), Price(DAY, None, {"rate": 1.1})]}
    found = list(segments([state(DAY - H, DAY + H, 0)], [SHARED], [], Prices(NODES, rates, {})))
    assert [(s.start, s.end, s.dbu_rate) for s in found] == [(DAY - H, DAY, 0.55), (DAY, DAY + H, 1.1)]
    assert [dollars([s], "driver_dbu_cost") for s in found] == [0.55, 1.1]


def test_a_state_is_cut_where_the_photon_factor_changes() -> None:
    factors = {("interactive", "photon"): [Price(None, H, {"factor": 2.0}), Price(H, None, {"factor": 3.0})]}
    photon = SHARED._replace(engine="PHOTON")
    found = list(segments([state(0, 2 * H, 0)], [photon], [], Prices(NODES, RATES, factors)))
    assert [(s.start, s.end, s.photon_factor) for s in found] == [(0, H, 2.0), (H, 2 * H, 3.0)]
    assert [dollars([s], "driver_dbus") for s in found] == [2.0, 3.0]


def test_a_state_that_starts_with_a_price_meets_that_price_alone() -> None:
    rates = {"interactive": [Price(None, DAY, {"rate": 0.55}), Price(DAY, None, {"rate": 1.1})]}
    (found,) = segments([state(DAY, DAY + H, 0)], [SHARED], [], Prices(NODES, rates, {}))
    assert (found.dbu_rate, dollars([found], "driver_dbu_cost")) == (1.1, 1.1)


def test_a_state_has_the_definition_of_its_start() -> None:
    later = SHARED._replace(ms=30 * M, sku="automated")
    found = list(segments([state(0, H, 0), state(H, 2 * H, 0)], [later, SHARED], [], PRICES))
    assert [s.dbu_rate for s in found] == [0.55, 0.15]


def test_the_first_definition_serves_earlier_states_and_says_so() -> None:
    (found,) = segments([state(0, H, 0)], [SHARED._replace(ms=5 * H)], [], PRICES)
    assert (found.dbu_rate, found.cost_status) == (0.55, "definition of a later time")


def test_what_is_not_known_is_null_and_named_and_the_rest_is_paid() -> None:
    (found,) = segments([state(0, H, 2)], [SHARED._replace(node_type="new.large")], [Occupant(1, 0, H)], PRICES)
    a = found.amounts
    assert (a.worker_compute_cost, a.worker_dbus, a.worker_dbu_cost, a.core_ms) == (None, None, None, None)
    assert (a.driver_compute_cost, a.driver_dbu_cost) == (UNIT // 2, 55 * UNIT // 100)
    assert found.shares[0].amounts == a
    assert found.cost_status == (
        "missing price of worker node new.large; missing cores of worker node new.large; "
        "missing DBUs of worker node new.large"
    )
    (found,) = segments([state(0, H, 2)], [SHARED._replace(sku="other")], [], PRICES)
    assert (found.amounts.driver_dbus, found.amounts.driver_dbu_cost) == (UNIT, None)
    assert found.cost_status == "missing rate of other"
    (found,) = segments([state(0, H, 2)._replace(current=None, target=None)], [SHARED], [], PRICES)
    assert (found.amounts.worker_compute_cost, found.cost_status) == (None, "missing number of workers")
    later = Prices(NODES, RATES, {("interactive", "photon"): [Price(H, None, {"factor": 2.0})]})
    (found,) = segments([state(0, H, 2)], [SHARED._replace(engine="PHOTON")], [], later)
    assert (found.amounts.driver_dbus, found.cost_status) == (None, "missing Photon factor of interactive")
    (found,) = segments([state(0, H, 2)], [SHARED._replace(engine="PHOTON", sku="automated")], [], PRICES)
    assert (found.photon_factor, found.cost_status) == (1.0, PRICED)


def test_what_is_not_billed_needs_no_price() -> None:
    nothing = Prices({}, {}, {})
    (found,) = segments([state(0, H, 0, kind="TERMINATING")], [SHARED], [], nothing)
    assert (found.cost_status, dollars([found], *COSTS)) == (PRICED, 0)
    (found,) = segments([state(0, H, 2, kind="CREATING")], [SHARED], [], Prices(NODES, {}, {}))
    assert (found.cost_status, found.amounts.driver_dbu_cost) == (PRICED, 0)
    (found,) = segments([state(0, H, 0)], [SHARED._replace(node_type=None)], [], PRICES)
    assert (found.cost_status, found.amounts.worker_compute_cost) == (PRICED, 0)


def test_a_single_node_has_a_driver_that_works() -> None:
    (found,) = segments([state(0, H, 3)], [SHARED._replace(is_single_node=True)], [], PRICES)
    assert (found.amounts.worker_compute_cost, found.amounts.worker_dbus) == (0, 0)
    assert (found.amounts.core_ms, found.amounts.worker_potential_core_ms) == (8 * H, 8 * H)


def test_a_nested_run_is_paid_once_by_the_outermost_that_is_there() -> None:
    runs = [Occupant(1, 0, 2 * H), Occupant(2, 0, 3 * H, parent=1), Occupant(3, 0, H, parent=2), Occupant(4, 0, H)]
    found = list(segments([state(0, 3 * H, 0)], [SHARED], runs, PRICES))
    assert [(s.runs, [(x.run_id, x.charged_to) for x in s.shares]) for s in found] == [
        (2, [(1, None), (2, 1), (3, 1), (4, None)]),
        (1, [(1, None), (2, 1)]),
        (1, [(2, None)]),
    ]
    assert [paid(found, run) for run in (1, 2, 3, 4)] == pytest.approx([1.05 * 1.5, 1.05, 0, 1.05 * 0.5])


def test_a_nested_run_that_outlives_its_parent_is_paid_by_the_outermost_that_is_still_there() -> None:
    runs = [Occupant(1, 0, 2 * H), Occupant(2, 0, H, parent=1), Occupant(3, 0, 2 * H, parent=2)]
    found = list(segments([state(0, 2 * H, 0)], [SHARED], runs, PRICES))
    assert [(s.runs, [(x.run_id, x.charged_to) for x in s.shares]) for s in found] == [
        (1, [(1, None), (2, 1), (3, 1)]),
        (1, [(1, None), (3, 1)]),
    ]


def test_odd_units_go_to_the_smallest_run_ids() -> None:
    runs = [Occupant(run, 0, 1) for run in (9, 7, 8)]
    (found,) = segments([state(0, 1, 0)], [SHARED], runs, PRICES)
    # 0.5 $ an hour is 138888.9 units a millisecond: 138889 = 3 * 46296 + 1.
    assert [(s.run_id, s.amounts.driver_compute_cost) for s in found.shares] == [(7, 46297), (8, 46296), (9, 46296)]


def test_shares_and_idle_are_the_whole_and_segments_abut() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        times = sorted(rng.sample(range(4 * DAY // M), 8))
        kinds = ["CREATING", "RUNNING", "RESIZING", "TERMINATING"]
        states = [
            state(a * M, b * M, rng.randrange(5), rng.randrange(5), kind=rng.choice(kinds)) for a, b in pairwise(times)
        ]
        runs = [
            Occupant(n, a := rng.randrange(4 * DAY), a + rng.randrange(DAY), rng.choice([None, n - 1]))
            for n in range(6)
        ]
        found = list(segments(rng.sample(states, len(states)), [SHARED], rng.sample(runs, len(runs)), PRICES))
        assert (found[0].start, found[-1].end) == (times[0] * M, times[-1] * M)
        assert all(a.end == b.start for a, b in pairwise(found))
        assert all(s.start // DAY == (s.end - 1) // DAY for s in found)
        for segment in found:
            for name in AMOUNTS:
                parts = [getattr(s.amounts, name) for s in segment.shares]
                assert sum(parts) + getattr(segment.idle, name) == getattr(segment.amounts, name)
                if segment.runs:
                    assert getattr(segment.idle, name) == 0
