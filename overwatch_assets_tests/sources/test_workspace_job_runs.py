from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.errors import SourceError
from overwatch_assets.sample.server import Fault, Known
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, NOON, START, ApiWorld, World, at

pytestmark = pytest.mark.engine

RUNS = "job_runs_snapshot_bronze"
HOUR = 3_600_000
LIST, GET = "*/jobs/runs/list", "*/jobs/runs/get"


@pytest.fixture
def world(spark: SparkSession, tmp_path: Path) -> Iterator[ApiWorld]:
    with ApiWorld.serving(spark, tmp_path) as world:
        world.fields = {"job_runs_snapshot": "true"}
        yield world


def run(number: int, start: int = NOON, state: str = "RUNNING", **more: Any) -> dict[str, Any]:
    return {
        "job_id": 1,
        "run_id": number,
        "start_time": start,
        "end_time": 0,
        "state": {"life_cycle_state": state},
        **more,
    }


def load(world: ApiWorld, *days: Any, hour: int = 20) -> Any:
    days = days or (DAY2,)
    return world.load(RUNS, *days, now=at(days[-1], hour), sources=world.sources())


def stored(world: World) -> dict[int, tuple[Any, ...]]:
    return {
        r["run_id"]: (r["date"], r["state"]["life_cycle_state"], r["is_open"], r["is_gone"]) for r in world.rows(RUNS)
    }


def test_nothing_is_asked_unless_the_deployment_says_so(world: ApiWorld) -> None:
    world.fields = {}
    status = "EMPTY: source not configured: the workspace has no job_runs_snapshot: true"
    assert load(world).status == status
    assert world.api.count("*") == 0


def test_all_runs_that_started_in_the_window_are_rows_of_their_day(world: ApiWorld) -> None:
    ended = [run(n, START + n, "TERMINATED", end_time=START + n + 5) for n in range(60)]
    world.known = Known(runs=[run(98, START - 1), *ended, run(99, START + 24 * HOUR)])
    result = load(world)
    assert (result.status, result.counts["inserted"]) == ("SUCCESS", 60)
    assert stored(world) == dict.fromkeys(range(60), (DAY2, "TERMINATED", False, False))
    assert [r.query["limit"] for r in world.api.received] == ["25"] * 3
    assert load(world, hour=21).counts.get("updated", 0) == 0


def test_a_run_that_goes_on_is_asked_for_until_it_has_ended(world: ApiWorld) -> None:
    world.known = Known(runs=[run(1, START)])
    load(world)
    assert stored(world) == {1: (DAY2, "RUNNING", True, False)}
    world.known = Known(runs=[run(1, START, "TERMINATED", end_time=START + 30 * HOUR)])
    assert load(world, DAY3).counts["updated"] == 1
    assert stored(world) == {1: (DAY2, "TERMINATED", False, False)}
    load(world, DAY3, hour=21)
    assert world.api.count(GET) == 1


def test_a_run_that_the_workspace_knows_no_more_stays_as_it_was_last_seen(world: ApiWorld) -> None:
    world.known = Known(runs=[run(1, START, overriding_parameters={"notebook_params": {"api_token": "x"}})])
    load(world)
    world.known = Known()
    for hour in (20, 21):
        load(world, DAY3, hour=hour)
    assert stored(world) == {1: (DAY2, "RUNNING", False, True)}
    assert (world.rows(RUNS)[0]["droppedProperties"], world.api.count(GET)) == (1, 1)


def test_a_run_that_is_not_described_again_is_counted_and_asked_for_later(world: ApiWorld) -> None:
    world.known = Known(runs=[run(1, START), run(2, START)])
    load(world)
    world.api.add_fault(Fault(GET, {"run_id": "1"}, status=403))
    world.known = Known(runs=[run(1, START, "TERMINATED"), run(2, START, "TERMINATED")])
    result = load(world, DAY3)
    assert (result.counts["runs asked again"], result.counts["runs not described again"]) == (2, 1)
    assert [stored(world)[n][1] for n in (1, 2)] == ["RUNNING", "TERMINATED"]
    load(world, DAY3, hour=21)
    assert stored(world)[1][1] == "TERMINATED"


def test_days_in_any_order_end_in_the_same_rows(world: ApiWorld, spark: SparkSession, tmp_path: Path) -> None:
    world.known = Known(runs=[run(1, START - HOUR), run(2, START, "TERMINATED"), run(3, START + 24 * HOUR)])
    for day in (DAY3, DAY1, DAY2):
        world.load(RUNS, day, now=at(DAY3, 20), sources=world.sources())
    other = World(spark, tmp_path / "other", world.fields)
    other.load(RUNS, DAY1, DAY2, DAY3, now=at(DAY3, 20), sources=world.sources())
    assert stored(world) == stored(other)
    assert {n: told[0] for n, told in stored(other).items()} == {1: DAY1, 2: DAY2, 3: DAY3}


def test_what_is_no_run_is_in_quarantine(world: ApiWorld) -> None:
    bad = [{"run_id": 1}, {"start_time": NOON}, {"run_id": 2, "start_time": 0}, 5]
    world.api.add_fault(Fault(LIST, status=200, body={"runs": [*bad, run(3)], "has_more": False}))
    assert load(world).counts["inserted"] == 1
    assert sorted((r["reason"], r["content"]) for r in world.rows("quarantine_bronze")) == [
        ("no run_id", f'{{"start_time":{NOON}}}'),
        ("no start_time", '{"run_id":1}'),
        ("no start_time", '{"run_id":2,"start_time":0}'),
        ("not a JSON object", "5"),
    ]


def test_a_refusal_fails_the_load(world: ApiWorld) -> None:
    world.api.add_fault(Fault(LIST, status=403))
    with pytest.raises(SourceError, match="jobs/runs/list"):
        load(world)
