"""The truth of stories that are told by hand, against costs that were worked out by hand."""

import datetime as dt
from fractions import Fraction
from typing import Any

import pytest

from overwatch_assets.sample.random_parts import (
    AUTOMATED,
    INTERACTIVE,
    NODE,
    OFF,
    PHOTON,
    PRICED_SINCE,
    RATE,
    STARTING,
    WORKING,
    Cluster,
    Definition,
    Moment,
    Price,
    Run,
    Story,
)
from overwatch_assets.sample.story import FIRST_DAY, FIRST_MS, HOUR, MINUTE
from overwatch_assets.sample.truth import Truth, truth

DAYS = tuple(FIRST_DAY + dt.timedelta(days=n) for n in range(3))


def at(hour: int, minute: int = 0) -> int:
    return FIRST_MS + hour * HOUR + minute * MINUTE


def prices(*more: Price) -> tuple[Price, ...]:
    """Driver: half a dollar and a DBU an hour; worker: 20 cents and three quarters of a DBU; 55 cents a DBU."""
    return (
        Price(NODE, "driver", PRICED_SINCE, Fraction("0.5"), Fraction(1)),
        Price(NODE, "worker", PRICED_SINCE, Fraction("0.2"), Fraction("0.75")),
        Price(RATE, INTERACTIVE, PRICED_SINCE, Fraction("0.55")),
        Price(RATE, AUTOMATED, PRICED_SINCE, Fraction("0.15")),
        Price(PHOTON, INTERACTIVE, PRICED_SINCE, Fraction(2)),
        *more,
    )


def cluster(*moments: Moment, **more: Any) -> Cluster:
    defined = {"name": "c", "driver": "driver", "worker": "worker", "least": 2, "most": 8, "sold_as": INTERACTIVE}
    return Cluster("c", ((moments[0].at, Definition(**{**defined, **more})),), moments, logged=True)  # type: ignore[arg-type]


def run(number: int, start: int, end: int, **more: Any) -> Run:
    return Run(number, number, 1, "c", "existing", start, end, "main", **more)


def told(it: Cluster, *runs: Run, until: int, prices: tuple[Price, ...] = prices()) -> Truth:
    return truth(Story(0, DAYS, until, (it,), runs, (), (), (), prices))


def total(bills: dict[tuple[object, ...], Any], *key: object) -> float:
    return float(bills[key].total)


def test_an_autoscaling_cluster_on_photon_over_midnight() -> None:
    """Photon doubles DBUs. Compute is of the workers that were asked for, DBUs of those that are there.

    22:00 CREATING: (0.5 + 2 * 0.2) / 12 = 0.075; 22:05 DRIVER_HEALTHY: (0.9 + 2.5 * 2 * 0.55) / 60 = 3.65 / 60;
    22:06 RUNNING 84 min at 3.65 = 5.11; 23:30 RESIZING to 6: 6 min at 0.5 + 1.2 + 2.75 = 0.445;
    23:36 UPSIZE_COMPLETED: 84 min at 1.7 + 5.5 * 1.1 = 7.75 an hour, 24 of them before midnight;
    01:00 RESIZING to 3: 10 min at 0.5 + 0.6 + 6.05 = 7.15; 01:10 RUNNING: 50 min at 1.1 + 3.25 * 1.1 = 4.675.
    """
    it = cluster(
        Moment(at(22), "CREATING", STARTING, 2, 2),
        Moment(at(22, 5), "DRIVER_HEALTHY", WORKING, 2, 2),
        Moment(at(22, 6), "RUNNING", WORKING, 2, 2),
        Moment(at(23, 30), "RESIZING", WORKING, 2, 6),
        Moment(at(23, 36), "UPSIZE_COMPLETED", WORKING, 6, 6),
        Moment(at(25), "RESIZING", WORKING, 6, 3),
        Moment(at(25, 10), "RUNNING", WORKING, 3, 3),
        Moment(at(26), "TERMINATING", OFF),
        photon=True,
    )
    found = told(it, until=at(27))
    first = 0.075 + 3.65 / 60 + 5.11 + 0.445 + 3.1
    second = 7.75 + 7.15 / 6 + 4.675 * 5 / 6
    assert total(found.cluster_days, "c", 0) == pytest.approx(first, rel=1e-12)
    assert total(found.cluster_days, "c", 1) == pytest.approx(second, rel=1e-12)
    assert total(found.states, "c", "UPSIZE_COMPLETED", at(23, 36)) == pytest.approx(10.85, rel=1e-12)
    assert total(found.states, "c", "TERMINATING", at(26)) == 0
    assert found.idle_days == found.cluster_days


def shared(*more: Run) -> Truth:
    """10:00 two workers at 2.275 an hour, 11:00 four at 3.5; run 1 from 10:15 to 11:30, run 2 from 10:45 to 11:15."""
    it = cluster(
        Moment(at(10), "RUNNING", WORKING, 2, 2),
        Moment(at(11), "RESIZING", WORKING, 4, 4),
        Moment(at(12), "TERMINATING", OFF),
    )
    return told(it, run(1, at(10, 15), at(11, 30)), *more, until=at(13))


def test_two_runs_pay_half_of_the_time_that_both_are_there() -> None:
    """Run 1: 37.5 min at 2.275 and 22.5 min at 3.5; run 2: 7.5 min at each. Idle: 15 min at 2.275, 30 min at 3.5."""
    found = shared(run(2, at(10, 45), at(11, 15)))
    assert total(found.runs, 1, at(10, 15)) == 2.734375
    assert total(found.runs, 2, at(10, 45)) == 0.721875
    assert total(found.idle_days, "c", 0) == 2.31875


def test_a_nested_run_is_paid_by_the_outermost_that_is_there() -> None:
    """Run 1 pays alone while it is there: 45 min at 2.275, 30 min at 3.5; its children the 15 min after it, as one."""
    found = shared(run(2, at(10, 45), at(11, 45), parent=1), run(3, at(10, 50), at(11, 45), parent=2))
    assert total(found.runs, 1, at(10, 15)) == 3.45625
    assert total(found.runs, 2, at(10, 45)) == 0.875
    assert total(found.runs, 3, at(10, 50)) == 0
    assert set(found.run_days) == {(1, at(10, 15), "c", 0), (2, at(10, 45), "c", 0), (3, at(10, 50), "c", 0)}


def test_a_price_changes_at_midnight_and_an_open_run_pays_until_the_story_is_looked_at() -> None:
    """An hour at 0.5 + 0.55 + 2 * (0.2 + 0.75 * 0.55) = 2.275, then one at 0.9 + 2.5 * 0.6 = 2.4."""
    it = cluster(Moment(at(23), "RUNNING", WORKING, 2, 2))
    dearer = Price(RATE, INTERACTIVE, DAYS[1], Fraction("0.6"))
    found = told(it, run(1, at(23), at(99), ended_told=False), until=at(25), prices=prices(dearer))
    assert total(found.run_days, 1, at(23), "c", 0) == 2.275
    assert total(found.run_days, 1, at(23), "c", 1) == 2.4


def test_what_nobody_lists_is_unknown_and_the_rest_is_known() -> None:
    it = cluster(Moment(at(1), "RUNNING", WORKING, 2, 2), worker="rare")
    rare = Price(NODE, "rare", PRICED_SINCE, Fraction(9), Fraction(9), listed=False)
    bill = told(it, until=at(2), prices=prices(rare)).cluster_days["c", 0]
    assert bill.unknown == {"worker_compute_cost", "worker_dbu_cost"}
    assert (float(bill.part("driver_compute_cost") or 0), float(bill.total or 0)) == (0.5, 1.05)


def test_a_jobs_cluster_is_in_no_state_after_its_end_and_another_one_is_off() -> None:
    moments = (Moment(at(1), "RUNNING", WORKING, 2, 2), Moment(at(2), "TERMINATING", OFF))
    it = cluster(*moments)
    assert set(told(it, until=at(50)).cluster_days) == {("c", 0), ("c", 1), ("c", 2)}
    gone = Cluster("c", it.definitions, moments, logged=True, comes_back=False)
    assert set(told(gone, until=at(50)).cluster_days) == {("c", 0)}
