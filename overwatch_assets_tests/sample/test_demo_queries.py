"""Every named query over the loaded demo: it has an answer, the same on both engines, and its money is all there."""

import datetime as dt
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.cli.output import plain_rows
from overwatch_assets.config.loading import load_deployment
from overwatch_assets.consumer.named_queries import named_queries, part_names
from overwatch_assets.consumer.views import names as view_names, register
from overwatch_assets.engine.session import session
from overwatch_assets.runner.platform import Platform
from overwatch_assets_tests.sample.conftest import Demo, overwatch
from overwatch_assets_tests.small_jvm import QUICK, SMALL

# The first test may have to load the demo, or to wait for a process that does.
pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]

GIVEN: dict[str, dict[str, object]] = {
    "without_auto_termination": {"minutes": 60},  # the sample has no cluster without
    "large_tasks": {"size_mb": 15},  # nor tasks of 400 MB
}
ON_BOTH = (
    *("cost_by_tag", "heavy_users", "node_types_and_cost", "scheduled_jobs", "failure_states", "idle_cost"),
    *("node_types_by_core_hours", "scale_up_time", "top_dbu_cost_by_category", "utilisation"),
    *("longest_and_most_variable", "on_interactive_clusters", "repaired_and_retried_runs", "runs_by_utilisation"),
    *("hot_notebooks", "throughput", "large_tasks", "longest_failed_jobs", "skew"),
    *("core_hours_by_date_of_failure", "duration_by_warehouse", "failed_logins", "permission_changes", "tokens"),
)
"""Queries of the everyday comparison, which have every part and every rare function in them."""

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def opened(spark: SparkSession, loaded_demo: Demo) -> Platform:
    """The demo's views on the embedded engine."""
    deployment = load_deployment(str(loaded_demo.home / "deployment.yaml"), today=dt.date(2026, 1, 1))
    platform = Platform(deployment, spark)
    ids = [w.workspace_id for w in deployment.active_workspaces]
    register(platform, ids, query="\n".join(q.body for q in named_queries().values()))
    return platform


@pytest.fixture(scope="module")
def answers(opened: Platform) -> Mapping[str, Rows]:
    """The answer to every query."""
    return {name: ask(opened.spark, name) for name in named_queries()}


def ask(spark: SparkSession, name: str, **given: object) -> Rows:
    return rows(spark, named_queries()[name].sql({**GIVEN.get(name, {}), **given}))


def rows(spark: SparkSession, sql: str) -> Rows:
    return plain_rows(spark.sql(sql).toArrow().combine_chunks())


def total(answer: Rows, column: str) -> float:
    return math.fsum(row[column] or 0 for row in answer)


@contextmanager
def jvm(opened: Platform, names: tuple[str, ...]) -> Iterator[SparkSession]:
    """A session on a JVM with the same rows: of every view that the queries read, the columns that they name."""
    words = {word for name in names for word in re.findall(r"\w+", named_queries()[name].body)}
    lower = {word.lower() for word in words}
    with session("spark", config=SMALL | QUICK) as spark:
        for view, table in view_names().items():
            if view in words:
                held = opened.spark.table(view)
                narrow = held.select(*(c for c in held.columns if c.lower() in lower)).toArrow()
                frame = spark.createDataFrame(narrow) if narrow.num_rows else spark.createDataFrame([], table.schema)
                frame.createOrReplaceTempView(view)
        yield spark


def compare(spark: SparkSession, answers: Mapping[str, Rows], names: tuple[str, ...]) -> None:
    for name in names:
        theirs, ours = (sorted(answer, key=_order) for answer in (ask(spark, name), answers[name]))
        assert theirs == [{n: _near(v) for n, v in row.items()} for row in ours], name


def _order(row: Mapping[str, Any]) -> tuple[str, str]:
    return repr([v for v in row.values() if not isinstance(v, float)]), repr(row)


def _near(value: Any) -> Any:
    """What an engine adds up in its own order may be rounded to the next millionth."""
    return pytest.approx(value, rel=1e-9, abs=1.5e-6) if isinstance(value, float) else value


def test_every_query_has_rows(answers: Mapping[str, Rows]) -> None:
    assert [name for name, answer in answers.items() if not answer] == []


def test_money_is_that_of_the_fact_tables(opened: Platform, answers: Mapping[str, Rows]) -> None:
    spark = opened.spark

    def fact(view: str, column: str = "total_cost") -> float:
        return total(rows(spark, f"select {column} as cost from {view}"), "cost")

    clusters, warehouses, idle = (
        fact("clusterCostDaily"),
        fact("warehouseStateFact"),
        fact("clusterCostDaily", "idle_cost"),
    )
    runs, commands = fact("jobRunCostDaily"), fact("notebookCommands")
    assert (clusters > 50, warehouses > 500, idle > 20, runs > 10, commands > 5) == (True,) * 5
    assert runs == pytest.approx(fact("jobRunCostPotentialFact"), abs=1e-4)
    assert runs + idle == pytest.approx(clusters, abs=1e-4)
    assert clusters == pytest.approx(fact("clusterStateFact"), abs=1e-4)
    expected = {
        ("cost_by_workspace_and_day", "total_cost"): clusters + warehouses,
        ("cost_by_workspace", "total_cost"): clusters + warehouses,
        ("cost_by_workspace", "cluster_cost"): clusters,
        ("cost_by_workspace", "warehouse_cost"): warehouses,
        ("cost_by_workspace", "idle_cost"): idle,
        ("dbu_and_compute_cost", "total_cost"): clusters + warehouses,
        ("cost_by_cluster_type", "total_cost"): clusters + warehouses,
        ("cost_detail_by_day", "total_cost"): clusters + warehouses,
        ("cost_detail_by_day", "idle_cost"): idle,
        ("dbu_spend_by_category", "dbu_cost"): fact("clusterCostDaily", "total_dbu_cost")
        + fact("warehouseStateFact", "total_DBU_cost"),
        ("node_types_and_cost", "total_cost"): clusters,
        ("node_types_by_category", "cost"): clusters,
        ("autoscaling_share", "total_cost"): clusters,
        ("idle_cost", "total_cost"): clusters,
        ("idle_cost", "idle_cost"): idle,
        ("idle_cost", "command_cost"): commands,
        ("utilisation", "total_cost"): clusters,
        ("node_types_by_core_hours", "potential_core_hours"): fact("clusterStateFact", "worker_potential_core_H"),
        ("cost_by_job_and_day", "total_cost"): runs,
        ("runs_by_utilisation", "total_cost"): runs,
        ("core_hours_by_warehouse", "total_cost"): warehouses,
        ("heavy_users", "job_cost"): runs,
        ("heavy_users", "notebook_cost"): commands,
        ("hot_notebooks", "command_cost"): commands,
    }
    found = {key: total(answers[key[0]], key[1]) for key in expected}
    assert found == pytest.approx(expected, abs=1e-4)
    of_teams = total(ask(spark, "cost_by_tag", tag="team"), "total_cost")
    assert of_teams == pytest.approx(clusters + warehouses, abs=1e-4)


@pytest.mark.parametrize("name", ["cost_by_workspace", "cost_by_job_and_day", "heavy_users", "idle_cost"])
def test_days_cut_money_exactly(opened: Platform, answers: Mapping[str, Rows], name: str) -> None:
    day = dt.date(2024, 5, 2)
    column = "at_most" if name == "heavy_users" else "total_cost"
    parts = [
        total(ask(opened.spark, name, **limits), column)
        for limits in ({"until": day}, {"from": day, "until": day + dt.timedelta(1)}, {"from": day + dt.timedelta(1)})
    ]
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(total(answers[name], column), abs=1e-4)


def test_one_workspace_alone(opened: Platform, answers: Mapping[str, Rows]) -> None:
    for name in ("cost_by_workspace", "counts", "data_read", "logins_by_kind_and_address", "tasks_by_type"):
        of_one = [row for row in answers[name] if row["workspace_name"] == "retail-lab"]
        assert ask(opened.spark, name, workspaces=["retail-lab"]) == of_one
        assert 0 < len(of_one) < len(answers[name])


def test_the_command_prints_an_answer(loaded_demo: Demo, answers: Mapping[str, Rows]) -> None:
    where = ("--deployment", loaded_demo.home / "deployment.yaml", "-p", "workspaces=retail-prod")
    printed = overwatch("queries", "run", "tokens", *where, "--format", "csv").stdout.splitlines()
    expected = [row for row in answers["tokens"] if row["workspace_name"] == "retail-prod"]
    assert printed[0] == ",".join(expected[0])
    assert [line.split(",")[2] for line in printed[1:]] == [row["token_id"] for row in expected]
    assert len(expected) == 3


def test_the_everyday_comparison_has_every_part() -> None:
    bodies = "\n".join(named_queries()[name].body for name in ON_BOTH)
    assert [part for part in part_names() if f"{part} as (" not in bodies] == []


@pytest.mark.jvm
def test_answers_are_the_same_on_a_jvm(opened: Platform, answers: Mapping[str, Rows]) -> None:
    with jvm(opened, ON_BOTH) as spark:
        compare(spark, answers, ON_BOTH)


@pytest.mark.jvm
@pytest.mark.deep
def test_all_answers_are_the_same_on_a_jvm(opened: Platform, answers: Mapping[str, Rows]) -> None:
    with jvm(opened, tuple(named_queries())) as spark:
        compare(spark, answers, tuple(named_queries()))
