"""Cases that broke simpler rules of rebuilding: each is a cluster or two of one small workspace.

The workspace is loaded in several ways, of which every one must end in the tables of the first:

| way | how |
|---|---|
| `at_once` | all days in one load of each table |
| `out_of_order` | definitions at once, events and runs of the days 3, then 1, then 0 to 2 |
| `bronze_first` | bronze at once; states and segments of the days 3, then 0 to 1, then 2; gold of 1, then 0, then 2 to 3 |
| `late` | silver day by day and gold at once, without what came late on day 1; then day 1 alone, with it |

After each load of a derived table states and segments must abut. Days are counted from 0. A node of type `one` costs a
dollar an hour, and so on, and no DBUs.
"""

import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.table import Table
from overwatch_assets.runner.state import TABLE_CHANGES
from overwatch_assets.storage.tables import TableStore
from overwatch_assets_tests.laws.literal_costs import (
    BRONZE,
    CLUSTER_DAYS,
    DAYS,
    GOLD,
    PRICES,
    RUN_DAYS,
    SEGMENTS,
    SILVER,
    STATES,
    CostShop,
    Row,
    Told,
    at,
    created,
    days_of,
    edited,
    ended,
    happened,
    opened,
    started,
    told_of,
)
from overwatch_assets_tests.laws.workshop import differences, stale_days
from overwatch_assets_tests.made_once import made_once

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

NODES = (("one", 1.0, DAYS[0]), ("two", 2.0, DAYS[0]), ("six", 6.0, DAYS[0]), ("ten", 10.0, DAYS[0]))
M = 1 / 60

AUDIT = [
    created("c01", 0, 1, "one"),
    started(101, "c01", 3, 10),
    ended(101, 3, 12),
    created("job-1-run-102", 0, 19.5, "one"),
    created("c02", 0, 1, "six"),
    started(102, "job-1-run-102", 2, 10 * M),
    ended(102, 3, 1),
    created("job-1-run-103", 1, 19.5, "one"),
    started(103, "job-1-run-103", 1, 20.5),
    ended(103, 1, 21),
    created("c04", 1, 9, "one"),
    created("c05", 0, 9, "one", workers=1),
    created("c06", 0, 9, "varying"),
    edited("c07", 2, 6, "two"),
    created("c08", 0, 9, "one"),
    created("job-1-run-109", 0, 9, "one"),
    started(109, "job-1-run-109", 0, 10.25),
    ended(109, 0, 11),
    started(110, "job-1-run-109", 1, 9),
    ended(110, 1, 10),
    created("c10", 0, 9, "one"),
    created("c11", 0, 9, "one"),
    created("c12", 0, 1, "one", workers=1),
    created("c13", 1, 9, "one"),
    created("c13 later", 3, 19, "one"),
    created("c14", 0, 9, "one", workers=1, autotermination_minutes="60"),
    created("c17", 0, 9, "one"),
    created("shared", 1, 9, "one"),
    started(201, "shared", 1, 10),
    ended(201, 1, 12),
]
AUDIT_LATE = [
    edited("c01", 1, 5, "ten"),
    started(102, "c02", 1, 23),  # of repeated starts the first counts
    created("c07", 1, 6, "ten"),
    started(202, "shared", 1, 11),
    ended(202, 1, 13),
]
EVENTS = [
    *(happened("c01", d, h, k) for d, h, k in ((0, 2, "CREATING"), (0, 3, "TERMINATING"), (3, 10, "STARTING"))),
    happened("c01", 3, 14, "TERMINATING"),
    happened("job-1-run-102", 0, 20, "CREATING"),
    happened("job-1-run-102", 0, 20 + 5 * M, "RUNNING"),
    *(happened("c02", d, h, k) for d, h, k in ((0, 2, "CREATING"), (3, 10, "TERMINATING"))),
    *(happened("job-1-run-103", d, h, k) for d, h, k in ((1, 20, "CREATING"), (1, 20.25, "RUNNING"))),
    happened("job-1-run-103", 2, 2, "TERMINATING"),
    happened("c04", 1, 10, "CREATING"),
    happened("c05", 0, 10, "CREATING", cluster_size={"num_workers": 8}),
    happened("c05", 0, 12, "TERMINATING"),
    happened("c05", 2, 10, "CREATING"),
    happened("c05", 2, 11, "RUNNING", current_num_workers=3, target_num_workers=3),
    happened("c05", 2, 12, "TERMINATING"),
    *(happened("c06", d, h, k) for d in (0, 3) for h, k in ((10, "STARTING"), (12, "TERMINATING"))),
    *(happened("c07", 0, h, k) for h, k in ((10, "CREATING"), (12, "TERMINATING"))),
    *(
        happened("c08", d, h, k)
        for d in (0, 2, 3)
        for h, k in ((10, "STARTING"), (10.5, "RUNNING"), (11, "TERMINATING"))
    ),
    *(happened("job-1-run-109", 0, h, k) for h, k in ((10, "CREATING"), (10.25, "RUNNING"))),
    *(happened("job-1-run-109", 1, h, k) for h, k in ((9, "RESIZING"), (12, "TERMINATING"))),
    *(happened("c10", 0, h, k) for h, k in ((9, "CREATING"), (10, "RUNNING"))),
    *(happened("c11", 0, h, k) for h, k in ((20, "STARTING"), (21, "RUNNING"))),
    happened("c11", 1, 5, "TERMINATING"),
    happened("c12", 0, 2, "CREATING", cluster_size={"num_workers": 4}),
    *(happened("c12", 3, h, k) for h, k in ((12, "EXPANDED_DISK"), (13, "TERMINATING"))),
    happened("c13", 1, 10, "CREATING"),
    happened("c13 later", 3, 20, "CREATING"),
    happened("c14", 0, 10, "CREATING", cluster_size={"num_workers": 5}),
    happened("c14", 0, 10.5, "RUNNING", current_num_workers=5, target_num_workers=5),
    *(happened("c14", 2, h, k) for h, k in ((10, "STARTING"), (12, "TERMINATING"))),
    *(happened("c17", d, h, k) for d, h, k in ((0, 10, "CREATING"), (1, 12, "RESIZING"), (2, 10, "TERMINATING"))),
    *(happened("shared", 1, h, k) for h, k in ((10, "CREATING"), (14, "TERMINATING"))),
    *(happened("c17", d, h, k) for d, h, k in ((2, 11, "STARTING"), (3, 10, "RESIZING"))),
]
EVENTS_LATE = [
    *(happened("c08", 1, h, k) for h, k in ((10, "STARTING"), (11, "TERMINATING"))),
    happened("c11", 1, 0, "STARTING"),
]
PRICE, PRICE_LATE = ("varying", 1.0, DAYS[0]), ("varying", 5.0, DAYS[1])

BEFORE = Told(AUDIT, EVENTS, (*NODES, PRICE))
WHOLE = Told([*AUDIT, *AUDIT_LATE], [*EVENTS, *EVENTS_LATE], (*NODES, PRICE, PRICE_LATE))
_ON_THE_WAY = "on_the_way.pickle"
COMPARED = (*BRONZE, *PRICES, *SILVER, *GOLD)


@dataclass
class Ways:
    """The workspaces, and what some of them held on the way.

    Attributes:
        at_once: what all must equal.
        before: the workspace without what came late.
        others: the rest, by name.
        after_day: states and segments of `late` after each day, without what came late.
        after_days: those of `out_of_order` after each step.
        stale: what `late` called stale: after bronze, after silver, after gold.
    """

    at_once: CostShop
    before: CostShop
    others: dict[str, CostShop]
    after_day: list[dict[str, list[Row]]]
    after_days: list[dict[str, list[Row]]]
    stale: list[dict[str, Any]]

    def check_rows(self, *clusters: str) -> None:
        """What every way says of some clusters is what one load of everything says."""
        for way, shop in self.others.items():
            for name in (STATES, SEGMENTS):
                for cluster in clusters:
                    found, expected = (_plain(s.stored(name, cluster_id=cluster)) for s in (shop, self.at_once))
                    assert found == expected, (way, name, cluster)


def _plain(rows: list[Row]) -> list[str]:
    about_the_load = {"Pipeline_SnapTS", "Overwatch_RunID"}
    return sorted(str({k: v for k, v in r.items() if k not in about_the_load}) for r in rows)


def _load(shop: CostShop, names: tuple[str, ...], *days: int) -> None:
    """Load some tables, and look at states and segments after each of them that can change both."""
    for name in names:
        shop.load_days([name], *days)
        if name == SEGMENTS:
            shop.check()


def _held(shop: CostShop) -> dict[str, list[Row]]:
    return {name: shop.stored(name) for name in (STATES, SEGMENTS)}


def _load_all_ways(spark: SparkSession, root: Path) -> None:
    """Load all workspaces, each under its name, and keep what is looked at on the way as `_ON_THE_WAY`."""
    start = opened(spark, root / "start", WHOLE)
    _load(start.copy(root / "at_once"), (*BRONZE, *SILVER, *GOLD))

    shop, after_days = start.copy(root / "out_of_order"), []
    shop.load_days((BRONZE[0], SILVER[0]))
    for days in ((3,), (1,), (0, 1, 2)):
        _load(shop, (BRONZE[1], *SILVER[1:]), *days)
        after_days.append(_held(shop))

    shop = start.copy(root / "bronze_first")
    shop.load_days((*BRONZE, *SILVER[:2]))
    for days in ((3,), (0, 1), (2,)):
        _load(shop, SILVER[2:], *days)
    shop.load_days(GOLD[1:2])
    for days in ((1,), (0,), (2, 3)):
        shop.load_days((CLUSTER_DAYS, RUN_DAYS), *days)

    shop, after_day, stale = start.copy(root / "late"), [], []
    shop.tell(BEFORE)
    shop.load_days(("instancedetails",))
    for day in range(4):
        _load(shop, (*BRONZE, *SILVER), day)
        after_day.append(_held(shop))
    shop.load_days(GOLD)
    shop.copy(root / "before")
    shop.tell(WHOLE)
    for names in ((*BRONZE, "instancedetails"), SILVER, GOLD):
        _load(shop, names, 1)
        stale.append({n: days for n, days in stale_days(shop).items() if n in COMPARED})
    (root / _ON_THE_WAY).write_bytes(pickle.dumps((after_day, after_days, stale)))


@pytest.fixture(scope="module")
def ways(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Ways:
    """All workspaces, loaded: a copy for each process."""
    root, own = made_once(tmp_path_factory, "cases", partial(_load_all_ways, spark)), tmp_path_factory.mktemp("own")

    def loaded(name: str, told: Told = WHOLE) -> CostShop:
        shutil.copytree(root / name, own / name)
        shop = CostShop(spark, own / name)
        shop.tell(told)
        return shop

    others = {name: loaded(name) for name in ("out_of_order", "bronze_first", "late")}
    after_day, after_days, stale = pickle.loads((root / _ON_THE_WAY).read_bytes())
    return Ways(loaded("at_once"), loaded("before", BEFORE), others, after_day, after_days, stale)


def test_every_way_ends_in_the_tables_of_one_load(ways: Ways) -> None:
    for way, shop in ways.others.items():
        names = (*BRONZE, *SILVER) if way == "out_of_order" else COMPARED
        assert differences(shop, ways.at_once, names) == "", way


def test_case_01_node_edit_before_a_run_of_a_later_day(ways: Ways) -> None:
    assert ways.before.cost_of_run(101) == 2.0
    assert ways.at_once.cost_of_run(101) == 20.0
    assert ways.at_once.cost("c01") == {DAYS[0]: 1.0, DAYS[3]: 40.0}
    ways.check_rows("c01")


def test_case_02_a_run_moves_to_another_cluster(ways: Ways) -> None:
    """Of the late day the one cluster has no event and no record, and no run names it any more: but one did before."""
    job, running = "job-1-run-102", at(0, 20 + 5 * M)
    assert ways.before.states(job)[1:] == [
        ("RUNNING", running, at(3, 1)),
        ("TERMINATING_IMPUTED", at(3, 1), at(3, 1)),
    ]
    assert ways.before.cost_of_run(102) == pytest.approx(24 + 50 * M)
    # No run of it is left, so that nothing says that it ended; the run is paid on the other.
    late = ways.others["late"]
    assert late.states(job) == [("CREATING", at(0, 20), running), ("RUNNING", running, at(4, 0))]
    assert {len(r["shares"]) for r in late.stored(SEGMENTS, cluster_id=job)} == {0}
    assert late.cost(job) == {DAYS[0]: 4.0, DAYS[1]: 24.0, DAYS[2]: 24.0, DAYS[3]: 24.0}
    assert late.cost_of_run(102) == 26 * 6
    days = {r["date"]: r["total_cost"] for r in late.stored(RUN_DAYS, run_id=102)}
    assert days == {DAYS[1]: 6.0, DAYS[2]: 144.0, DAYS[3]: 6.0}
    ways.check_rows(job, "c02")


def test_case_03_an_imputed_termination_goes_when_the_real_event_comes(ways: Ways) -> None:
    job = "job-1-run-103"
    assert told_of(ways.after_day[1][STATES], job)[1:] == [
        ("RUNNING", at(1, 20.25), at(1, 21)),
        ("TERMINATING_IMPUTED", at(1, 21), at(1, 21)),
    ]
    assert days_of(ways.after_day[1][SEGMENTS], job) == {DAYS[1]: 1.0}
    assert ways.at_once.states(job)[1:] == [
        ("RUNNING", at(1, 20.25), at(2, 2)),
        ("TERMINATING", at(2, 2), at(2, 2)),
    ]
    assert ways.at_once.cost(job) == {DAYS[1]: 4.0, DAYS[2]: 2.0}
    ways.check_rows(job)


def test_case_04_an_old_day_loaded_after_a_newer_one(ways: Ways) -> None:
    """Days 3 and 1 are loaded: what is open on day 1 lasts to the end of day 3, not to that of the load."""
    assert told_of(ways.after_days[1][STATES], "c04") == [("CREATING", at(1, 10), at(4, 0))]
    assert days_of(ways.after_days[1][SEGMENTS], "c04") == {DAYS[1]: 14.0, DAYS[2]: 24.0, DAYS[3]: 24.0}
    ways.check_rows("c04")


def test_case_05_a_second_cycle_that_states_no_size(ways: Ways) -> None:
    rows = sorted(ways.at_once.stored(STATES, cluster_id="c05"), key=lambda r: r["unixTimeMS_state_start"])
    assert [(r["state"], r["current_num_workers"], r["target_num_workers"]) for r in rows] == [
        ("CREATING", 8, 8),
        ("TERMINATING", 0, 0),
        ("CREATING", 1, 1),
        ("RUNNING", 3, 3),
        ("TERMINATING", 0, 0),
    ]
    assert ways.at_once.cost("c05") == {DAYS[0]: 18.0, DAYS[2]: 2.0 + 4.0}
    ways.check_rows("c05")


def test_case_06_a_price_before_a_state_of_a_later_day(ways: Ways) -> None:
    assert ways.before.cost("c06") == {DAYS[0]: 2.0, DAYS[3]: 2.0}
    assert ways.at_once.cost("c06") == {DAYS[0]: 2.0, DAYS[3]: 10.0}
    ways.check_rows("c06")


def test_case_07_the_first_edit_arrives_after_a_later_one(ways: Ways) -> None:
    """The first definition serves the states before it, and so does an earlier one once it is there."""
    assert ways.before.cost("c07") == {DAYS[0]: 4.0}
    assert ways.at_once.cost("c07") == {DAYS[0]: 20.0}
    (running,) = (r for r in ways.at_once.stored(SEGMENTS, cluster_id="c07") if r["state"] == "CREATING")
    assert running["cost_status"] == "definition of a later time"
    ways.check_rows("c07")


def test_case_08_one_more_restart_before_others(ways: Ways) -> None:
    """Each state names its own restart by time, so that one more leaves what comes after it as it is."""
    restarts = {(r["state"], r["reset_partition"]) for r in ways.at_once.stored(STATES, cluster_id="c08")}
    assert {ms for _, ms in restarts} == {at(day, 10) for day in range(4)}

    def runs_of_load(shop: CostShop) -> dict[int, str]:
        rows = shop.stored(STATES, cluster_id="c08")
        return {r["unixTimeMS_state_start"]: r["Overwatch_RunID"] for r in rows}

    before, after = runs_of_load(ways.before), runs_of_load(ways.others["late"])
    written = {ms for ms, run in after.items() if before.get(ms) != run}
    assert written == {at(0, 11), at(1, 10), at(1, 11)}, "the end of day 0's last state, and what is new"
    ways.check_rows("c08")


def test_case_09_an_imputed_row_is_no_restart(ways: Ways) -> None:
    """After day 0 it seemed to have ended with its run; day 1 shows that it was on all the time."""
    job = "job-1-run-109"
    assert told_of(ways.after_day[0][STATES], job)[1:] == [
        ("RUNNING", at(0, 10.25), at(0, 11)),
        ("TERMINATING_IMPUTED", at(0, 11), at(0, 11)),
    ]
    rows = sorted(ways.at_once.stored(STATES, cluster_id=job), key=lambda r: r["unixTimeMS_state_start"])
    assert [(r["state"], r["isRunning"], r["reset_partition"], r["uptime_since_restart_S"]) for r in rows] == [
        ("CREATING", True, at(0, 10), 900.0),
        ("RUNNING", True, at(0, 10), 23 * 3600.0),
        ("RESIZING", True, at(0, 10), 26 * 3600.0),
        ("TERMINATING", False, at(0, 10), 0.0),
    ]
    assert ways.at_once.cost(job) == {DAYS[0]: 14.0, DAYS[1]: 12.0}
    ways.check_rows(job)


def test_case_10_a_cluster_without_events_for_days(ways: Ways) -> None:
    for day, held in enumerate(ways.after_day):
        assert told_of(held[STATES], "c10")[1:] == [("RUNNING", at(0, 10), at(day + 1, 0))]
        assert days_of(held[SEGMENTS], "c10") == {d: 24.0 if d > DAYS[0] else 15.0 for d in DAYS[: day + 1]}
    ways.check_rows("c10")


def test_case_11_a_start_at_exactly_midnight_arrives_late(ways: Ways) -> None:
    assert ways.before.states("c11")[1:] == [("RUNNING", at(0, 21), at(1, 5)), ("TERMINATING", at(1, 5), at(4, 0))]
    assert ways.at_once.states("c11")[1:] == [
        ("RUNNING", at(0, 21), at(1, 0)),
        ("STARTING", at(1, 0), at(1, 5)),
        ("TERMINATING", at(1, 5), at(4, 0)),
    ]
    rows = sorted(ways.at_once.stored(STATES, cluster_id="c11"), key=lambda r: r["unixTimeMS_state_start"])
    found = [(r["state"], r["reset_partition"]) for r in rows]
    assert found[1:] == [("RUNNING", at(0, 20)), ("STARTING", at(1, 0)), ("TERMINATING", at(1, 0))]
    ways.check_rows("c11")


def test_case_12_a_state_older_than_any_look_back(ways: Ways) -> None:
    rows = sorted(ways.at_once.stored(STATES, cluster_id="c12"), key=lambda r: r["unixTimeMS_state_start"])
    assert [(r["state"], r["isRunning"], r["current_num_workers"], r["reset_partition"]) for r in rows] == [
        ("CREATING", True, 4, at(0, 2)),
        ("EXPANDED_DISK", True, 4, at(0, 2)),
        ("TERMINATING", False, 0, at(0, 2)),
    ]
    assert rows[1]["uptime_since_restart_S"] == (3 * 24 + 11) * 3600.0
    assert ways.at_once.cost("c12") == {DAYS[0]: 110.0, DAYS[1]: 120.0, DAYS[2]: 120.0, DAYS[3]: 65.0}
    ways.check_rows("c12")


def test_case_13_a_hole_and_days_out_of_order(ways: Ways) -> None:
    """How far events are loaded is the largest end: what begins beyond a hole lasts, and filling it moves nothing."""
    day_3, holed, filled = ways.after_days
    assert told_of(day_3[STATES], "c13 later") == [("CREATING", at(3, 20), at(4, 0))]
    for held in (holed, filled):
        assert told_of(held[STATES], "c13") == [("CREATING", at(1, 10), at(4, 0))]
        assert told_of(held[STATES], "c13 later") == [("CREATING", at(3, 20), at(4, 0))]
    before, after = (
        {(r["cluster_id"], r["Overwatch_RunID"]) for r in held[STATES] if r["cluster_id"].startswith("c13")}
        for held in (holed, filled)
    )
    assert before == after, "the day between wrote nothing of them"
    ways.check_rows("c13", "c13 later")


def test_case_14_a_start_after_a_lost_termination(ways: Ways) -> None:
    rows = sorted(ways.at_once.stored(STATES, cluster_id="c14"), key=lambda r: r["unixTimeMS_state_start"])
    assert [
        (r["state"], r["unixTimeMS_state_start"], r["current_num_workers"], r["reset_partition"]) for r in rows
    ] == [
        ("CREATING", at(0, 10), 5, at(0, 10)),
        ("RUNNING", at(0, 10.5), 5, at(0, 10)),
        ("TERMINATING_IMPUTED", at(0, 11.5), 0, at(0, 10)),  # an hour after the last sign of life
        ("STARTING", at(2, 10), 1, at(2, 10)),
        ("TERMINATING", at(2, 12), 0, at(2, 10)),
    ]
    assert ways.at_once.cost("c14") == {DAYS[0]: 9.0, DAYS[2]: 4.0}
    ways.check_rows("c14")


class CrashError(Exception):
    """What a test kills a load with."""


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets the next writes of a table's rows fail, before anything of them is there."""
    real = {"merge": TableStore.merge, "append": TableStore.append}
    dies: list[str] = []

    def stand_in(how: str) -> Callable[..., Any]:
        def write(store: TableStore, table: Table, *given: Any, **named: Any) -> Any:
            if table.name in dies:
                raise CrashError(table.name)
            return real[how](store, table, *given, **named)

        return write

    for how in real:
        monkeypatch.setattr(TableStore, how, stand_in(how))

    def kill(*names: str) -> None:
        dies[:] = names

    return kill


def test_case_15_a_crash_between_the_records_and_the_rows(
    ways: Ways, tmp_path: Path, crashing: Callable[..., None]
) -> None:
    shop = ways.before.copy(tmp_path / "crashed")
    shop.tell(WHOLE)
    shop.load_days((*BRONZE, "instancedetails"), 1)
    shop.load_days(SILVER[:2], 1)
    for name in (STATES, SEGMENTS):
        before, records = shop.stored(name), len(shop.stored(TABLE_CHANGES.name, table_name=name))
        crashing(name)
        with pytest.raises(CrashError):
            shop.load_days([name], 1)
        assert len(shop.stored(TABLE_CHANGES.name, table_name=name)) > records, f"{name}: what changes is recorded"
        assert shop.stored(name) == before
        crashing()
        shop.load_days([name], 1)
        assert shop.stored(name) != before
    shop.check()
    assert differences(shop, ways.at_once, (*BRONZE, *PRICES, *SILVER)) == ""


def test_case_16_windows_of_tables_that_are_not_the_same(ways: Ways) -> None:
    """Gold is loaded by day of what silver loaded as a range; and day 1 alone again of what was loaded as a range."""
    found = {way: shop.stored(CLUSTER_DAYS, cluster_id="c10") for way, shop in ways.others.items()}
    assert {r["date"]: r["total_cost"] for r in found["bronze_first"]} == dict(
        zip(DAYS, (15.0, 24.0, 24.0, 24.0), strict=True)
    )
    # What came late on day 1 moves costs of day 3.
    (before,), (after,) = (s.stored(RUN_DAYS, run_id=101) for s in (ways.before, ways.others["late"]))
    assert (before["date"], before["total_cost"], after["date"], after["total_cost"]) == (DAYS[3], 2.0, DAYS[3], 20.0)
    (day,) = ways.others["late"].stored(CLUSTER_DAYS, cluster_id="c06", date=DAYS[3])
    assert day["total_cost"] == 10.0
    for way in ("bronze_first", "late"):
        assert differences(ways.others[way], ways.at_once, GOLD) == "", way


def test_case_17_a_restart_that_bronze_has_and_states_do_not(ways: Ways) -> None:
    """That states and segments abut is looked at after every load (`_load`); here that no hour is paid twice."""
    expected = [
        ("CREATING", at(0, 10), at(1, 12)),
        ("RESIZING", at(1, 12), at(2, 10)),
        ("TERMINATING", at(2, 10), at(2, 11)),
        ("STARTING", at(2, 11), at(3, 10)),
        ("RESIZING", at(3, 10), at(4, 0)),
    ]
    for shop in (ways.at_once, ways.others["bronze_first"]):
        assert shop.states("c17") == expected
        assert shop.cost("c17") == {DAYS[0]: 14.0, DAYS[1]: 24.0, DAYS[2]: 23.0, DAYS[3]: 24.0}
    ways.check_rows("c17")


def test_a_run_that_arrives_late_changes_what_a_closed_one_paid(ways: Ways) -> None:
    assert ways.before.cost_of_run(201) == 2.0
    late = ways.others["late"]
    # From 11 to 12 both are there: half each. From 13 to 14 nobody is.
    assert (late.cost_of_run(201), late.cost_of_run(202), late.cost("shared")) == (1.5, 1.5, {DAYS[1]: 4.0})
    (day,) = late.stored(CLUSTER_DAYS, cluster_id="shared", date=DAYS[1])
    assert (day["total_cost"], day["idle_cost"]) == (4.0, 1.0)
    assert {r["run_id"]: r["total_cost"] for r in late.stored(RUN_DAYS) if r["run_id"] > 200} == {201: 1.5, 202: 1.5}
    for row in late.stored(SEGMENTS):
        for name, whole in row["amounts"].items():
            assert sum(s["amounts"][name] for s in row["shares"]) + row["idle"][name] == whole
    ways.check_rows("shared")


def test_the_longest_silence_is_a_setting_of_the_workspace(ways: Ways, tmp_path: Path) -> None:
    shop = ways.at_once.copy(tmp_path / "shorter")
    shop.max_state_days = 1
    shop.load_days([STATES], 3)
    assert shop.states("c10")[1:] == [
        ("RUNNING", at(0, 10), at(1, 10)),
        ("TERMINATING_IMPUTED", at(1, 10), at(4, 0)),
    ]
    (closed,) = shop.stored(STATES, cluster_id="c10", state="TERMINATING_IMPUTED")
    assert (closed["is_imputed"], closed["isRunning"], closed["cloud_billable"]) == (True, False, False)


def test_what_a_late_day_makes_stale(ways: Ways) -> None:
    """The day itself, of the tables that read what changed; then of those below; then nothing."""
    after_bronze, after_silver, after_gold = ways.stale
    assert after_bronze == {name: [DAYS[1]] for name in SILVER}
    assert after_silver == {name: [DAYS[1]] for name in GOLD}
    assert after_gold == {}


def test_a_repeated_load_writes_nothing(ways: Ways) -> None:
    shop = ways.others["late"]
    before = shop.versions()
    shop.load_days((STATES, SEGMENTS), 1, 2)
    assert shop.versions() == before
