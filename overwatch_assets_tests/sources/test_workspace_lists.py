import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import SourceError
from overwatch_assets.sample.server import Fault, Known
from overwatch_assets.sources.workspace import workspace_api
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, ApiWorld, World, at

pytestmark = pytest.mark.engine

POOLS, JOBS = "pools_snapshot_bronze", "jobs_snapshot_bronze"
LIBRARIES, POLICIES = "libs_snapshot_bronze", "policies_snapshot_bronze"
PROFILES, SCRIPTS = "instance_profiles_snapshot_bronze", "global_inits_snapshot_bronze"
TOKENS, WAREHOUSES = "tokens_snapshot_bronze", "warehouses_snapshot_bronze"
SCOPES = {
    POOLS: "pools",
    JOBS: "jobs",
    LIBRARIES: "clusters",
    POLICIES: "clusters",
    PROFILES: "clusters",
    SCRIPTS: "accounts",
    TOKENS: "accounts",
    WAREHOUSES: "dbsql",
}


@pytest.fixture
def world(spark: SparkSession, tmp_path: Path) -> Iterator[ApiWorld]:
    with ApiWorld.serving(spark, tmp_path) as world:
        yield world


def job(number: int, **settings: Any) -> dict[str, Any]:
    return {"job_id": number, "created_time": number, "settings": {"name": f"j{number}", **settings}}


def load(world: ApiWorld, table: str, *days: Any, hour: int = 12) -> Any:
    days = days or (DAY2,)
    return world.load(table, *days, now=at(days[-1], hour), sources=world.sources())


def test_all_jobs_of_all_pages_are_rows_of_the_day(world: ApiWorld) -> None:
    world.known = Known(jobs=[job(n) for n in range(1, 61)])
    result = load(world, JOBS)
    assert (result.status, result.counts["inserted"]) == ("SUCCESS", 60)
    rows = world.rows(JOBS)
    assert {(r["job_id"], r["settings"]["name"], r["snapshot_date"]) for r in rows} == {
        (n, f"j{n}", DAY2) for n in range(1, 61)
    }


def test_the_last_snapshot_of_a_day_wins_and_the_days_before_stay(world: ApiWorld) -> None:
    pool = {"instance_pool_id": "p1", "max_capacity": 5}
    world.known = Known(pools=[pool, {"instance_pool_id": "p2"}])
    load(world, POOLS, hour=6)
    assert load(world, POOLS, hour=7).counts.get("updated", 0) == 0
    world.known = Known(pools=[{**pool, "max_capacity": 9}])
    assert load(world, POOLS, hour=8).counts["updated"] == 1
    load(world, POOLS, DAY3)
    rows = {(r["instance_pool_id"], r["snapshot_date"]): r["max_capacity"] for r in world.rows(POOLS)}
    assert rows == {("p1", DAY2): 9, ("p2", DAY2): None, ("p1", DAY3): 9}


def test_warehouses_of_all_pages_are_rows(world: ApiWorld) -> None:
    world.known = Known(warehouses=[{"id": f"w{n}", "name": f"n{n}"} for n in range(1, 131)])
    assert load(world, WAREHOUSES).counts["inserted"] == 130
    assert world.api.count("*/sql/warehouses") == 2
    assert {(r["warehouse_id"], r["name"]) for r in world.rows(WAREHOUSES)} == {
        (f"w{n}", f"n{n}") for n in range(1, 131)
    }


def test_who_may_not_list_warehouses_is_told_so(world: ApiWorld) -> None:
    world.api.add_fault(Fault("*/sql/warehouses", status=403, times=None))
    with pytest.raises(SourceError, match=r"sql/warehouses .*this right on the SQL warehouses"):
        load(world, WAREHOUSES)


def test_a_job_that_comes_on_two_pages_is_one_row_as_the_later_says(world: ApiWorld) -> None:
    page = {"jobs": [job(1), job(2)], "has_more": True, "next_page_token": "x"}
    world.api.add_fault(Fault("*/jobs/list", status=200, body=page))
    world.api.add_fault(Fault("*/jobs/list", status=200, body={"jobs": [job(2, format="new")], "has_more": False}))
    load(world, JOBS)
    assert {r["job_id"]: r["settings"]["format"] for r in world.rows(JOBS)} == {1: None, 2: "new"}


def test_what_has_no_id_is_in_quarantine_without_its_secrets(world: ApiWorld) -> None:
    bad = [{"settings": {"api_token": "hunter2"}}, {"job_id": "seven"}, {"job_id": None}, 5]
    world.api.add_fault(Fault("*/jobs/list", status=200, body={"jobs": [*bad, job(1)], "has_more": False}))
    result = load(world, JOBS)
    assert (result.counts["inserted"], result.counts["quarantined"]) == (1, 4)
    found = world.rows("quarantine_bronze")
    assert {(r["source"], r["location"], r["reason"]) for r in found} == {
        (JOBS, f"list of {JOBS}", "no job_id"),
    }
    assert sorted(r["content"] for r in found) == ["5", '{"job_id":"seven"}', '{"job_id":null}', '{"settings":{}}']


@pytest.mark.parametrize("table", SCOPES)
def test_none_a_past_day_an_excluded_scope_and_no_api_are_empty(
    world: ApiWorld, spark: SparkSession, tmp_path: Path, table: str
) -> None:
    assert load(world, table).status == "EMPTY: the workspace has none"
    past = world.load(table, DAY1, now=at(DAY3), sources=world.sources())
    assert past.status == "EMPTY: snapshots are as of now, which is not in 2024-05-01"
    scopes = SCOPES[table] if SCOPES[table] != "clusters" else "clusters:clusterEvents:jobs:sparkEvents"
    without = World(spark, tmp_path / "b", {"excluded_scopes": scopes})
    assert without.load(table, DAY2, now=at(DAY2)).status == f"EMPTY: the scope {SCOPES[table]} is excluded"
    assert world.api.count("*") == 1


def test_a_refusal_fails_the_load_and_keeps_what_is_there(world: ApiWorld) -> None:
    world.known = Known(pools=[{"instance_pool_id": "p1"}])
    load(world, POOLS)
    world.api.add_fault(Fault("*/instance-pools/list", status=403, times=None))
    with pytest.raises(SourceError, match="instance-pools/list"):
        load(world, POOLS, hour=13)
    assert [json.loads(r["value"]) for r in world.rows(POOLS)] == [{"instance_pool_id": "p1"}]


def test_each_small_list_is_a_row_for_each_of_its_objects(world: ApiWorld) -> None:
    world.known = Known(
        libraries=[{"cluster_id": "c1", "library_statuses": [{"library": {"jar": "s3://a.jar"}}]}],
        policies=[{"policy_id": "p1", "name": "small"}, {"policy_id": "p2"}],
        instance_profiles=[{"instance_profile_arn": "arn:1"}, {"instance_profile_arn": "arn:2"}],
        init_scripts=[{"script_id": "s1", "position": 0}],
        tokens=[{"token_id": "t1", "comment": "mine"}, {"token_id": "t2"}],
    )
    for table, ids in {
        LIBRARIES: ["c1"],
        POLICIES: ["p1", "p2"],
        PROFILES: ["arn:1", "arn:2"],
        SCRIPTS: ["s1"],
        TOKENS: ["t1", "t2"],
    }.items():
        assert load(world, table).status == "SUCCESS"
        assert load(world, table, hour=13).counts.get("updated", 0) == 0
        rows = world.rows(table)
        assert sorted(r[tables()[table].keys[0]] for r in rows) == ids
        assert {r["snapshot_date"] for r in rows} == {DAY2}


def test_a_workspace_without_policies_is_empty_and_a_list_cut_short_fails(world: ApiWorld) -> None:
    assert load(world, POLICIES).status == "EMPTY: the workspace has none"
    for body, message in (
        ({"total_count": 3}, "without 'policies'"),
        ({"policies": [{"policy_id": "p"}], "total_count": 3}, "with 1 of 3: load it again"),
    ):
        world.api.add_fault(Fault("*/policies/clusters/list", status=200, body=body))
        with pytest.raises(SourceError, match=message):
            load(world, POLICIES)
    assert world.rows(POLICIES) == []


def test_only_aws_is_asked_for_instance_profiles(spark: SparkSession, tmp_path: Path) -> None:
    azure = World(spark, tmp_path, {"cloud": "Azure"})
    assert azure.load(PROFILES, DAY2, now=at(DAY2)).status == "EMPTY: only workspaces on AWS have any"


def test_all_tokens_are_asked_for_and_who_may_not_is_told_their_own(world: ApiWorld) -> None:
    tokens = [
        {"token_id": n, "expiry_time": -1, "created_by_username": f"{n}@x", "owner_id": 7, "token_value": "dapi12"}
        for n in ("a", "b")
    ]
    world.known = Known(tokens=tokens, caller="b@x")
    assert "only the API user's own tokens" not in load(world, TOKENS).counts
    rows = {r["token_id"]: r for r in world.rows(TOKENS)}
    assert {n: (r["created_by_username"], r["owner_id"], r["expiry_time"]) for n, r in rows.items()} == {
        "a": ("a@x", 7, -1),
        "b": ("b@x", 7, -1),
    }
    assert {r["droppedProperties"] for r in rows.values()} == {1}
    assert not [r for r in rows.values() if "dapi12" in r["value"]]
    world.known = Known(tokens=tokens, caller="b@x", is_admin=False)
    assert load(world, TOKENS, DAY3).counts["only the API user's own tokens"] == 1
    (own,) = (r for r in world.rows(TOKENS) if r["snapshot_date"] == DAY3)
    assert (own["token_id"], own["owner_id"]) == ("b", None)


def test_a_bad_token_is_no_reason_to_ask_for_less(world: ApiWorld) -> None:
    refused = {"error_code": 403, "message": "Invalid access token."}
    world.api.add_fault(Fault("*/token-management/tokens", status=403, body=refused))
    with pytest.raises(SourceError, match="renew the token"):
        load(world, TOKENS)
    assert world.api.count("*/token/list") == 0


def test_a_script_without_an_id_is_in_quarantine_without_its_content(world: ApiWorld) -> None:
    scripts = [{"script_id": "s1", "script": "ZXhwb3J0IFBXPWh1bnRlcjI="}, {"name": "x", "script": "aHVudGVyMg=="}]
    world.known = Known(init_scripts=scripts)
    assert load(world, SCRIPTS).counts["quarantined"] == 1
    (row,) = world.rows(SCRIPTS)
    assert (row["value"], row["droppedProperties"]) == ('{"script_id":"s1"}', 1)
    assert [r["content"] for r in world.rows("quarantine_bronze")] == ['{"name":"x"}']


def test_a_workspace_is_called_as_its_fields_say(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("dapi-1")
    fields = {
        "api_url": "http://127.0.0.1:1",
        "token": f"file:{tmp_path / 'token'}",
        "thread_pool_size": 7,
        "api_requests_per_second": 2.5,
        "api_waiting_time": 90_000,
    }
    settings = workspace_api(World(spark, tmp_path, fields).workspace)._rest.settings
    assert (settings.thread_pool_size, settings.requests_per_second, settings.api_waiting_seconds) == (7, 2.5, 90.0)
