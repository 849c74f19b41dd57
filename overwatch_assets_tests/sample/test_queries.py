"""The story's SQL queries and notebook commands, as its API and its audit logs tell them."""

import pytest

from overwatch_assets.config.fields import Cloud
from overwatch_assets.sample.audit import audit_lines
from overwatch_assets.sample.queries import queries, warehouse_id
from overwatch_assets.sample.story import DAY, FIRST_MS, LOOKS, SampleWorkspace, story

WORKSPACES = pytest.mark.parametrize("workspace", story(clouds=tuple(Cloud)).workspaces, ids=lambda w: w.name)
FIRST, _, LAST = (round(look.timestamp() * 1000) for look in LOOKS)


@WORKSPACES
def test_a_query_runs_at_a_look_and_has_ended_at_the_next(workspace: SampleWorkspace) -> None:
    first, last = ({q["query_id"]: q for q in queries(workspace, at)} for at in (FIRST, LAST))
    (running,) = (q for q in first.values() if not q["is_final"])
    assert (running["status"], "query_end_time_ms" in running) == ("RUNNING", False)
    assert last[running["query_id"]]["status"] == "FINISHED"
    assert {q["status"] for q in last.values()} == {"FINISHED", "FAILED", "CANCELED"}
    assert {q["warehouse_id"] for q in last.values()} == {warehouse_id(workspace)}
    midnight = FIRST_MS + 2 * DAY
    assert any(q["query_start_time_ms"] < midnight < q.get("query_end_time_ms", 0) for q in last.values())
    for q in last.values():
        assert q["query_start_time_ms"] <= q.get("execution_end_time_ms", LAST) <= q.get("query_end_time_ms", LAST)


@WORKSPACES
def test_each_query_was_submitted_by_who_ran_it(workspace: SampleWorkspace) -> None:
    lines = [line.record for line in audit_lines(workspace, LAST) if not line.broken]
    sent = {
        r["requestParams"]["commandId"]: r["userIdentity"]["email"] for r in lines if r["actionName"] == "commandSubmit"
    }
    assert sent == {q["query_id"]: q["user_name"] for q in queries(workspace, LAST)}


@WORKSPACES
def test_commands_run_at_once_and_over_a_midnight_while_their_cluster_is_up(workspace: SampleWorkspace) -> None:
    midnight = FIRST_MS + 2 * DAY
    over = [c for c in workspace.commands if c.started_ms < midnight < c.ended_ms]
    assert any(
        a is not b and a.cluster_id == b.cluster_id and a.started_ms < b.ended_ms and b.started_ms < a.ended_ms
        for a in over
        for b in workspace.commands
    )
    for c in workspace.commands:
        up = workspace.cluster(c.cluster_id).uptime(c.started_ms)
        assert up is not None
        assert up.running_ms <= c.started_ms < c.ended_ms <= (up.terminated_ms or LAST + DAY)
