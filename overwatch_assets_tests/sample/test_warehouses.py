"""The sample's SQL warehouses: their API, their audit records and their events tell one story."""

import json
from itertools import pairwise
from pathlib import Path

import deltalake
import pytest

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.config.fields import Cloud
from overwatch_assets.config.prices import price_book
from overwatch_assets.rules import warehouse_states as states_rule
from overwatch_assets.rules.cost_segments import UNIT, Price
from overwatch_assets.rules.prices import Kind, with_nodes
from overwatch_assets.rules.warehouse_costs import Definition, Stretch, Tariff
from overwatch_assets.sample.audit import audit_lines
from overwatch_assets.sample.story import DAY, DAYS, FIRST_MS, LOOKS, SampleWorkspace, story
from overwatch_assets.sample.warehouses import Warehouse, bodies, warehouses, write_system_tables

END = round(LOOKS[-1].timestamp() * 1000)
WORKSPACES = pytest.mark.parametrize("workspace", story(clouds=tuple(Cloud)).workspaces, ids=lambda w: w.name)


def named(workspace: SampleWorkspace, name: str) -> Warehouse:
    return next(w for w in warehouses(workspace.workspace_id) if w.settings["name"] == name)


@WORKSPACES
def test_every_kind_of_warehouse_is_there_on_every_day(workspace: SampleWorkspace) -> None:
    found = warehouses(workspace.workspace_id)
    kinds = {(w.settings["warehouse_type"], w.settings["enable_serverless_compute"]) for w in found}
    assert kinds == {("PRO", True), ("PRO", False), ("CLASSIC", False)}
    told = [event for w in found for event in w.events(END)]
    assert {kind for _, kind, _ in told} == {"STARTING", "RUNNING", "SCALED_UP", "SCALED_DOWN", "STOPPING", "STOPPED"}
    assert {(ms - FIRST_MS) // DAY for ms, _, _ in told} == {0, 1, 2}
    asked = {(r.at_ms - FIRST_MS) // DAY for w in found for r in w.requests}
    assert asked == {0, 1, 2}
    for warehouse in found:
        assert all(a[0] < b[0] for a, b in pairwise(warehouse.events(END))), "in order"


@WORKSPACES
def test_the_api_follows_the_clock(workspace: SampleWorkspace) -> None:
    looks = [{b["name"]: b for b in bodies(workspace, round(now.timestamp() * 1000))} for now in LOOKS]
    assert set(looks[0]) == {"bi-dashboards", "finance", "legacy-reports"}
    assert set(looks[2]) == {"dashboards", "finance", "trial"}, "renamed, deleted, created"
    sizes = [
        look[name]["cluster_size"] for look, name in zip(looks, ["bi-dashboards"] * 2 + ["dashboards"], strict=True)
    ]
    assert sizes == ["Small", "Medium", "Medium"]
    assert looks[1]["bi-dashboards"]["state"] == "RUNNING"
    assert (looks[1]["legacy-reports"]["state"], looks[2]["finance"]["state"]) == ("STOPPED", "RUNNING")
    assert (looks[2]["trial"]["size"], looks[2]["trial"]["num_clusters"]) == ("XXXXXLARGE", 0)


@WORKSPACES
def test_audit_logs_have_every_request(workspace: SampleWorkspace) -> None:
    told = [line.record for line in audit_lines(workspace, END) if line.record["serviceName"] == "databrickssql"]
    told = [record for record in told if record["actionName"] != "commandSubmit"]  # those are of queries
    assert sorted({r["actionName"] for r in told}) == [
        "createWarehouse",
        "deleteEndpoint",
        "editWarehouse",
        "stopEndpoint",
    ]
    (resized, renamed) = sorted((r for r in told if r["actionName"] == "editWarehouse"), key=lambda r: r["timestamp"])
    assert (resized["requestParams"]["name"], resized["requestParams"]["cluster_size"]) == ("bi-dashboards", "Medium")
    assert (renamed["requestParams"]["name"], renamed["requestParams"]["cluster_size"]) == ("dashboards", "Medium")
    trial = named(workspace, "trial")
    assert trial.warehouse_id in {
        json.loads(r["response"]["result"])["id"] for r in told if r["actionName"] == "createWarehouse"
    }


def test_events_are_a_delta_table_of_each_workspace_until_now(tmp_path: Path) -> None:
    counts = []
    for now in LOOKS:
        write_system_tables(story(), tmp_path, now)
        tables = [
            deltalake.DeltaTable(str(tmp_path / w.name / "warehouse_events")).to_pyarrow_table()
            for w in story().workspaces
        ]
        assert all(max(t.column("event_time").to_pylist()) <= now for t in tables)
        counts.append([t.num_rows for t in tables])
    assert counts[0] < counts[1] < counts[2]
    ids = {w.workspace_id for w in story().workspaces}
    assert {v for t in tables for v in t.column("workspace_id").to_pylist()} == ids
    assert len(DAYS) == 3


def _priced(workspace: SampleWorkspace) -> tuple[dict[str, list[Price]], dict[str, list[Price]]]:
    """The shipped prices, by size and by SKU."""
    deployed = Workspace.model_validate(
        {
            "workspace_name": workspace.name,
            "workspace_id": workspace.workspace_id,
            "cloud": str(workspace.cloud),
            "primordial_date": DAYS[0].isoformat(),
            "storage_prefix": "/tables",
            "etl_database_name": "etl",
            "consumer_database_name": "consumer",
            "workspace_url": workspace.url,
            "auditlogprefix_source_path": "/audit",
        }
    )
    book = price_book(deployed)
    sizes = with_nodes(book.of(Kind.WAREHOUSE), book.of(Kind.INSTANCE))
    return (
        {str(row.values["size_key"]): [Price(None, None, row.values)] for row in sizes},
        {row.key.lower(): [Price(None, None, {"rate": row.values["contract_price"]})] for row in book.of(Kind.DBU)},
    )


def _truth(workspace: SampleWorkspace, warehouse: Warehouse) -> float | None:
    """What a warehouse cost, added up from the story alone: sessions, cut where the number of clusters changes.

    On GCP nobody knows the DBUs of a size: what is known is the cost of nodes.
    """
    # Of the drivers of small clusters, and of all workers.
    node = {"AWS": 0.624, "Azure": 0.576, "GCP": 0.524056}[str(workspace.cloud)]
    hourly = {"2X-Small": (4, 1), "X-Small": (6, 2), "Small": (12, 4), "Medium": (24, 8)}
    total, knows_dbus = 0.0, workspace.cloud != Cloud.GCP
    for session in warehouse.sessions:
        serverless = warehouse.settings["enable_serverless_compute"]
        begin = session.started_ms + (6_000 if serverless else 240_000)
        cuts = [(begin, 1), *session.scaled, (session.stopped_ms or END, 0)]
        for (start, clusters), (end, _) in pairwise(cuts):
            size = warehouse.settings_at(start)["cluster_size"]
            if size not in hourly or (serverless and not knows_dbus):
                return None
            dbus, workers = hourly[size]
            rate = 0.7 if serverless else 0.55 if warehouse.settings["warehouse_type"] == "PRO" else 0.22
            nodes = 0 if serverless else (1 + workers) * node
            total += (end - start) / 3_600_000 * clusters * ((dbus * rate if knows_dbus else 0) + nodes)
    return total


@WORKSPACES
def test_states_cost_what_the_story_says(workspace: SampleWorkspace) -> None:
    sizes, rates = _priced(workspace)
    for warehouse in warehouses(workspace.workspace_id):
        times = [(warehouse.created_ms, warehouse.settings)]
        times += [(r.at_ms, warehouse.settings_at(r.at_ms)) for r in warehouse.requests if r.said]
        definitions = [
            Definition(at, n, s["cluster_size"], s["warehouse_type"], s["enable_serverless_compute"])
            for n, (at, s) in enumerate(times)
        ]
        known = states_rule.Warehouse(
            events=[states_rule.Event(*event) for event in warehouse.events(END)],
            loaded_until=END,
            longest_ms=90 * DAY,
            stopped=[r.at_ms for r in warehouse.requests if r.action.startswith("stop")],
            deleted=[r.at_ms for r in warehouse.requests if r.action.startswith("delete")],
        )
        tariff = Tariff(definitions, sizes, rates)
        found = [
            tariff.cost(Stretch(s.start, s.end, s.running, s.dbu_billable, s.current))
            for s in states_rule.states(known)
        ]
        costs = [cost.total_cost for cost in found]
        true = _truth(workspace, warehouse)
        if true is None:
            assert None in costs
        else:
            assert sum(c or 0 for c in costs) / UNIT == pytest.approx(true, abs=1e-9)
            assert None not in costs
        said = {cost.cost_status for cost in found}
        sizes_used = [s["cluster_size"] for _, s in times]
        if workspace.cloud == Cloud.GCP and "5X-Large" not in sizes_used:
            assert said == {"priced", *(f"missing DBUs of size {size}" for size in sizes_used)}
        else:
            assert said == {"priced"} | ({"missing size 5X-Large"} if "5X-Large" in sizes_used else set())
