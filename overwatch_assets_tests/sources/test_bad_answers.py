"""Bad answers of a workspace's API, of every endpoint: one clear sentence, and no row that is not there."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession, types as T

from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.types import spark_type
from overwatch_assets.errors import SourceError
from overwatch_assets.sample.server import Fault, Known, SampleApi
from overwatch_assets.sources.rest import ApiSettings
from overwatch_assets.sources.workspace_api import (
    INIT_SCRIPTS,
    INSTANCE_PROFILES,
    LIBRARIES,
    POLICIES,
    Times,
    WorkspaceApi,
)
from overwatch_assets_tests.sources.loading import DAY2, NOON, START, TOKEN, ApiWorld, at

HURRIED = ApiSettings(requests_per_second=1000, request_seconds=5, api_waiting_seconds=0.1)
RAN = {"start_time": NOON, "state": {"life_cycle_state": "TERMINATED"}}


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that lists objects: what asks it, where its answer has them, and one of them.

    Attributes:
        read: asks for all of them.
        table: that the objects go to.
        named: its column with what names an object; the first property of `good` unless given.
        rejected: reasons for what is no object or has no key, in the order of `NOTHING`.
    """

    path: str
    field: str
    read: Callable[[WorkspaceApi], Any]
    table: str
    good: Mapping[str, Any]
    rejected: tuple[str, ...] = ()
    named: str = ""

    @property
    def key(self) -> str:
        """The property that names an object."""
        return next(iter(self.good))


ENDPOINTS = [
    Endpoint(
        "/api/2.0/instance-pools/list",
        "instance_pools",
        WorkspaceApi.list_pools,
        "pools_snapshot_bronze",
        {"instance_pool_id": "p"},
    ),
    Endpoint("/api/2.1/jobs/list", "jobs", WorkspaceApi.list_jobs, "jobs_snapshot_bronze", {"job_id": 7}),
    Endpoint(
        "/api/2.0/sql/warehouses",
        "warehouses",
        WorkspaceApi.list_warehouses,
        "warehouses_snapshot_bronze",
        {"id": "w"},
        named="warehouse_id",
    ),
    Endpoint(
        LIBRARIES.path,
        LIBRARIES.field,
        lambda api: api.list_all(LIBRARIES),
        "libs_snapshot_bronze",
        {"cluster_id": "c"},
    ),
    Endpoint(
        POLICIES.path,
        POLICIES.field,
        lambda api: api.list_all(POLICIES),
        "policies_snapshot_bronze",
        {"policy_id": "p"},
    ),
    Endpoint(
        INSTANCE_PROFILES.path,
        INSTANCE_PROFILES.field,
        lambda api: api.list_all(INSTANCE_PROFILES),
        "instance_profiles_snapshot_bronze",
        {"instance_profile_arn": "arn:1"},
    ),
    Endpoint(
        INIT_SCRIPTS.path,
        INIT_SCRIPTS.field,
        lambda api: api.list_all(INIT_SCRIPTS),
        "global_inits_snapshot_bronze",
        {"script_id": "s"},
    ),
    Endpoint(
        "/api/2.0/token-management/tokens",
        "token_infos",
        lambda api: api.list_tokens()[0],
        "tokens_snapshot_bronze",
        {"token_id": "t"},
    ),
    Endpoint(
        "/api/2.1/jobs/runs/list",
        "runs",
        lambda api: api.list_runs(START, NOON),
        "job_runs_snapshot_bronze",
        {"run_id": 7, **RAN},
        ("not a JSON object", "not a JSON object", "not a JSON object", "no run_id", "no run_id"),
    ),
    Endpoint(
        "/api/2.0/sql/history/queries",
        "res",
        lambda api: api.sql_queries([Times(NOON, NOON + 1)]),
        "sql_query_history_bronze",
        {"query_id": "q", "query_start_time_ms": NOON},
        ("not a JSON object", "not a JSON object", "not a JSON object", "no query_id", "no query_id"),
    ),
    Endpoint(
        "/api/2.1/clusters/list",
        "clusters",
        WorkspaceApi.list_clusters,
        "clusters_snapshot_bronze",
        {"cluster_id": "c"},
    ),
]
EVERY = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.path.removeprefix("/api/"))


def answers(endpoint: Endpoint) -> Iterator[tuple[int, Any, str]]:
    """Status and body of what an endpoint should not say, and what is then said."""
    no_object = "an answer that is no JSON object"
    for body in ("", "<html>log in</html>", "17", "[17]", "null", "[]", "0", '""', '{"cut":'):
        yield 200, body, no_object
    for body in ({"items": []}, {endpoint.field: None}, {endpoint.field: {"a": 1}}, {endpoint.field: "none"}):
        yield 200, body, f"'{endpoint.field}'"
    yield 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}, "HTTP 400 INVALID_PARAMETER_VALUE: no"
    yield 401, {"error_code": 401, "message": "expired token"}, "renew the token that env:PAT refers to"
    if endpoint.field != "token_infos":  # who may not ask for all tokens is asked for their own
        yield 403, {"error_code": "PERMISSION_DENIED", "message": "no"}, "give the owner of the token"
    yield 404, "<html>nginx</html>", "check api_url"
    found = [dict(endpoint.good)]
    more = {"has_more": True, "has_next_page": True}
    yield 200, {endpoint.field: found, **more}, "without the token of its next page"
    for token in ({"a": 1}, ["x"], 17):
        yield 200, {endpoint.field: found, **more, "next_page_token": token}, "a page token that is no text"


def asked(server: SampleApi, endpoint: Endpoint) -> list[Any]:
    with WorkspaceApi.with_token(server.url, TOKEN, workspace="prod", secret="env:PAT", settings=HURRIED) as api:
        return list(endpoint.read(api))


def sentence(server: SampleApi, endpoint: Endpoint) -> str:
    with pytest.raises(SourceError) as raised:
        asked(server, endpoint)
    said = str(raised.value)
    assert said.startswith(f"Workspace prod ({server.url}) ")
    assert endpoint.path in said
    assert said.endswith(".")
    assert "\n" not in said
    assert TOKEN not in said
    return said


@EVERY
def test_each_bad_answer_is_one_sentence_at_once(endpoint: Endpoint) -> None:
    bad = list(answers(endpoint))
    faults = [Fault(endpoint.path, status=status, body=body) for status, body, _ in bad]
    with SampleApi({TOKEN: Known()}, faults) as server:
        for number, (*_, expected) in enumerate(bad, 1):
            assert expected in sentence(server, endpoint)
            assert server.count(endpoint.path) == number, "asked once"
        assert asked(server, endpoint) == []


@EVERY
@pytest.mark.parametrize("status", [429, 503])
def test_a_storm_ends_in_one_sentence(endpoint: Endpoint, status: int) -> None:
    with SampleApi({TOKEN: Known()}, [Fault(endpoint.path, status=status, times=None)]) as server:
        assert f"within 0.1 s (HTTP {status} " in sentence(server, endpoint)


@EVERY
def test_a_page_that_comes_again_is_no_page_more(endpoint: Endpoint) -> None:
    page = {endpoint.field: [dict(endpoint.good)], "has_more": True, "has_next_page": True, "next_page_token": "x"}
    with SampleApi({TOKEN: Known()}, [Fault(endpoint.path, status=200, body=page, times=None)]) as server:
        assert "the same page again" in sentence(server, endpoint)
        assert server.count(endpoint.path) == 2


@pytest.mark.parametrize("field", ["clusters", "jobs", "runs", "warehouses", "res"])
def test_a_page_token_that_has_expired_is_one_sentence(field: str) -> None:
    endpoint = next(e for e in ENDPOINTS if e.field == field)
    page = {field: [dict(endpoint.good)], "has_more": True, "has_next_page": True, "next_page_token": "x"}
    with SampleApi({TOKEN: Known()}, [Fault(endpoint.path, status=200, body=page)]) as server:
        assert "HTTP 400 INVALID_PARAMETER_VALUE" in sentence(server, endpoint)


def test_queries_whose_pages_take_too_long_to_read_are_asked_for_in_parts() -> None:
    """A token that has expired leaves a part of the time unread; shorter times have fewer pages."""
    path = "/api/2.0/sql/history/queries"
    queries = [{"query_id": f"q{n}", "query_start_time_ms": START + n} for n in range(1200)]
    expired = Fault(path, {"max_results": "500"}, skip=1, status=400)  # of the second page
    with (
        SampleApi({TOKEN: Known(queries=queries)}, [expired]) as server,
        WorkspaceApi.with_token(server.url, TOKEN, workspace="prod", secret="env:PAT", settings=HURRIED) as api,
    ):
        found = sorted(query["query_id"] for query in api.sql_queries([Times(START, START + 1200)]))
    assert found == sorted(query["query_id"] for query in queries)


def test_who_may_list_no_tokens_at_all_is_told_so() -> None:
    endpoint = next(e for e in ENDPOINTS if e.field == "token_infos")
    faults = [Fault("*/token*", status=403, times=None)]
    with SampleApi({TOKEN: Known()}, faults) as server, pytest.raises(SourceError, match=r"/api/2\.0/token/list"):
        asked(server, endpoint)


NOTHING: tuple[Any, ...] = (None, 5, "text", {}, {"other": "x"})
WRONG: dict[type[T.DataType], Any] = {
    T.LongType: "many",
    T.DoubleType: "many",
    T.BooleanType: "maybe",
    T.StructType: [["x"]],
    T.MapType: [["x"]],
    T.ArrayType: {"x": 1},
}
COMPUTED = {"snapshot_ms", "is_open", "is_gone", "queryHash"}


def wrongly_typed(endpoint: Endpoint) -> dict[str, Any]:
    """A good object with a value of another type in every known property but texts, which take any value."""
    kinds = {column.name: type(spark_type(column.type)) for column in tables()[endpoint.table].columns}
    known = {name: WRONG[kind] for name, kind in kinds.items() if kind in WRONG and name not in COMPUTED}
    key = endpoint.good[endpoint.key]
    return known | dict(endpoint.good) | {endpoint.key: 8 if isinstance(key, int) else f"{key}2"}


@pytest.mark.engine
@EVERY
def test_objects_that_are_none_are_in_quarantine_and_the_others_are_rows(
    endpoint: Endpoint, spark: SparkSession, tmp_path: Path
) -> None:
    with ApiWorld.serving(spark, tmp_path) as world:
        world.fields = {"job_runs_snapshot": "true"}
        world.load("audit_log_bronze", DAY2)  # which names no cluster
        good, wrong = dict(endpoint.good), wrongly_typed(endpoint)
        page = {endpoint.field: [*NOTHING, good, wrong], "has_more": False}
        world.api.add_fault(Fault(endpoint.path, status=200, body=page))
        for body in (good, wrong):
            world.api.add_fault(Fault("*/clusters/get", {"cluster_id": str(body[endpoint.key])}, status=200, body=body))
        result = world.load(endpoint.table, DAY2, now=at(DAY2, 13), sources=world.sources())
        assert (result.counts["inserted"], result.counts["quarantined"]) == (2, len(NOTHING))
        reasons = [row["reason"] for row in world.rows("quarantine_bronze")]
        assert sorted(reasons) == sorted(endpoint.rejected or (f"no {endpoint.key}",) * len(NOTHING))
        rows = {row[endpoint.named or endpoint.key]: row for row in world.rows(endpoint.table)}
        assert rows.keys() == {good[endpoint.key], wrong[endpoint.key]}
        # What is of another type is null in its column, and is in `value` as it came.
        told = rows[wrong[endpoint.key]]
        assert {name for name in wrong if name not in endpoint.good and told[name] is not None} == set()
        assert json.loads(told["value"]) == wrong
