import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import SourceError
from overwatch_assets.rules.days import DAY_MS
from overwatch_assets.sample.server import Fault, Known, SampleApi
from overwatch_assets.sources.rest import ApiSettings
from overwatch_assets.sources.workspace_api import Times, WorkspaceApi
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, FAST, NOON, ORG, START, TOKEN, ApiWorld, at

pytestmark = pytest.mark.engine

QUERIES, PATH = "sql_query_history_bronze", "*/sql/history/queries"
HOUR_MS = 3_600_000
FROM, UNTIL = (f"filter_by.query_start_time_range.{name}_time_ms" for name in ("start", "end"))


def query(number: int, start: int = NOON, **more: Any) -> dict[str, Any]:
    known = {"query_id": f"q{number}", "warehouse_id": "w1", "query_start_time_ms": start, "status": "FINISHED"}
    return {**known, "is_final": True, "metrics": {"total_time_ms": number}, **more}


def asked(
    queries: list[dict[str, Any]], times: list[Times], faults: tuple[Fault, ...] = (), settings: ApiSettings = FAST
) -> tuple[list[Mapping[str, Any]], SampleApi]:
    with (
        SampleApi({TOKEN: Known(queries=queries)}, faults) as server,
        WorkspaceApi.with_token(server.url, TOKEN, workspace="prod", secret="env:PAT", settings=settings) as api,
    ):
        return list(api.sql_queries(times)), server


def test_pages_follow_their_tokens_and_both_bounds_hold() -> None:
    inside = [query(n, START + n) for n in range(1200)]
    outside = [query(5000, START - 1), query(5001, START + 1200)]
    found, server = asked([*inside, *outside], [Times(START, START + 1200)])
    assert {q["query_id"] for q in found} == {q["query_id"] for q in inside}
    assert len(found) == 1200
    assert all("metrics" in q for q in found)
    first, *following = [r.query for r in server.received]
    assert (first[FROM], first[UNTIL], first["include_metrics"]) == (str(START - 1), str(START + 1200), "true")
    assert len(following) == 2
    assert not any(name.startswith("filter_by") for r in following for name in r)


def test_a_time_that_takes_too_long_is_halved_until_each_part_fits() -> None:
    queries = [query(n, START + n * 60_000) for n in range(60)]
    slow = [
        Fault(PATH, {FROM: str(START - 1), UNTIL: str(START + HOUR_MS // part)}, times=None, status=504)
        for part in (1, 2)
    ]
    found, server = asked(queries, [Times(START, START + HOUR_MS)], tuple(slow))
    assert sorted(q["query_id"] for q in found) == sorted(q["query_id"] for q in queries)
    spans = [(int(r.query[FROM]) + 1 - START, int(r.query[UNTIL]) - START) for r in server.received]
    quarter = HOUR_MS // 4
    assert spans == [
        (0, 4 * quarter),
        (0, 2 * quarter),
        (0, quarter),
        (quarter, 2 * quarter),
        (2 * quarter, 4 * quarter),
    ]


def test_more_queries_than_one_list_should_hold_are_halved_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overwatch_assets.sources.workspace_api._QUERIES_PAGE_SIZE", 5)
    monkeypatch.setattr("overwatch_assets.sources.workspace_api._QUERIES_PAGES", 2)
    queries = [query(n, START + n // 30) for n in range(90)]  # of each millisecond more than fit
    found, _ = asked(queries, [Times(START, START + 100)])
    assert sorted(q["query_id"] for q in found) == sorted(q["query_id"] for q in queries)


def test_a_time_that_can_not_be_halved_is_tried_again_and_then_fails_the_load() -> None:
    hurried = ApiSettings(requests_per_second=1000, request_seconds=5, api_waiting_seconds=0.5)
    found, _ = asked([query(1)], [Times(NOON, NOON + 1)], (Fault(PATH, times=1, status=504),), FAST)
    assert [q["query_id"] for q in found] == ["q1"]
    with pytest.raises(SourceError, match="HTTP 504"):
        asked([query(1)], [Times(NOON, NOON + 2)], (Fault(PATH, times=None, status=504),), hurried)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ({"res": [], "has_next_page": True, "next_page_token": "x"}, "the same page again"),
        ({"res": [], "has_next_page": True}, "without the token of its next page"),
        ({"queries": []}, "without 'res'"),
    ],
)
def test_pages_that_lead_nowhere_fail_the_load(page: dict[str, Any], said: str) -> None:
    with pytest.raises(SourceError, match=said):
        asked([], [Times(NOON, NOON + 1)], (Fault(PATH, times=None, status=200, body=page),))


@pytest.fixture
def world(spark: SparkSession, tmp_path: Path) -> Iterator[ApiWorld]:
    with ApiWorld.serving(spark, tmp_path) as world:
        yield world


def load(world: ApiWorld, day: dt.date = DAY2, now: dt.datetime | None = None) -> Any:
    return world.load(QUERIES, day, now=now or at(day, 13), sources=world.sources())


def test_queries_that_started_in_the_window_are_rows_and_a_second_load_adds_none(world: ApiWorld) -> None:
    world.known = Known(queries=[query(1), query(2, START - 1), query(3, NOON + HOUR_MS)])
    result = load(world)
    assert (result.status, result.counts["inserted"]) == ("SUCCESS", 1)
    (row,) = world.rows(QUERIES)
    assert (row["query_id"], row["date"], row["metrics"]["total_time_ms"]) == ("q1", DAY2, 1)
    version = world.store.version(tables()[QUERIES])
    assert load(world).counts.get("inserted", 0) == 0
    assert world.store.version(tables()[QUERIES]) == version


def test_a_query_that_had_not_ended_is_asked_for_again_however_long_ago_it_began(world: ApiWorld) -> None:
    began = START - DAY_MS + 5
    world.known = Known(queries=[query(1, began, status="RUNNING", is_final=False), query(2, began)])
    load(world, DAY1)
    world.known = Known(queries=[query(1, began), query(2, began, duration=1)])
    result = load(world, DAY3)
    assert result.counts["unfinished queries asked for again"] == 1
    told = [(r["query_id"], r["status"], r["date"]) for r in world.rows(QUERIES)]
    assert sorted(told)[:2] == [("q1", "FINISHED", DAY1), ("q1", "RUNNING", DAY1)]
    assert load(world, DAY3).counts.get("unfinished queries asked for again", 0) == 0


def test_what_is_no_query_is_in_quarantine(world: ApiWorld) -> None:
    late = (at(DAY2, 13).timestamp() + 2 * 86_400) * 1000
    bad = [{"query_id": "q1"}, {"query_start_time_ms": NOON}, query(3, 0), query(4, round(late)), "text"]
    world.api.add_fault(Fault(PATH, times=1, status=200, body={"res": [*bad, query(5)], "has_next_page": False}))
    result = load(world)
    assert (result.counts["inserted"], result.counts["quarantined"]) == (1, 5)
    rows = world.store.read(tables()["quarantine_bronze"]).select("reason").collect()
    assert sorted(r["reason"] for r in rows) == [
        "no query_id",
        "no query_start_time_ms",
        "not a JSON object",
        "query_start_time_ms in the future",
        "query_start_time_ms not after 1970",
    ]


def test_an_excluded_scope_is_empty_and_asks_nothing(world: ApiWorld) -> None:
    world.fields = {"excluded_scopes": "dbsql"}
    assert load(world).status == "EMPTY: the scope dbsql is excluded"
    assert world.api.count("*") == 0


STATEMENT = {
    "workspace_id": ORG,
    "statement_id": "s1",
    "execution_status": "FINISHED",
    "compute": {"type": "WAREHOUSE", "warehouse_id": "w1"},
    "executed_by": "ana@corp.com",
    "executed_by_user_id": "4242",
    "executed_as": "etl@corp.com",
    "executed_as_user_id": "77",
    "statement_text": "select 1",
    "statement_type": "SELECT",
    "error_message": None,
    "client_application": "Databricks SQL",
    "session_id": "x",
    "total_duration_ms": 1400,
    "compilation_duration_ms": 100,
    "execution_duration_ms": 1300,
    "total_task_duration_ms": 9000,
    "result_fetch_duration_ms": 50,
    "read_partitions": 1,
    "pruned_files": 2,
    "pruned_files_bytes": 3,
    "read_files": 4,
    "read_rows": 5,
    "produced_rows": 6,
    "read_bytes": 7,
    "written_bytes": 8,
    "spilled_local_bytes": 9,
    "from_result_cache": False,
}
_KINDS = {int: "bigint", str: "string", bool: "boolean", type(None): "string"}
_DDL = ", ".join(
    f"{name} {_KINDS[type(value)]}" if name != "compute" else "compute struct<type:string,warehouse_id:string>"
    for name, value in STATEMENT.items()
)


def statement(start: dt.datetime, end: dt.datetime, **more: Any) -> tuple[Any, ...]:
    values = {**STATEMENT, **more}
    return (*(values[name] for name in STATEMENT), start, end, end)


def test_queries_of_the_system_table_have_the_form_of_the_api(world: ApiWorld, tmp_path: Path) -> None:
    noon = dt.datetime(2024, 5, 2, 12, tzinfo=dt.UTC)
    rows = [
        statement(noon, noon + dt.timedelta(milliseconds=1400)),
        statement(noon - dt.timedelta(days=1), noon, statement_id="long"),  # it changed in the window
        statement(noon, noon, statement_id="other", workspace_id="999"),
        statement(noon + dt.timedelta(days=1), noon + dt.timedelta(days=1), statement_id="later"),
        statement(noon, noon, statement_id=None),
    ]
    ddl = f"{_DDL}, start_time timestamp, end_time timestamp, update_time timestamp"
    table = str(tmp_path / "history")
    world.spark.createDataFrame(rows, ddl).write.format("delta").save(table)
    world.fields = {"sql_query_history_path": table}
    result = load(world, now=at(DAY3, 0))
    assert (result.counts["inserted"], result.counts["quarantined"]) == (2, 1)
    long, row = sorted(world.rows(QUERIES), key=lambda r: r["query_id"])
    assert (long["query_id"], long["date"]) == ("long", DAY1)
    assert (row["query_id"], row["warehouse_id"], row["status"], row["is_final"]) == ("s1", "w1", "FINISHED", True)
    assert (row["query_start_time_ms"], row["execution_end_time_ms"], row["query_end_time_ms"]) == (
        NOON,
        NOON + 1400,
        NOON + 1450,
    )
    assert (row["user_id"], row["user_name"], row["executed_as_user_id"], row["duration"]) == (
        4242,
        "ana@corp.com",
        77,
        1400,
    )
    metrics = {"total_time_ms": 1400, "task_total_time_ms": 9000, "pruned_files_count": 2, "rows_produced_count": 6}
    assert metrics.items() <= row["metrics"].items()
    assert (row["metrics"]["result_from_cache"], row["metrics"]["photon_total_time_ms"]) == (False, None)
    assert world.api.count("*") == 0
    assert load(world, now=at(DAY3, 0)).counts.get("inserted", 0) == 0
