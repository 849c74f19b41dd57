"""gold.md 6, from audit records and cluster events to what commands cost; all numbers worked out by hand."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.gold.notebookcommands_gold import notebookcommands_gold
from overwatch_assets_tests.cost_chain import Chain, run_row
from overwatch_assets_tests.definition_lines import record

pytestmark = pytest.mark.engine

M, H = 60_000, 3_600_000
T0 = 1709251200000  # 2024-03-01T00:00:00Z
HOURLY = 0.55 * (1.0 + 2 * 0.75)  # DBUs of a driver and two workers, dollars
COMPUTE = 0.5 + 2 * 0.2


def event(ms: int, kind: str, workers: int = 2) -> dict[str, Any]:
    return {
        "cluster_id": "c1",
        "timestamp": T0 + ms,
        "type": kind,
        "details": {"current_num_workers": workers, "target_num_workers": workers},
    }


def spec(**more: Any) -> dict[str, Any]:
    return {
        "cluster_id": "c1",
        "timestamp": T0,
        "sequence": 0,
        "cluster_name": "shared",
        "custom_tags": '{"team":"fin"}',
        "driver_node_type_id": "driver",
        "node_type_id": "worker",
        "is_single_node": False,
        "is_automated": False,
        "sku": "interactive",
        "runtime_engine": "STANDARD",
        **more,
    }


def command(key: str, start: int, end: int, *, cluster: str | None = "c1", **more: Any) -> dict[str, Any]:
    """A command as its record has it: written when it has run."""
    where = {} if cluster is None else {"clusterId": cluster}
    said = {"notebookId": "5", "commandId": key, "commandText": "select 1", **where}
    said |= {"executionTime": f"{(end - start) / 1000:.3f}"} | more
    logged = record("notebook", "runCommand", T0 + end, request=f"of {key} at {end}", **said)
    logged["requestParams"]["status"] = "finished"
    return logged


def chain(spark: SparkSession, *runs: dict[str, Any], **more: Any) -> Chain:
    """A cluster of two workers from 22:00 to 02:00, of four from 23:00."""
    events = [event(22 * H, "RUNNING"), event(23 * H, "RUNNING", 4), event(26 * H, "TERMINATING", 0)]
    return Chain(spark, events, [spec(**more)], T0 + 27 * H, list(runs))


def test_commands_pay_for_the_parts_that_they_overlap_and_share_them(spark: SparkSession) -> None:
    alone, first, second = chain(spark).commands(
        command("a", 22 * H, 22 * H + 30 * M),
        command("b", 22 * H + 30 * M, 22 * H + 50 * M),
        command("c", 22 * H + 40 * M, 23 * H),
    )
    assert alone["estimated_dbu_cost"] == pytest.approx(HOURLY / 2)
    assert alone["total_compute_cost"] == pytest.approx(COMPUTE / 2)
    assert alone["total_cost"] == pytest.approx((HOURLY + COMPUTE) / 2)
    # Ten minutes alone, ten shared.
    assert first["estimated_dbu_cost"] == pytest.approx(HOURLY * 15 / 60)
    assert second["estimated_dbu_cost"] == pytest.approx(HOURLY * 15 / 60)
    assert [r["concurrent_commands"] for r in (alone, first, second)] == [0, 1, 1]
    assert {r["cost_status"] for r in (alone, first, second)} == {"priced"}
    assert (alone["timestamp"], alone["unixTimeMS"]) == (dt.datetime(2024, 3, 1, 22), T0 + 22 * H)  # noqa: DTZ001
    assert (alone["execution_time_s"], alone["endEpochMS"]) == (1800.0, T0 + 22 * H + 30 * M)
    assert (alone["cluster_name"], alone["custom_tags"], alone["node_type_id"], alone["node_count"]) == (
        "shared",
        '{"team":"fin"}',
        "worker",
        2,
    )
    assert (alone["command_text"], alone["status"], alone["user_identity"]["email"]) == (
        "select 1",
        "finished",
        "ann@x",
    )
    assert (alone["source_ip_address"], alone["user_agent"], alone["response"]["statusCode"]) == (
        "10.0.0.9",
        "a browser",
        200,
    )


def test_two_commands_of_a_notebook_in_one_state_are_two_rows(spark: SparkSession) -> None:
    rows = chain(spark).commands(command("a", 22 * H, 22 * H + M), command("b", 22 * H + 2 * M, 22 * H + 3 * M))
    assert [(r["command_id"], r["unixTimeMS"] - T0) for r in rows] == [("a", 22 * H), ("b", 22 * H + 2 * M)]


def test_records_of_one_command_and_start_have_keys_of_their_own(spark: SparkSession) -> None:
    """Their days and clusters are loaded apart, so no number can be counted through them: two rows had one key."""
    found = chain(spark).commands(
        command("a", 22 * H, 23 * H),
        command("a", 22 * H, 25 * H),
        command("a", 22 * H, 23 * H, cluster="c2"),
        command("a", 22 * H, 22 * H + M),
    )
    keys = notebookcommands_gold.keys
    assert len({tuple(row[key] for key in keys) for row in found}) == len(found) == 4


def test_a_command_over_midnight_pays_each_state_its_part_and_is_one_row(spark: SparkSession) -> None:
    (row,) = chain(spark).commands(command("a", 22 * H + 30 * M, 25 * H))
    grown = 0.55 * (1.0 + 4 * 0.75)
    assert row["estimated_dbu_cost"] == pytest.approx(HOURLY / 2 + 2 * grown)
    assert (row["date"], row["node_count"]) == (dt.date(2024, 3, 2), 4)
    days = chain(spark).cluster_days()
    assert row["total_cost"] < sum(d["total_cost"] for d in days)


def test_a_price_that_changes_at_midnight_is_paid_from_midnight_on(spark: SparkSession) -> None:
    told = chain(spark)
    midnight = T0 + 24 * H
    told.rates = [
        {"sku": "interactive", "contract_price": 0.55, "valid_from_ms": 0, "valid_until_ms": midnight},
        {"sku": "interactive", "contract_price": 1.1, "valid_from_ms": midnight},
    ]
    before, after = told.commands(command("a", 23 * H, 23 * H + 30 * M), command("b", 25 * H, 25 * H + 30 * M))
    assert before["estimated_dbu_cost"] == pytest.approx(0.55 * 4 / 2)
    assert after["estimated_dbu_cost"] == pytest.approx(1.1 * 4 / 2)


def test_an_unpriced_cluster_is_null_and_named(spark: SparkSession) -> None:
    (row,) = chain(spark, driver_node_type_id="new", node_type_id="new").commands(command("a", 22 * H, 23 * H))
    assert (row["estimated_dbu_cost"], row["total_cost"], row["total_dbus"]) == (None, None, None)
    assert "missing price of driver node new" in row["cost_status"]
    assert row["node_count"] == 2


def test_commands_without_a_state_a_cluster_or_a_time_are_rows_that_say_so(spark: SparkSession) -> None:
    rows = chain(spark).commands(
        command("a", 10 * H, 11 * H),
        command("b", 12 * H, 13 * H, cluster=None),
        command("c", 22 * H, 22 * H + M, executionTime="soon"),
        command("d", 22 * H + 5 * M, 22 * H + 5 * M),
    )
    told = [(r["cluster_id"], r["estimated_dbu_cost"], r["cost_status"]) for r in rows]
    assert told == [
        ("c1", None, "no state of the cluster is known"),
        (None, None, "no state of the cluster is known"),
        ("c1", None, "missing execution time"),
        ("c1", 0.0, "priced"),
    ]


def test_runs_of_jobs_on_the_cluster_are_named_and_change_nothing(spark: SparkSession) -> None:
    told = [command("a", 22 * H, 22 * H + 30 * M)]
    (alone,) = chain(spark).commands(*told)
    (beside,) = chain(spark, run_row(7, T0 + 22 * H + 10 * M, None)).commands(*told)
    assert (alone["job_run_ids"], beside["job_run_ids"]) == ([], [7])
    assert alone["total_cost"] == beside["total_cost"]


def test_names_are_those_of_the_moment_and_the_first_serve_earlier_times(spark: SparkSession) -> None:
    rows = chain(spark).commands(
        command("a", 21 * H, 21 * H + M),
        record("notebook", "attachNotebook", T0 + 22 * H, notebookId="5", path="/Users/ann/draft", clusterId="c9"),
        command("b", 22 * H + M, 22 * H + 2 * M),
        record("notebook", "renameNotebook", T0 + 23 * H, notebookId="5", newName="report", parentPath="/Users/ann"),
        command("c", 23 * H + M, 23 * H + 2 * M),
        record("notebook", "moveNotebook", T0 + 25 * H, notebookId="5", newPath="/Shared/report"),
        command("d", 25 * H + M, 25 * H + 2 * M),
    )
    assert [(r["notebook_name"], r["notebook_path"]) for r in rows] == [
        ("draft", "/Users/ann/draft"),
        ("draft", "/Users/ann/draft"),
        ("report", "/Users/ann/report"),
        ("report", "/Shared/report"),
    ]
    assert rows[0]["notebooks_used"] == ["5"]


def test_a_record_that_was_published_twice_counts_once(spark: SparkSession) -> None:
    once = command("a", 22 * H, 23 * H)
    again = {**once, "version": "2.0"}
    (row,) = chain(spark).commands(once, again)
    assert row["estimated_dbu_cost"] == pytest.approx(HOURLY)
