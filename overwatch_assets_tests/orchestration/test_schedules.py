"""The daily schedule: literal states, and the requests they make."""

import datetime as dt

import dagster as dg

from overwatch_assets.contract.registry import modules
from overwatch_assets.orchestration.partitions import RANGE_END, RANGE_START
from overwatch_assets.orchestration.schedules import requests
from overwatch_assets.rules.days import DAY_MS, day_start_ms
from overwatch_assets.runner.report import Loaded
from overwatch_assets.runner.staleness import Change, State
from overwatch_assets.runner.window import Window
from overwatch_assets_tests.orchestration.worlds import World

TODAY = dt.date(2024, 5, 10)


def loaded(first: int, last: int, but: tuple[str, ...] = ()) -> list[Loaded]:
    """Every table loaded for some days of May, but a few."""
    window = Window(day_start_ms(dt.date(2024, 5, first)), day_start_ms(dt.date(2024, 5, last)) + DAY_MS)
    return [Loaded(t.module_id or 0, window, "SUCCESS", 0, 0) for t in modules() if t.name not in but]


def asked(world: World, state: State) -> list[tuple[str, str, list[str] | None]]:
    found = requests(world.deployment.workspace("123"), state, TODAY, key="tick")
    return [
        (
            r.tags[RANGE_START],
            r.tags[RANGE_END],
            None if r.asset_selection is None else [k.to_user_string() for k in r.asset_selection],
        )
        for r in found
    ]


EVENTS = [
    *("audit_log_bronze", "sql_query_history_bronze", "warehouse_events_bronze"),
    *("cluster_events_bronze", "spark_events_bronze"),
]
LATE = ("2024-05-08|123", "2024-05-08|123", EVENTS)
YESTERDAY_AND_TODAY = ("2024-05-09|123", "2024-05-10|123", None)


def test_new_workspace_asks_for_yesterday_and_today(world: World) -> None:
    assert asked(world, State()) == [YESTERDAY_AND_TODAY]


def test_holes_come_first_as_ranges(world: World) -> None:
    """Loaded are 1 May and 5 to 6 May: missing are 2 to 4 and 7 to 8; 8 to 10 are the schedule's own."""
    state = State([*loaded(1, 1), *loaded(5, 6)])
    everything = [t.name for t in modules()]
    assert asked(world, state) == [
        ("2024-05-02|123", "2024-05-04|123", everything),
        ("2024-05-07|123", "2024-05-07|123", everything),
        ("2024-05-08|123", "2024-05-08|123", everything),
        YESTERDAY_AND_TODAY,
    ]


def test_a_table_that_is_missing_is_asked_for_with_what_is_below(world: World) -> None:
    state = State([*loaded(1, 9, but=("spark_jobs_silver",)), *[r for r in loaded(1, 6) if r.module_id == 2006]])
    below = ["spark_jobs_silver", "sparkjob_gold", "jobruncostpotentialfact_gold"]
    (seventh, eighth, newest) = asked(world, state)
    assert seventh == ("2024-05-07|123", "2024-05-07|123", below)
    assert (eighth[:2], sorted(eighth[2] or ())) == (LATE[:2], sorted([*EVENTS, *below]))
    assert newest == YESTERDAY_AND_TODAY


def test_the_day_before_yesterday_is_asked_for_what_came_late(world: World) -> None:
    """At 01:00 of the 10th: what happened on the 8th has had 25 hours to come, and nothing below it is loaded again."""
    assert asked(world, State(loaded(1, 9))) == [LATE, YESTERDAY_AND_TODAY]


def test_what_came_late_is_loaded_below_by_the_next_tick(world: World) -> None:
    """The 7th was the day before yesterday, when late rows came."""
    day = Window(day_start_ms(dt.date(2024, 5, 7)), day_start_ms(dt.date(2024, 5, 8)))
    first, *others = asked(world, State(loaded(1, 9), [Change("sql_query_history_bronze", day, 1)]))
    assert first[:2] == ("2024-05-07|123", "2024-05-07|123")
    assert first[2] is not None
    assert first[2][0] == "sql_query_history_silver"
    assert others == [LATE, YESTERDAY_AND_TODAY]


def test_stale_day_is_asked_for(world: World) -> None:
    day = Window(day_start_ms(dt.date(2024, 5, 3)), day_start_ms(dt.date(2024, 5, 3)) + DAY_MS)
    state = State(loaded(1, 9), [Change("spark_stages_silver", day, 1)])
    assert asked(world, state) == [("2024-05-03|123", "2024-05-03|123", ["sparkstage_gold"]), LATE, YESTERDAY_AND_TODAY]


def test_long_ranges_are_cut_at_max_days(world: World) -> None:
    workspace = world.deployment.workspace("123").model_copy(update={"max_days": 2})
    found = requests(workspace, State([*loaded(1, 1), *loaded(7, 8)]), TODAY, key="tick")
    assert [(r.tags[RANGE_START][:10], r.tags[RANGE_END][:10]) for r in found] == [
        ("2024-05-02", "2024-05-03"),
        ("2024-05-04", "2024-05-05"),
        ("2024-05-06", "2024-05-06"),
        ("2024-05-08", "2024-05-08"),
        ("2024-05-09", "2024-05-10"),
    ]


def test_tick_asks_once_for_each_workspace(definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    schedule = definitions.resolve_schedule_def("daily")
    context = dg.build_schedule_context(instance, scheduled_execution_time=dt.datetime(2024, 5, 10, 1, tzinfo=dt.UTC))
    data = schedule.evaluate_tick(context)
    assert [r.tags["overwatch/workspace"] for r in data.run_requests or []] == ["123", "456"]
    assert len({r.run_key for r in data.run_requests or []}) == 2


def test_a_workspace_whose_report_cannot_be_read_does_not_stop_the_others(
    world: World, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """Its newest days are asked for all the same: their run says what is wrong."""
    world.break_report("123")
    schedule = definitions.resolve_schedule_def("daily")
    context = dg.build_schedule_context(instance, scheduled_execution_time=dt.datetime(2024, 5, 10, 1, tzinfo=dt.UTC))
    requested = schedule.evaluate_tick(context).run_requests or []
    assert [r.tags["overwatch/workspace"] for r in requested] == ["123", "456"]
