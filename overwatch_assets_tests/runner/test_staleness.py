"""Which days are missing, failed or stale: literal rows of the report and of the change records."""

import datetime as dt

from overwatch_assets.contract.registry import modules, tables
from overwatch_assets.rules.days import DAY_MS, day_start_ms
from overwatch_assets.runner.report import Loaded
from overwatch_assets.runner.staleness import Change, State, needed
from overwatch_assets.runner.window import Window

MAY = [dt.date(2024, 5, 1) + dt.timedelta(days=n) for n in range(10)]
START = day_start_ms(MAY[0])
JOBS, EVENTS, GOLD = tables()["spark_jobs_silver"], tables()["spark_events_bronze"], tables()["sparkjob_gold"]


def days(first: int, last: int) -> Window:
    """From the first day of May to the end of the last, counted from 1."""
    return Window(START + (first - 1) * DAY_MS, START + last * DAY_MS)


def load(module_id: int, window: Window, status: str = "SUCCESS", **read: int) -> Loaded:
    return Loaded(module_id, window, status, 0, 0, read)


def test_hole_between_loaded_days() -> None:
    state = State([load(2006, days(1, 2)), load(2006, days(5, 5))])
    assert state.holes(JOBS) == [days(3, 4)]


def test_rest_of_a_day_that_was_loaded_at_noon_is_a_hole_once_a_later_day_is_loaded() -> None:
    noon = Window(START, START + DAY_MS // 2)
    assert State([load(2006, noon)]).holes(JOBS) == []
    assert State([load(2006, noon), load(2006, days(2, 2))]).holes(JOBS) == [Window(noon.until_ms, START + DAY_MS)]


def test_empty_covers_and_failed_does_not() -> None:
    state = State([load(2006, days(1, 1)), load(2006, days(2, 2), "EMPTY: no new data"), load(2006, days(4, 4))])
    assert state.holes(JOBS) == [days(3, 3)]
    failed = State([load(2006, days(1, 1)), load(2006, days(2, 2), "FAILED --> x"), load(2006, days(3, 3))])
    assert failed.holes(JOBS) == [days(2, 2)]


def test_overlapping_loads_of_several_days_leave_no_hole() -> None:
    assert State([load(2006, days(3, 6)), load(2006, days(1, 4))]).holes(JOBS) == []


def test_missing_includes_what_was_never_reached() -> None:
    assert State([load(2006, days(2, 3))]).missing(JOBS, days(1, 5)) == [days(1, 1), days(4, 5)]
    assert State().missing(JOBS, days(1, 5)) == [days(1, 5)]


def test_failed_days_are_those_whose_last_load_failed() -> None:
    state = State(
        [
            load(2006, days(1, 3)),
            load(2006, days(2, 2), "FAILED --> x"),
            load(2006, days(3, 3), "INELIGIBLE: x"),
            load(2006, days(3, 3)),
        ]
    )
    assert state.failed(JOBS) == [MAY[1]]


def test_stale_by_a_higher_number_in_the_same_day() -> None:
    state = State(
        [load(2006, days(1, 2), spark_events_bronze=3)],
        [Change("spark_events_bronze", days(1, 1), 3), Change("spark_events_bronze", days(2, 2), 4)],
    )
    assert state.stale(JOBS) == {MAY[1]: ["spark_events_bronze"]}


def test_number_counts_only_where_its_window_meets_the_day() -> None:
    state = State([load(2006, days(1, 1), spark_events_bronze=1)], [Change("spark_events_bronze", days(2, 2), 9)])
    assert state.stale(JOBS) == {}


def test_the_newest_load_of_a_day_decides() -> None:
    """A range read up to 5; then day 2 alone was loaded again and read up to 8: day 2 is fresh, day 1 is not."""
    changes = [Change("spark_events_bronze", days(1, 2), 8)]
    loads = [load(2006, days(1, 2), spark_events_bronze=5), load(2006, days(2, 2), spark_events_bronze=8)]
    assert State(loads, changes).stale(JOBS) == {MAY[0]: ["spark_events_bronze"]}


def test_a_failed_load_does_not_make_a_day_fresh() -> None:
    changes = [Change("spark_events_bronze", days(1, 1), 2)]
    loads = [
        load(2006, days(1, 1), spark_events_bronze=1),
        load(2006, days(1, 1), "FAILED --> x", spark_events_bronze=2),
    ]
    assert State(loads, changes).stale(JOBS) == {MAY[0]: ["spark_events_bronze"]}


def test_load_that_read_nothing_is_stale_by_the_first_record() -> None:
    state = State([load(2006, days(1, 1), "EMPTY: no new data")], [Change("spark_events_bronze", days(1, 1), 1)])
    assert state.stale(JOBS) == {MAY[0]: ["spark_events_bronze"]}


def test_bronze_is_stale_only_by_tables_that_it_looked_into() -> None:
    changes = [Change("audit_log_bronze", days(1, 2), 7)]
    loads = [load(1006, days(1, 1)), load(1006, days(2, 2), audit_log_bronze=6)]
    assert State(loads, changes).stale(EVENTS) == {MAY[1]: ["audit_log_bronze"]}


def test_needed_of_a_workspace_that_was_never_loaded_is_nothing() -> None:
    assert needed(State(), modules(), day_start_ms(MAY[5])) == {}


BELOW_JOBS = {"sparkjob_gold", "jobruncostpotentialfact_gold"}


def test_needed_has_what_is_below_and_ends_before_the_given_day() -> None:
    """Everything is loaded for days 1 to 3 but one silver table on day 2; days from 4 on are the next request's."""
    others = [load(t.module_id or 0, days(1, 3), **dict.fromkeys(t.upstreams, 0)) for t in modules() if t is not JOBS]
    state = State([*others, load(2006, days(1, 1)), load(2006, days(3, 3))])
    assert needed(state, modules(), day_start_ms(MAY[3])) == {MAY[1]: {"spark_jobs_silver", *BELOW_JOBS}}


def test_needed_has_stale_and_failed_days() -> None:
    loads = [load(t.module_id or 0, days(1, 2)) for t in modules()]
    state = State([*loads, load(3011, days(1, 1), "FAILED --> x")], [Change("spark_jobs_silver", days(2, 2), 1)])
    assert needed(state, modules(), day_start_ms(MAY[2])) == {MAY[0]: {"sparkstage_gold"}, MAY[1]: BELOW_JOBS}
