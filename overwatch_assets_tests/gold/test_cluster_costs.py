"""gold.md 4.4, 5.4 to 5.6 and appendix B, from events to facts; all numbers worked out by hand."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets_tests.cost_chain import Chain, node, run_row

pytestmark = pytest.mark.engine

M, H = 60_000, 3_600_000
DAY = 24 * H
T0 = 1709251200000  # 2024-03-01T00:00:00Z


def event(ms: int, kind: str, cluster: str = "c1", **details: Any) -> dict[str, Any]:
    return {"cluster_id": cluster, "timestamp": T0 + ms, "type": kind, "details": details}


def spec(ms: int = 0, cluster: str = "c1", **more: Any) -> dict[str, Any]:
    return {
        "cluster_id": cluster,
        "timestamp": T0 + ms,
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


def fixed(ms: int, workers: int) -> dict[str, Any]:
    return event(ms, "RESIZING", current_num_workers=workers, target_num_workers=workers)


@pytest.fixture
def autoscaling(spark: SparkSession) -> Chain:
    """The worked example of gold.md 4.4."""
    return Chain(
        spark,
        [
            event(22 * H, "CREATING", cluster_size={"autoscale": {"min_workers": 2, "max_workers": 8}}),
            event(22 * H + 5 * M, "DRIVER_HEALTHY"),
            event(22 * H + 6 * M, "RUNNING", current_num_workers=2, target_num_workers=2),
            event(23 * H + 30 * M, "RESIZING", current_num_workers=2, target_num_workers=6),
            event(23 * H + 36 * M, "UPSIZE_COMPLETED", current_num_workers=6, target_num_workers=6),
            event(25 * H, "RESIZING", current_num_workers=6, target_num_workers=3),
            event(25 * H + 10 * M, "RUNNING", current_num_workers=3, target_num_workers=3),
            event(26 * H, "TERMINATING"),
        ],
        [spec(runtime_engine="PHOTON")],
        T0 + 27 * H,
    )


def test_states_of_an_autoscaling_cluster_over_midnight(autoscaling: Chain) -> None:
    facts = autoscaling.state_facts()
    assert sum(r["total_cost"] for r in facts) == pytest.approx(21.628333333333)
    assert sum(r["driver_dbus"] for r in facts) == pytest.approx(7.833333333333)
    assert sum(r["worker_dbus"] for r in facts) == pytest.approx(22.4)
    assert [r["core_hours"] for r in facts] == [1.33, 0.27, 22.4, 1.6, 44.8, 5.33, 16.67, 0.0]
    grown = facts[4]
    assert (grown["driver_compute_cost"], grown["worker_compute_cost"]) == pytest.approx((0.7, 1.68))
    assert (grown["driver_dbu_cost"], grown["worker_dbu_cost"]) == pytest.approx((1.54, 6.93))
    assert (grown["total_driver_cost"], grown["total_worker_cost"]) == pytest.approx((2.24, 8.61))
    assert (grown["total_compute_cost"], grown["total_DBU_cost"]) == pytest.approx((2.38, 8.47))
    assert (grown["total_dbus"], grown["worker_potential_core_H"]) == pytest.approx((15.4, 33.6))
    assert (grown["dbu_rate"], grown["sku"], grown["runtime_engine"], grown["isAutomated"]) == (
        0.55,
        "interactive",
        "PHOTON",
        False,
    )
    assert (grown["cluster_name"], grown["custom_tags"]) == ("shared", '{"team":"fin"}')
    assert (grown["driverSpecs"]["vCPUs"], grown["workerSpecs"]["API_Name"]) == (8, "worker")
    assert {r["cost_status"] for r in facts} == {"priced"}
    assert (facts[-1]["total_cost"], facts[-1]["is_open"]) == (0.0, True)


def test_days_of_a_cluster_are_cut_at_midnight(autoscaling: Chain) -> None:
    first, second = autoscaling.cluster_days()
    assert (first["date"], second["date"]) == (dt.date(2024, 3, 1), dt.date(2024, 3, 2))
    # CREATING 0.075, DRIVER_HEALTHY 0.060833, RUNNING 5.11, RESIZING 0.445 and 24 of 84 minutes of 10.85.
    assert first["total_cost"] == pytest.approx(0.075 + 3.65 / 60 + 5.11 + 0.445 + 3.1)
    assert first["total_cost"] + second["total_cost"] == pytest.approx(21.628333333333)
    assert first["idle_cost"] == first["total_cost"]
    assert first["state_hours"] == pytest.approx(
        {"CREATING": 5 / 60, "DRIVER_HEALTHY": 1 / 60, "RUNNING": 84 / 60, "RESIZING": 0.1, "UPSIZE_COMPLETED": 0.4}
    )
    assert (first["is_open"], second["is_open"]) == (False, True)
    assert second["core_hours"] == pytest.approx(32.0 + 32 / 6 + 20 * 50 / 60)


@pytest.fixture
def two_runs(spark: SparkSession) -> Chain:
    """The worked example of gold.md 5.6."""
    return Chain(
        spark,
        [fixed(10 * H, 2), fixed(11 * H, 4), event(12 * H, "TERMINATING")],
        [spec()],
        T0 + DAY,
        [
            run_row(1, T0 + 10 * H + 15 * M, T0 + 11 * H + 30 * M),
            run_row(2, T0 + 10 * H + 45 * M, T0 + 11 * H + 15 * M),
        ],
    )


def test_two_runs_share_a_cluster(two_runs: Chain) -> None:
    a, b = two_runs.run_facts()
    assert (a["total_cost"], b["total_cost"]) == (pytest.approx(2.734375), pytest.approx(0.721875))
    assert (a["run_cluster_states"], a["max_overlapping_runs"], a["avg_overlapping_runs"]) == (2, 1, 1.0)
    # 37.5 of 45 minutes, then 22.5 of 30.
    assert a["avg_cluster_share"] == round((37.5 / 45 + 22.5 / 30) / 2, 4)
    assert b["avg_cluster_share"] == 0.5
    assert a["worker_potential_core_H"] == pytest.approx(8 * 0.75 + 16 * 0.5)
    assert (a["cluster_type"], a["cluster_name"], a["cluster_tags"]) == ("interactive", "shared", '{"team":"fin"}')
    assert (a["driver_node_type_id"], a["node_type_id"], a["dbu_rate"]) == ("driver", "worker", 0.55)
    assert (a["running_days"], a["openRun"], a["charged_to_run_id"]) == ([dt.date(2024, 3, 1)], False, None)
    assert a["spark_task_runtimeMS"] is None, "no event log names the run"


def test_runs_and_what_none_used_are_the_cluster(two_runs: Chain) -> None:
    (day,) = two_runs.cluster_days()
    runs = sum(r["total_cost"] for r in two_runs.run_days())
    assert day["total_cost"] == pytest.approx(2.275 + 3.5)
    assert day["idle_cost"] == pytest.approx(2.275 * 15 / 60 + 3.5 * 30 / 60)
    assert runs + day["idle_cost"] == pytest.approx(day["total_cost"], abs=1e-12)


def test_spark_time_does_not_change_the_split(two_runs: Chain) -> None:
    """Task time is shown beside the cost and decides nothing: the busy run pays what the waiting one does."""
    two_runs.spark_jobs = [{"cluster_id": "c1", "spark_context_id": "s", "job_id": 1, "run_id": 2, "stage_ids": [1]}]
    task = {"cluster_id": "c1", "spark_context_id": "s", "stage_id": 1}
    two_runs.spark_tasks = [{**task, "task_id": n, "task_runtime": {"runTimeMS": H}} for n in range(9)]
    a, b = two_runs.run_facts()
    assert (a["spark_task_runtimeMS"], b["spark_task_runtimeMS"]) == (None, 9 * H)
    assert (a["total_cost"], b["total_cost"]) == (pytest.approx(2.734375), pytest.approx(0.721875))


def test_every_kind_of_run_pays_for_the_time_that_it_was_there(spark: SparkSession) -> None:
    def life(run: int, start: float, end: float, kind: str = "job_cluster", **more: Any) -> dict[str, Any]:
        return run_row(run, T0 + round(start * H), T0 + round(end * H), clusterType=kind, **more)

    runs = [
        life(1, 0, 1, jobRunId=100, taskKey="load"),  # two tasks of one job
        life(2, 1, 2, jobRunId=100, taskKey="report"),
        life(3, 2, 3, "existing", terminalState="Failed"),  # run again under its own id
        life(3, 4, 5, "existing", terminalState="Succeeded", repairId=5),
        life(6, 5, 5.5, "new", terminalState="Cancelled"),
        life(7, 6, 7, "new", idempotency_token="t", run_name="submitted"),
        life(8, 6.25, 6.75, "existing", parentRunId=7),  # dbutils.notebook.run
        {**run_row(9, T0, None), "startEpochMS": None, "is_open": False, "terminalState": "Skipped"},
    ]
    chain = Chain(spark, [fixed(0, 0), event(8 * H, "TERMINATING")], [spec()], T0 + 8 * H, runs)
    facts = chain.run_facts()
    told = [(r["run_id"], (r["startEpochMS"] - T0) / H, r["cluster_type"], r["charged_to_run_id"]) for r in facts]
    assert told == [
        (1, 0, "automated", None),
        (2, 1, "automated", None),
        (3, 2, "interactive", None),
        (3, 4, "interactive", None),
        (6, 5, "automated", None),
        (7, 6, "automated", None),
        (8, 6.25, "interactive", 7),
    ]
    assert [r["total_cost"] for r in facts] == pytest.approx([1.05, 1.05, 1.05, 1.05, 0.525, 1.05, 0])
    (day,) = chain.cluster_days()
    assert day["idle_cost"] == pytest.approx(2.5 * 1.05)
    assert sum(r["total_cost"] for r in facts) + day["idle_cost"] == pytest.approx(8 * 1.05)
    assert sum(r["total_cost"] for r in chain.run_days()) == pytest.approx(5.5 * 1.05)


def test_names_and_tags_are_those_of_the_moment(spark: SparkSession) -> None:
    chain = Chain(
        spark,
        [fixed(0, 0), fixed(H, 0), event(2 * H, "TERMINATING")],
        [spec(), spec(30 * M, cluster_name="today", custom_tags='{"team":"ops"}')],
        T0 + 2 * H,
        [run_row(1, T0, T0 + 10 * M, cluster_name="shared")],
    )
    told = [(r["cluster_name"], r["custom_tags"]) for r in chain.state_facts()]
    assert told[:2] == [("shared", '{"team":"fin"}'), ("today", '{"team":"ops"}')]
    (run,) = chain.run_facts()
    assert (run["cluster_name"], run["cluster_tags"]) == ("shared", '{"team":"fin"}')


def test_a_long_stream_is_charged_on_each_of_its_days(spark: SparkSession) -> None:
    chain = Chain(spark, [fixed(0, 0)], [spec()], T0 + 20 * DAY, [run_row(1, T0 + 12 * H, None)])
    days = chain.run_days()
    assert [r["date"] for r in days] == [dt.date(2024, 3, 1) + dt.timedelta(n) for n in range(20)]
    assert [r["total_cost"] for r in days] == pytest.approx([12 * 1.05] + [24 * 1.05] * 19)
    (fact,) = chain.run_facts()
    assert (fact["openRun"], len(fact["running_days"])) == (True, 20)
    assert fact["total_cost"] == pytest.approx(1.05 * (12 + 19 * 24))


def test_a_missing_node_price_leaves_the_rest_and_says_so(spark: SparkSession) -> None:
    chain = Chain(
        spark,
        [fixed(0, 2), event(H, "TERMINATING")],
        [spec()],
        T0 + H,
        [run_row(1, T0, T0 + H)],
        [node("driver", 0.5, 1.0, 8)],
    )
    (fact, _) = chain.state_facts()
    assert (fact["worker_compute_cost"], fact["worker_dbu_cost"], fact["total_worker_cost"]) == (None, None, None)
    assert (fact["total_driver_cost"], fact["total_cost"]) == (pytest.approx(1.05), pytest.approx(1.05))
    assert fact["cost_status"].startswith("missing price of worker node worker; missing cores")
    (run,) = chain.run_facts()
    assert (run["total_cost"], run["worker_compute_cost"]) == (pytest.approx(1.05), None)
    assert run["cost_status"] == fact["cost_status"]


def test_tags_and_nodes_that_change_during_a_run_lose_nothing(spark: SparkSession) -> None:
    chain = Chain(
        spark,
        [fixed(0, 0), fixed(H, 0), event(2 * H, "TERMINATING")],
        [spec(), spec(30 * M, custom_tags='{"team":"ops"}', driver_node_type_id="worker")],
        T0 + 2 * H,
        [run_row(1, T0, T0 + 2 * H)],
    )
    (run,) = chain.run_facts()
    assert run["total_cost"] == pytest.approx(1.05 + 0.2 + 0.75 * 0.55)
    assert (run["cluster_tags"], run["driver_node_type_id"]) == ('{"team":"ops"}', "worker")


def test_a_run_that_starts_with_a_state_is_charged_from_it(spark: SparkSession) -> None:
    chain = Chain(
        spark,
        [fixed(0, 0), fixed(H, 0), event(2 * H, "TERMINATING")],
        [spec()],
        T0 + 2 * H,
        [run_row(1, T0 + H, T0 + 2 * H)],
    )
    (run,) = chain.run_facts()
    assert (run["total_cost"], run["run_cluster_states"]) == (pytest.approx(1.05), 1)


def test_a_run_without_a_state_of_its_cluster_is_a_row(spark: SparkSession) -> None:
    chain = Chain(
        spark, [fixed(5 * H, 0)], [spec()], T0 + 6 * H, [run_row(1, T0, T0 + H), run_row(2, T0, T0 + H, "other")]
    )
    for run in chain.run_facts():
        assert (run["total_cost"], run["cost_status"]) == (None, "no state of the cluster is known")


def test_a_run_of_which_a_part_is_without_a_state_says_so(spark: SparkSession) -> None:
    chain = Chain(
        spark,
        [fixed(0, 0), event(8 * H, "TERMINATING")],
        [spec()],
        T0 + DAY,
        [
            run_row(1, T0 - 48 * H, T0 + 2 * H),
            run_row(2, T0 + 5 * H, T0 + 26 * H),
            run_row(3, T0 - H, None),
            run_row(4, T0 + 2 * H, T0 + 3 * H),
        ],
    )
    first, second, goes_on, inside = chain.run_facts()
    part = "no state of the cluster is known for a part of it"
    assert [r["cost_status"] for r in (first, second, goes_on, inside)] == [part, part, part, "priced"]
    assert first["total_cost"] == pytest.approx(1.05)  # two hours, shared by two
    assert [d.day for d in first["running_days"]] == [28, 29, 1]
    assert [d.day for d in second["running_days"]] == [1, 2]
    assert [d.day for d in goes_on["running_days"]] == [29, 1]
    chain.nodes = []
    unpriced = chain.run_facts()[0]["cost_status"]
    assert unpriced.startswith("missing price of driver node driver; ")
    assert unpriced.endswith(f"; {part}")


def test_a_cluster_that_is_not_yet_or_no_longer_there_leaves_nothing_unknown(spark: SparkSession) -> None:
    """A job's cluster may be created when its run has begun, and ends before it."""
    chain = Chain(
        spark,
        [event(M, "CREATING", cluster_size={"num_workers": 0}), event(H, "TERMINATING")],
        [spec(is_automated=True)],
        T0 + DAY,
        [run_row(1, T0, T0 + H + M)],
    )
    (run,) = chain.run_facts()
    assert (run["total_cost"], run["cost_status"]) == (pytest.approx(0.5 * 59 / 60), "priced")


def test_a_run_that_took_no_time_costs_nothing(spark: SparkSession) -> None:
    runs = [run_row(1, T0 + H, T0 + H), run_row(2, T0 + H, T0 + H, "warehouse")]
    chain = Chain(spark, [fixed(0, 2), event(2 * H, "TERMINATING")], [spec()], T0 + 2 * H, runs)
    for run in chain.run_facts():
        assert (run["total_cost"], run["total_dbus"], run["worker_potential_core_H"]) == (0, 0, 0)
        assert (run["cost_status"], run["running_days"]) == ("priced", [dt.date(2024, 3, 1)])


def test_a_run_without_states_ran_on_all_of_its_days(spark: SparkSession) -> None:
    chain = Chain(spark, [fixed(0, 0)], [spec()], T0 + DAY, [run_row(1, T0 + 2 * H, T0 + 3 * DAY, "other")])
    (run,) = chain.run_facts()
    assert [d.day for d in run["running_days"]] == [1, 2, 3], "the midnight at which it ended is not of the next day"


def test_time_of_tasks_counts_each_task_once(spark: SparkSession) -> None:
    job = {"cluster_id": "c1", "spark_context_id": "s", "run_id": 1, "stage_ids": [1, 2]}

    def task(stage: int, ms: int | None) -> dict[str, Any]:
        return {"cluster_id": "c1", "spark_context_id": "s", "stage_id": stage, "task_runtime": {"runTimeMS": ms}}

    chain = Chain(
        spark,
        [fixed(0, 1), event(H, "TERMINATING")],
        [spec()],
        T0 + H,
        [run_row(1, T0, T0 + H)],
        spark_jobs=[{**job, "job_id": 1}, {**job, "job_id": 2, "stage_ids": [2, 3]}, {**job, "job_id": 3, "run_id": 9}],
        spark_tasks=[task(1, 1_800_000), task(2, 3_600_000), task(3, None), task(4, 99)],
    )
    (run,) = chain.run_facts()
    assert (run["spark_task_runtimeMS"], run["spark_task_runtime_H"]) == (5_400_000, 1.5)
    assert run["job_run_cluster_util"] == 0.375  # of four cores for an hour
    assert run["contexts_used"] == ["s"]


def test_a_run_that_was_started_again_has_the_spark_time_of_each_life(spark: SparkSession) -> None:
    chain = Chain(
        spark,
        [fixed(0, 1), event(4 * H, "TERMINATING")],
        [spec()],
        T0 + 4 * H,
        [run_row(1, T0, T0 + H), run_row(1, T0 + 2 * H, T0 + 3 * H)],
        spark_jobs=[
            {
                "cluster_id": "c1",
                "spark_context_id": "s",
                "job_id": 1,
                "run_id": 1,
                "unixTimeMS": T0 + 2 * H + M,
                "stage_ids": [1],
            }
        ],
        spark_tasks=[
            {"cluster_id": "c1", "spark_context_id": "s", "stage_id": 1, "task_runtime": {"runTimeMS": 30 * M}}
        ],
    )
    first, second = chain.run_facts()
    assert (first["spark_task_runtimeMS"], second["spark_task_runtimeMS"]) == (None, 30 * M)
