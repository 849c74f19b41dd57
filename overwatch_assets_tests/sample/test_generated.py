"""Random stories through all tables of costs, against their truth; and the laws over them."""

import datetime as dt
import random
from collections import defaultdict
from pathlib import Path

import orjson
import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.rebuild import Fold
from overwatch_assets.rules.days import day_of
from overwatch_assets.sample.random_logs import audit_files, cluster_events, price_file
from overwatch_assets.sample.random_parts import OFF, Story
from overwatch_assets.sample.random_sql_logs import warehouse_events
from overwatch_assets.sample.random_story import random_story
from overwatch_assets.sample.truth import pieces, truth
from overwatch_assets_tests.laws.workshop import differences, interleaved, mend, stale_days, wrote
from overwatch_assets_tests.sample.generated import NAMES, REST, TABLES, Told, disagreements

_LAWS = 3  # the seed, of as many days, that is loaded in other ways too


@pytest.fixture(scope="module")
def loaded(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A story loaded at once."""
    shop = Told.of(spark, tmp_path_factory.mktemp("at-once"), random_story(_LAWS, days=3))
    shop.chain_all()
    return shop


def test_the_same_seed_tells_the_same() -> None:
    one, same, other = random_story(1), random_story(1), random_story(2)
    assert one == same
    assert audit_files(one) == audit_files(same)
    assert cluster_events(one) == cluster_events(same)
    assert price_file(one) != price_file(other)


def test_every_run_takes_some_time() -> None:
    for seed in range(1010, 1030):
        story = random_story(seed, days=random.Random(seed).randint(2, 9))
        assert [r for r in story.runs if r.end <= r.start] == []


def kinds(story: Story) -> set[str]:
    """What is in a story, of what makes costs hard."""
    runs = [r for r in story.runs if r.start < story.until_ms]
    found = {r.state for r in runs}
    found |= {r.cluster_type for r in runs}
    first, last = {c.cluster_id: c.created_ms for c in story.clusters}, story.until_ms
    by_id = defaultdict(list)
    for r in runs:
        by_id[r.run_id].append(r)
    of_job = defaultdict(set)
    for r in runs:
        of_job[r.job_run_id].add(r.task_key)
    said = {
        "a second life": any(len(lives) > 1 for lives in by_id.values()),
        "several tasks": any(len(keys) > 1 for keys in of_job.values()),
        "a repair": any(r.repair_id for r in runs),
        "a cancelled run without an end": any(r.cancelled_ms and not r.ended_told for r in runs),
        "a run without an end": any(not r.cancelled_ms and not r.ended_told for r in runs),
        "open at the end": any(r.end > last for r in runs),
        "a run without a start": any(not r.began_told for r in runs),
        "a grandchild": any(by_id[r.parent][0].parent for r in runs if r.parent),
        "a child that outlives its parent": any(r.end > by_id[r.parent][-1].end for r in runs if r.parent),
        "a token": any(q.token for q in story.requests),
        "a cluster since before the first day": min(first.values()) < min(r.start for r in runs if r.began_told),
        "a single node": any(d.worker is None for c in story.clusters for _, d in c.definitions),
        "a pool": any(d.pool_id for c in story.clusters for _, d in c.definitions),
        "an edit while on": any(m.kind == "EDITED" and m.phase != OFF for c in story.clusters for m in c.moments),
        "an edit while off": any(m.kind == "EDITED" and m.phase == OFF for c in story.clusters for m in c.moments),
        "deleted": any(c.deleted_ms and c.deleted_ms < last for c in story.clusters),
        "an end of a job's cluster that nobody told": any(
            m.kind == "TERMINATING_IMPUTED" and not c.comes_back for c in story.clusters for m in c.known(last)
        ),
        "another end that nobody told": any(
            m.kind == "TERMINATING_IMPUTED" and c.comes_back for c in story.clusters for m in c.known(last)
        ),
        "a disk after the end": any(
            m.kind == "EXPANDED_DISK" and m.phase == OFF for c in story.clusters for m in c.known(last)
        ),
        "an unpriced node": any(not p.listed for p in story.prices),
        "a price that changes": len({(p.kind, p.key) for p in story.prices}) < len(story.prices),
        "an open cluster": any(c.known(last)[-1].phase != OFF for c in story.clusters if c.known(last)),
    }
    found |= {name for name, is_there in said.items() if is_there}
    shared = [p for p in pieces(story) if len(p.payers) > 2]
    return (
        found
        | ({"three runs at once"} if shared else set())
        | {d.sold_as for c in story.clusters for _, d in c.definitions}
    )


def test_stories_have_all_that_makes_costs_hard() -> None:
    in_stories = [kinds(random_story(seed)) for seed in range(20)]
    every = set().union(*in_stories)
    assert len(every) >= 33, sorted(every)
    rare = {k for k in every if sum(k in found for found in in_stories) < 4}
    assert rare == set()


def test_all_of_a_cluster_is_in_the_truth_once() -> None:
    """Days, states, and runs with what none of them used: three sums of the same money."""
    for seed in range(5):
        found = truth(random_story(seed))
        whole = sum(b.total or 0 for b in found.cluster_days.values())
        assert whole > 0
        assert sum(b.total or 0 for b in found.states.values()) == whole
        used = sum(b.total or 0 for b in found.runs.values())
        assert used == sum(b.total or 0 for b in found.run_days.values())
        assert used + sum(b.total or 0 for b in found.idle_days.values()) == whole


def costs_are_those_of_the_story(shop: Told) -> None:
    shop.chain_all()
    assert disagreements(shop) == []


def every_key_is_unique_and_a_repeated_load_adds_nothing(shop: Told) -> None:
    shop.chain_all(wanted=REST)
    assert shop.repeated_keys() == {}
    assert wrote(shop.chain_all(wanted=[*TABLES, *REST])) == {}


@pytest.mark.engine
@pytest.mark.parametrize(("seed", "days"), [(1, 3), (2, 2)])
def test_costs_are_those_of_the_story(spark: SparkSession, tmp_path: Path, seed: int, days: int) -> None:
    shop = Told.of(spark, tmp_path, random_story(seed, days))
    costs_are_those_of_the_story(shop)
    every_key_is_unique_and_a_repeated_load_adds_nothing(shop)


@pytest.mark.engine
def test_costs_of_a_third_story(loaded: Told) -> None:
    assert disagreements(loaded) == []


@pytest.mark.engine
def test_keys_of_a_third_story(loaded: Told) -> None:
    every_key_is_unique_and_a_repeated_load_adds_nothing(loaded)


def new_with(story: Story, late: dt.date) -> list[dt.date]:
    """The days that gain records when the folder of a day arrives."""
    times = {orjson.loads(line)["timestamp"] for line in audit_files(story)[late]}
    return sorted({dt.datetime.fromtimestamp(ms / 1000, dt.UTC).date() for ms in times})


@pytest.mark.engine
def test_days_in_a_random_order_one_of_them_late(spark: SparkSession, tmp_path: Path, loaded: Told) -> None:
    """What is stale when the late day has come is named exactly, and what is stale below when that is loaded."""
    story = loaded.story
    assert story is not None
    rng = random.Random(_LAWS)
    late = rng.choice(story.days[:-1])
    shop = Told.of(spark, tmp_path, story, late=[late])
    for day in rng.sample(story.days, len(story.days)):
        shop.chain_all([day])
    before = stale_days(shop)
    assert disagreements(shop) != []

    shop.deliver()
    (source,) = shop.chain([late], shop.now, TABLES[:1])
    gained = new_with(story, late)
    assert source.counts["inserted"] > 0
    readers = [t.name for t in TABLES if "audit_log_bronze" in t.upstreams and isinstance(t.rebuild, Fold)]
    expected = {name: set(days) for name, days in before.items()}
    for name in (*readers, "cluster_events_bronze"):
        expected.setdefault(name, set()).update(gained)
    assert stale_days(shop) == {name: sorted(days) for name, days in expected.items()}
    mend(shop, shop.now)
    assert differences(shop, loaded, NAMES) == ""
    assert disagreements(shop) == []


@pytest.mark.engine
@pytest.mark.deep
@pytest.mark.parametrize("seed", range(1000, 1049))
def test_costs_of_49_stories(spark: SparkSession, tmp_path: Path, seed: int) -> None:
    shop = Told.of(spark, tmp_path, random_story(seed, days=random.Random(seed).randint(2, 9)))
    costs_are_those_of_the_story(shop)
    if seed < 1020:
        every_key_is_unique_and_a_repeated_load_adds_nothing(shop)


@pytest.mark.engine
@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_costs_of_a_stream_of_40_days(spark: SparkSession, tmp_path: Path) -> None:
    """Loaded in parts: it began long before the second, and has not ended after the last."""
    shop = Told.of(spark, tmp_path, random_story(40, days=40))
    assert shop.story is not None
    for first, last in ((0, 20), (20, 33), (33, 40)):
        shop.chain_all(shop.story.days[first:last])
    mend(shop, shop.now)
    assert disagreements(shop) == []


@pytest.mark.engine
@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2000, 2010))
def test_orders_chunks_repeats_holes_and_late_days(spark: SparkSession, tmp_path: Path, seed: int) -> None:
    """Each table in its own chunks; some days' logs come when all is loaded; a repeated load writes nothing."""
    rng = random.Random(seed)
    story = random_story(seed, days=rng.randint(3, 5))
    at_once = Told.of(spark, tmp_path / "at-once", story)
    at_once.chain_all()
    late = [day for day in story.days[:-1] if rng.random() < 0.3]
    shop = Told.of(spark, tmp_path / "other", story, late=late)
    shop.tell_warehouses(e for e in warehouse_events(story) if day_of(e[1]) not in late)
    runner = shop.runner(shop.now)
    hole = rng.choice(story.days[1:-1])
    for table, window in interleaved(rng, [d for d in story.days if d != hole], story.until_ms, TABLES):
        runner.load(table, window)
        if rng.random() < 0.2:
            assert wrote([runner.load(table, window)]) == {}
    shop.deliver()
    shop.tell_warehouses(warehouse_events(story))
    shop.chain_all([hole, *late])
    mend(shop, shop.now)
    assert differences(shop, at_once, NAMES) == ""
    assert disagreements(shop) == []
