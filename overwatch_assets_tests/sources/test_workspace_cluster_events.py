import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import IneligibleError, SourceError
from overwatch_assets.rules.days import DAY_MS
from overwatch_assets.sample.server import Fault, Known
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, NOON, START, ApiWorld, World, at, event

pytestmark = pytest.mark.engine

EVENTS, ERRORS = "cluster_events_bronze", "cluster_events_errors_bronze"
AUDIT, SNAPSHOT = "audit_log_bronze", "clusters_snapshot_bronze"
GONE = {"error_code": "INVALID_PARAMETER_VALUE", "message": "Cluster c1 does not exist"}


class Workspace(ApiWorld):
    def tell(self, *happened: Mapping[str, Any], clusters: Any = None) -> None:
        """Let the workspace know these events, and the clusters that they are of."""
        told: dict[str, list[Mapping[str, Any]]] = {}
        for e in happened:
            told.setdefault(e["cluster_id"], []).append(e)
        self.known = Known(clusters=clusters or {}, events=told)

    def name(self, *ids: str, day: dt.date = DAY2, **fields: Any) -> None:
        """Let audit logs name clusters at noon."""
        stamp = {"timestamp": NOON + (day - DAY2).days * DAY_MS}
        lines = [event("clusters", "edit", {"cluster_id": i}, requestId=i, **stamp, **fields) for i in ids]
        self.deliver(day, "a.json", lines)

    def ready(self, day: dt.date, now: dt.datetime) -> None:
        self.load(AUDIT, day, now=now)
        self.load(SNAPSHOT, day, now=now, sources=self.sources())

    def events(self, day: dt.date = DAY2, hour: int = 13, *, now: dt.datetime | None = None) -> Any:
        now = now or at(day, hour)
        self.ready(day, now)
        return self.load(EVENTS, day, now=now, sources=self.sources())

    def asked(self) -> list[tuple[str, int, int]]:
        return [
            (r.body["cluster_id"], r.body["start_time"], r.body["end_time"])
            for r in self.api.received
            if r.path.endswith("clusters/events")
        ]


@pytest.fixture
def world(spark: SparkSession, tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.serving(spark, tmp_path) as world:
        yield world


def happened(at_ms: int, kind: str = "RUNNING", cluster_id: str = "c1", **details: Any) -> dict[str, Any]:
    return {"cluster_id": cluster_id, "timestamp": at_ms, "type": kind, "details": details}


def keys(world: Workspace) -> list[tuple[str, str, int]]:
    return sorted((r["cluster_id"], r["type"], r["timestamp"]) for r in world.rows(EVENTS))


def body(cluster_id: str, state: str, **fields: Any) -> dict[str, Any]:
    return {"cluster_id": cluster_id, "cluster_name": cluster_id, "state": state, **fields}


def test_events_lie_on_their_own_day_also_outside_the_window(world: Workspace) -> None:
    world.name("c1")
    world.tell(happened(START - 1, "CREATING"), happened(NOON), happened(START - DAY_MS - 1, "STARTING"))
    result = world.events()
    assert (result.status, result.counts["inserted"], result.counts["clusters asked"]) == ("SUCCESS", 2, 1)
    assert {(r["type"], r["date"]) for r in world.rows(EVENTS)} == {("CREATING", DAY1), ("RUNNING", DAY2)}
    assert world.asked() == [("c1", START - DAY_MS, NOON + 3_600_000)]


def test_a_second_load_of_the_overlapping_day_adds_only_what_is_new(world: Workspace) -> None:
    world.name("c1")
    world.tell(happened(NOON), happened(NOON + 1, "RESIZING"))
    world.events()
    version = world.store.version(tables()[EVENTS])
    assert world.events().counts.get("inserted", 0) == 0
    assert world.store.version(tables()[EVENTS]) == version
    late = happened(NOON - 5, "INIT_SCRIPTS_STARTED")
    world.tell(happened(NOON), happened(NOON + 1, "RESIZING"), late)
    world.name("c1", day=DAY3)
    assert world.events(DAY3).counts["inserted"] == 1
    assert len(keys(world)) == 3


def test_events_in_any_order_and_twice_are_rows_once_and_unknown_types_are_rows(world: Workspace) -> None:
    world.name("c1")
    one, other = happened(NOON, "NODES_LOST", instance_id="i-1"), happened(NOON, "NODES_LOST", instance_id="i-2")
    page = {"events": [happened(NOON + 9, "BRAND_NEW"), other, one, one, happened(NOON - 9, "CREATING"), other]}
    world.api.add_fault(Fault("*/clusters/events", status=200, body=page))
    result = world.events()
    assert (result.counts["inserted"], result.counts["duplicates"]) == (4, 2)
    assert [k[1] for k in keys(world)] == ["BRAND_NEW", "CREATING", "NODES_LOST", "NODES_LOST"]
    assert {r["details"]["instance_id"] for r in world.rows(EVENTS)} == {"i-1", "i-2", None}


def test_what_is_no_event_is_in_quarantine_with_its_cluster_page_and_reason(world: Workspace) -> None:
    world.name("c1")
    secret = {"attributes": {"spark_conf": {"a.token": "hunter2"}}}
    bad: list[tuple[Any, str]] = [
        ({"type": "RUNNING"}, "no timestamp"),
        ({"type": "RUNNING", "timestamp": "noon"}, "no timestamp"),
        ({"type": "RUNNING", "timestamp": -1}, "timestamp not after 1970"),
        ({"type": "RUNNING", "timestamp": NOON * 1000}, "timestamp in the future"),
        ({"timestamp": NOON, "details": secret}, "no type"),
        ({"timestamp": NOON, "type": " "}, "no type"),
        ({"timestamp": NOON, "type": 7}, "no type"),
        ("text", "not a JSON object"),
    ]
    first = {"events": [happened(NOON)], "next_page": {"cluster_id": "c1", "offset": 1}}
    world.api.add_fault(Fault("*/clusters/events", status=200, body=first))
    world.api.add_fault(Fault("*/clusters/events", status=200, body={"events": [e for e, _ in bad]}))
    result = world.events()
    assert (result.counts["inserted"], result.counts["quarantined"]) == (1, len(bad))
    quarantined = world.store.read(tables()["quarantine_bronze"]).collect()
    assert sorted(r["reason"] for r in quarantined) == sorted(reason for _, reason in bad)
    assert {(r["source"], r["location"], r["position"]) for r in quarantined} == {(EVENTS, "clusters/events of c1", 2)}
    assert not any("hunter2" in (r["content"] or "") for r in quarantined)
    assert "text" in {r["content"].strip('"') for r in quarantined}


def test_a_timestamp_as_text_and_an_event_without_its_cluster_are_rows(world: Workspace) -> None:
    world.name("c1")
    page = {"events": [{"timestamp": str(NOON), "type": "RUNNING"}]}
    world.api.add_fault(Fault("*/clusters/events", status=200, body=page))
    world.events()
    assert keys(world) == [("c1", "RUNNING", NOON)]


def test_clusters_that_audit_names_in_the_window_or_the_day_before_are_asked(world: Workspace) -> None:
    created = event("clusters", "create", {}, timestamp=START - DAY_MS, requestId="1")
    created["response"] = {"statusCode": 200, "result": '{"cluster_id":"created"}'}
    world.deliver(DAY1, "a.json", [created])
    run = event("jobs", "runStart", {"clusterId": "of-run", "runId": "1"}, requestId="2")
    ssh = event("ssh", "login", {"cluster_id": "of-ssh"}, requestId="3")
    result = event("clusters", "startResult", {"clusterId": "started"}, requestId="4")
    world.deliver(DAY2, "b.json", [run, ssh, result])
    world.load(AUDIT, DAY1)
    world.tell()
    world.events()
    assert sorted(c for c, _, _ in world.asked()) == ["created", "of-run", "of-ssh", "started"]
    assert world.events(DAY3).counts["clusters asked"] == 3  # not the one that was created before


def test_clusters_that_snapshots_say_are_up_or_were_up_in_the_window_are_asked(world: Workspace) -> None:
    world.tell(
        clusters={
            "up": body("up", "RUNNING", start_time=START - 9 * DAY_MS),
            "ended": body("ended", "TERMINATED", start_time=START - 9 * DAY_MS, terminated_time=START + 5),
            "before": body("before", "TERMINATED", start_time=START - 9 * DAY_MS, terminated_time=START - 2 * DAY_MS),
        }
    )
    world.events()
    before = len(world.asked())
    world.tell()
    world.events(DAY3)  # the last snapshot says of the one that it runs, of the other that it ended a day before
    assert sorted(c for c, _, _ in world.asked()[before:]) == ["ended", "up"]
    assert {f for _, f, _ in world.asked()[before:]} == {START}
    before = len(world.asked())
    world.events(dt.date(2024, 5, 4))  # the workspace does not know the one any more
    assert world.asked()[before:] == []


def test_a_cluster_is_asked_for_all_since_the_primordial_date_when_the_snapshots_first_name_it(
    world: Workspace,
) -> None:
    world.load(AUDIT, DAY1, DAY2, now=at(DAY3))
    world.load(SNAPSHOT, DAY1, DAY2, now=at(DAY3), sources=world.sources())
    early = happened(START - DAY_MS + 5)
    world.tell(early, clusters={"c1": body("c1", "RUNNING", start_time=START - 9 * DAY_MS)})
    assert world.load(EVENTS, DAY1, DAY2, now=at(DAY3), sources=world.sources()).status.startswith("EMPTY: no clusters")
    world.events(DAY3)
    assert world.asked() == [("c1", START - 2 * DAY_MS, START + DAY_MS + 13 * 3_600_000)]
    assert keys(world) == [("c1", "RUNNING", START - DAY_MS + 5)]


def test_a_refused_cluster_is_in_the_errors_and_is_asked_again_for_all_of_that_time(world: Workspace) -> None:
    world.name("c1", "c2")
    ends = (happened(NOON, "TERMINATING"), happened(NOON, "TERMINATING", cluster_id="c2"))
    world.tell(happened(START - 5), *ends)
    denied = {"error_code": "PERMISSION_DENIED", "message": "No.", "details": [{"credentials": {"a": "hunter2"}}]}
    world.api.add_fault(Fault("*/clusters/events", {"cluster_id": "c1"}, status=403, body=denied))
    result = world.events()
    assert (result.status, result.counts["clusters not read to their end"]) == ("SUCCESS", 1)
    (error,) = world.rows(ERRORS)
    assert error["rawResponse"] == '{"error_code":"PERMISSION_DENIED","message":"No.","details":[{}]}'
    assert (error["cluster_id"], error["from_epoch"], error["until_epoch"]) == (
        "c1",
        START - DAY_MS,
        NOON + 3_600_000,
    )
    assert (error["http_code"], error["error_code"], error["snapshot_date"]) == (403, "PERMISSION_DENIED", DAY2)
    assert error["error"] == "PERMISSION_DENIED No."
    assert error["from_ts"].replace(tzinfo=dt.UTC) == at(DAY1, 0)
    day5 = dt.date(2024, 5, 5)
    before = len(world.asked())
    assert world.events(day5).counts["inserted"] == 2
    assert world.asked()[before:] == [("c1", START - DAY_MS, START + 3 * DAY_MS + 13 * 3_600_000)]
    assert ("c1", "RUNNING", START - 5) in keys(world)
    (stored,) = world.store.read(tables()[ERRORS]).collect()
    assert stored["recovered_ts"] is not None
    before = len(world.asked())
    world.events(day5, 14)
    assert world.asked()[before:] == []


def test_a_cluster_that_does_not_exist_is_not_asked_again(world: Workspace) -> None:
    world.name("c1")
    world.api.add_fault(Fault("*/clusters/events", {"cluster_id": "c1"}, status=403))
    world.events()
    world.api.add_fault(Fault("*/clusters/events", {"cluster_id": "c1"}, times=None, status=400, body=GONE))
    world.events(hour=14)
    assert sorted(r["error"] for r in world.rows(ERRORS)) == [
        "INVALID_PARAMETER_VALUE Cluster c1 does not exist",
        "PERMISSION_DENIED The caller has no permission for this request.",
    ]
    before = len(world.asked())
    empty = world.events(dt.date(2024, 5, 5))
    assert world.asked()[before:] == []
    assert empty.status == "EMPTY: no clusters: neither the audit logs nor the snapshots name any for 2024-05-05"


def test_a_page_that_repeats_ends_keeps_what_was_read_and_is_asked_again(world: Workspace) -> None:
    world.name("c1", "c2")
    world.tell(happened(NOON), happened(NOON + 1, "RESIZING"), happened(NOON, cluster_id="c2"))
    loop = {"events": [happened(NOON)], "next_page": {"cluster_id": "c1", "page_token": "x"}}
    world.api.add_fault(Fault("*/clusters/events", {"cluster_id": "c1"}, times=2, status=200, body=loop))
    result = world.events()
    assert result.counts["clusters not read to their end"] == 1
    assert keys(world) == [("c1", "RUNNING", NOON), ("c2", "RUNNING", NOON)]
    assert [r["error"] for r in world.rows(ERRORS)] == ["page 2 leads back to an earlier page"]
    world.events(hour=14)
    assert ("c1", "RESIZING", NOON + 1) in keys(world)


def test_days_in_any_order_and_in_one_window_give_the_same_rows(world: Workspace, spark: SparkSession) -> None:
    for day in (DAY1, DAY2, DAY3):
        world.name("c1", day=day)
    world.tell(*(happened(START + n * 7_000_000, cluster_id="c1") for n in range(-10, 20)))
    later = at(DAY3, 23)
    for day in (DAY3, DAY1, DAY2):
        world.events(day, now=later)
    found = keys(world)
    other = Workspace(spark, world.folder / "other", {"auditlogprefix_source_path": str(world.audit)})
    other.api, other.known = world.api, world.known
    other.load(AUDIT, DAY1, DAY2, DAY3, now=later)
    other.load(SNAPSHOT, DAY1, DAY2, DAY3, now=later, sources=other.sources())
    other.load(EVENTS, DAY1, DAY2, DAY3, now=later, sources=other.sources())
    assert keys(other) == found
    assert len(found) == 30


def test_a_workspace_that_is_down_fails_the_load(world: Workspace) -> None:
    world.name(*(f"c{n}" for n in range(8)))
    world.tell()
    world.api.add_fault(Fault("*/clusters/events", times=None, status=503))
    with pytest.raises(SourceError, match="clusters/events within 1 s"):
        world.events()


def test_429_is_waited_for(world: Workspace) -> None:
    world.name("c1")
    world.tell(happened(NOON))
    world.api.add_fault(Fault("*/clusters/events", times=3, status=429, headers={"Retry-After": "0"}))
    assert world.events().counts["inserted"] == 1
    assert world.rows(ERRORS) == []


def test_it_waits_for_the_snapshots_and_the_audit_logs_of_the_window(world: Workspace) -> None:
    with pytest.raises(IneligibleError, match="clusters_snapshot_bronze is not loaded for 2024-05-02"):
        world.load(EVENTS, DAY2, now=at(DAY2), sources=world.sources())


def test_without_the_scope_it_is_empty(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path, {"excluded_scopes": "clusterEvents"})
    world.audit.mkdir()
    for table in (AUDIT, SNAPSHOT):
        world.load(table, DAY2, now=at(DAY3))
    assert world.load(EVENTS, DAY2, now=at(DAY3)).status == "EMPTY: the scope clusterEvents is excluded"


def test_a_cluster_that_was_on_is_asked_from_its_last_event_until_it_ends(world: Workspace) -> None:
    world.name("c1")
    world.tell(happened(NOON), happened(START + 3 * DAY_MS, "TERMINATING"))
    world.events()
    day5, day6 = dt.date(2024, 5, 5), dt.date(2024, 5, 6)
    assert world.events(day5).counts["inserted"] == 1
    assert world.asked()[-1] == ("c1", NOON, START + 3 * DAY_MS + 13 * 3_600_000)
    asked = len(world.asked())
    world.events(day6)
    assert len(world.asked()) == asked


def test_a_cluster_that_an_older_day_names_is_asked_to_where_later_days_are_loaded(world: Workspace) -> None:
    world.tell(happened(NOON), happened(START + 2 * DAY_MS, "TERMINATING"))
    now = at(DAY2 + dt.timedelta(days=2), 13)
    world.events(DAY2 + dt.timedelta(days=2), now=now)
    assert world.asked() == []
    world.name("c1")
    world.events(now=now)
    assert world.asked() == [("c1", START - DAY_MS, START + 2 * DAY_MS + 13 * 3_600_000)]
    assert [kind for _, kind, _ in keys(world)] == ["RUNNING", "TERMINATING"]
