"""Law 2: any set of days in any order, in any chunks, in one run or in many, ends in the same rows."""

import datetime as dt
import random

import pytest

from overwatch_assets.cli.event_logs import spark_tables
from overwatch_assets.contract import Consulted
from overwatch_assets.contract.rebuild import Insert
from overwatch_assets.contract.registry import modules, tables
from overwatch_assets_tests.laws.conftest import Opens
from overwatch_assets_tests.laws.workshop import Workshop, differences, in_world, interleaved, mend
from overwatch_assets_tests.laws.worlds import DAYS, NOW_MS, at, everything

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

SPECS = "cluster_spec_silver"


EMPTY = {
    "audit_log_raw_events": "what a hub of Azure delivers; the world's audit logs are files",
    "cluster_events_errors_bronze": "clusters that the API refuses to tell of; the world's never does",
}
"""Tables without rows in the world, and why."""


def test_the_world_fills_every_table(on_time: Workshop) -> None:
    assert {t.name for t in modules()} == {t.name for t in in_world()}
    there = on_time.versions()
    filled = {name for name in there if there[name] is not None and on_time.rows(name)}
    assert set(tables()) - filled - {"pipeline_report"} == set(EMPTY)


def orders_end_in_the_same_rows(opens: Opens, on_time: Workshop, seed: int) -> None:
    rng = random.Random(seed)
    shop = opens(str(seed))
    shop.logs.put(everything())
    runner = shop.runner()
    said = []
    for table, window in interleaved(rng, DAYS):
        if rng.random() < 0.3:
            runner = shop.runner()
        result = runner.load(table, window)
        said.append(f"{table.name} {window}: {result.status}")
    # An input that a table can do without may have come after it: the table is stale then.
    mend(shop, wanted=[t for t in in_world() if len(t.required) < len(t.upstreams)])
    assert differences(shop, on_time) == "", "\n".join(said)
    shop.logs.clear()


def test_events_are_loaded_further_than_runs(opens: Opens, on_time: Workshop) -> None:
    """A run without an end on a cluster that is gone: its costs grow with what is loaded of runs, which never change."""
    shop = opens("further")
    shop.logs.put(everything())
    costs = [t for t in in_world() if t not in spark_tables()]
    ahead = [t for t in costs if t.layer == "bronze" or t.name in ("pools_silver", "job_status_silver", SPECS)]
    for day in DAYS:
        shop.chain([day], wanted=ahead)
    for day in DAYS:
        shop.chain([day], wanted=[t for t in costs if t not in ahead])
    assert differences(shop, on_time, [t.name for t in costs]) == ""


@pytest.mark.parametrize("seed", [1])
def test_any_order_and_chunks(opens: Opens, on_time: Workshop, seed: int) -> None:
    orders_end_in_the_same_rows(opens, on_time, seed)


def test_days_loaded_as_they_come(opens: Opens, on_time: Workshop) -> None:
    """Files grow, are rolled and renamed between runs; the last days are loaded anew, and what is stale besides."""
    shop = opens("arrival")
    for now_ms, days in ((at(1, 18.5), DAYS[:2]), (NOW_MS, DAYS[1:])):
        now = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)
        shop.logs.put(everything(now_ms))
        shop.chain(days, now)
        mend(shop, now)
    asked_earlier = {t.name for t in in_world() if isinstance(t.rebuild, Insert) and t.rebuild.replaces}
    for table in in_world():  # upstreams first: what is told from snapshots knows more when they were taken earlier too
        if any(not isinstance(r, Consulted) for n in asked_earlier for r in table.inputs.get(n, ())):
            asked_earlier.add(table.name)
    assert "sparktask_gold" not in asked_earlier
    assert differences(shop, on_time, [t.name for t in in_world() if t.name not in asked_earlier]) == ""


@pytest.mark.deep
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(100, 300))
def test_200_orders(opens: Opens, on_time: Workshop, seed: int) -> None:
    orders_end_in_the_same_rows(opens, on_time, seed)
