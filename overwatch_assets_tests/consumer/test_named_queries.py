"""Named queries as files: each question has one, and what it documents is what it takes."""

import datetime as dt
import re
from pathlib import Path

import pytest

from overwatch_assets.consumer.named_queries import TOPICS, _query, named_queries, named_query, used_parameters
from overwatch_assets.consumer.query_docs import render
from overwatch_assets.errors import ConfigurationError

COMMITTED = Path(__file__).parents[2] / "docs" / "queries.md"

QUESTIONS = {
    "Workspace": {
        "Cost per workspace and day": ["cost_by_workspace_and_day"],
        "cost per workspace over a period": ["cost_by_workspace"],
        "DBU against compute cost": ["dbu_and_compute_cost"],
        "spend by cluster type": ["cost_by_cluster_type"],
        "clusters by type": ["clusters_by_type"],
        "daily cost of one workspace in detail": ["cost_detail_by_day"],
        "compute time of scheduled jobs": ["compute_time_of_scheduled_jobs"],
        "number of scheduled jobs": ["scheduled_jobs"],
        "tags in use and their cost": ["cost_by_tag"],
        "node types in use and their cost, per cloud": ["node_types_and_cost"],
    },
    "Clusters": {
        "DBU spend by category": ["dbu_spend_by_category"],
        "the most expensive cluster of each day and workspace": ["most_expensive_cluster_by_day"],
        "top spenders per day": ["top_spenders_by_day"],
        "interactive clusters without auto-termination, with their cost": ["without_auto_termination"],
        "counts of interactive, automated, single-node and standard clusters": ["counts"],
        "node types by count, by potential core hours, by category": [
            "node_types_by_count",
            "node_types_by_core_hours",
            "node_types_by_category",
        ],
        "DBU cost of the top clusters of each category": ["top_dbu_cost_by_category"],
        "share of autoscaling clusters": ["autoscaling_share"],
        "time to scale up, with and without a pool": ["scale_up_time"],
        "failure states: count, cost, distribution": ["failure_states"],
        "restarts of interactive clusters per day": ["restarts_of_interactive_clusters"],
        "utilisation per cluster": ["utilisation"],
        "idle cost per cluster": ["idle_cost"],
    },
    "Jobs": {
        "Cost by job, workspace and date": ["cost_by_job_and_day"],
        "job count by workspace": ["count_by_workspace"],
        "jobs that run on interactive clusters, with what they would cost on job clusters": ["on_interactive_clusters"],
        "run results per day": ["run_results_by_day"],
        "succeeded against failed runs": ["succeeded_and_failed_runs"],
        "cost and core hours of failed runs by workspace": ["cost_of_failed_runs"],
        "runs by utilisation": ["runs_by_utilisation"],
        "longest and most variable jobs": ["longest_and_most_variable"],
        "repaired and retried runs and their cost": ["repaired_and_retried_runs"],
    },
    "Notebooks and Spark": {
        "Throughput (MB/s) by path depth": ["throughput"],
        "most data sent to the driver or screen": ["results_to_driver"],
        "Spark jobs per notebook, by path and by user": ["spark_jobs_by_notebook"],
        "largest records": ["largest_records"],
        "tasks by type": ["tasks_by_type"],
        "tasks over 400 MB": ["large_tasks"],
        "longest running notebooks": ["longest_running"],
        "notebooks run by jobs, by count and by hours": ["run_by_jobs"],
        "spill to disk": ["spill"],
        "longest failed Spark jobs": ["longest_failed_jobs"],
        "time lost to serialisation": ["serialisation_time"],
        "most popular notebooks by distinct users": ["most_popular"],
        "compute hours by notebook": ["compute_hours"],
        "largest shuffle growth (bytes written over bytes read)": ["shuffle_growth"],
        "skew per stage (longest over median task)": ["skew"],
        "time lost to garbage collection": ["garbage_collection_time"],
        "failed and speculative tasks": ["failed_and_speculative_tasks"],
    },
    "SQL": {
        "Failed queries by date and by user": ["failed_queries_by_date", "failed_queries_by_user"],
        "queries by date": ["queries_by_date"],
        "duration by warehouse": ["duration_by_warehouse"],
        "core hours in total, by serverless or not, by warehouse size, by date of failure, by the top twenty users, "
        "by warehouse": [
            "core_hours",
            "core_hours_by_serverless",
            "core_hours_by_size",
            "core_hours_by_date_of_failure",
            "core_hours_by_user",
            "core_hours_by_warehouse",
        ],
        "warehouses by query count and by distinct users": ["warehouses_by_queries", "warehouses_by_users"],
        "the hundred longest queries": ["longest_queries"],
        "details of failed queries": ["failed_queries"],
        "data read, spilled and served from cache": ["data_read"],
    },
    "Promised, never shipped": {
        "Hot notebooks (cost, users and failures together)": ["hot_notebooks"],
        "heavy users (cost across clusters, jobs and SQL)": ["heavy_users"],
        "security: logins by kind and address, failed logins, changes of accounts, tokens and permissions": [
            "logins_by_kind_and_address",
            "failed_logins",
            "account_changes",
            "tokens",
            "permission_changes",
        ],
    },
}
"""What people ask, by topic, with the queries that answer it."""

HEAD = "-- What is it?\n--\n-- One row: a thing.\n--\n"


def test_every_question_has_queries_and_every_query_a_question() -> None:
    asked = [name for topic in QUESTIONS.values() for names in topic.values() for name in names]
    assert sorted(asked) == sorted(named_queries())
    assert len(asked) == len(set(asked)) == 73


def test_every_query_is_documented() -> None:
    for query in named_queries().values():
        assert query.topic in TOPICS
        assert query.meaning.startswith("One row: "), query.name
        assert used_parameters(query.body) == set(query.parameters), query.name
        assert {"workspaces", "from", "until"} <= set(query.parameters), query.name
        assert not used_parameters(query.sql()), query.name


def test_money_says_where_a_price_is_missing() -> None:
    for query in named_queries().values():
        body = f"\n{query.body}"
        shown = body[body.rindex("\nselect") :]
        if re.search(r" as (total_|dbu_|run_|failed_)?cost\b|total_cost,", shown):
            assert "unpriced" in shown, query.name


def test_no_day_is_that_of_the_sessions_zone() -> None:
    for query in named_queries().values():
        assert not re.search(r"as (date|timestamp)\)|to_(date|timestamp)\(|from_unixtime", query.body), query.name


def test_every_answer_has_an_order() -> None:
    for query in named_queries().values():
        assert re.search(r"\norder by [^()]*", query.body), query.name
        assert ("limit :limit" in query.body) == ("limit" in query.parameters), query.name


def test_committed_list_is_not_stale() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == render(), "run `overwatch queries docs`"


def test_values_are_typed_literals() -> None:
    query = _query(
        "spark", "q", HEAD + "-- :workspaces\n-- :from\n-- :until\n-- :tag\n-- :limit = 7\n-- :ratio number = 0.5: R.\n"
        "select ':tag', :tag, :workspaces, :ratio -- :limit\nfrom t where d >= :from and d < :until limit :limit", {}
    )  # fmt: skip
    assert query.sql() == (
        "select ':tag', cast(null as string), cast(null as array<string>), cast('0.5' as double) -- :limit\n"
        "from t where d >= DATE'0001-01-01' and d < DATE'9999-12-31' limit 7"
    )
    given = {"workspaces": "a, b'c", "tag": "x') or :limit --\\", "ratio": "2", "from": "2024-05-01", "limit": "3"}
    assert query.sql(given) == (
        "select ':tag', 'x\\') or :limit --\\\\', array('a', 'b\\'c'), cast('2.0' as double) -- :limit\n"
        "from t where d >= DATE'2024-05-01' and d < DATE'9999-12-31' limit 3"
    )
    assert query.sql({"from": dt.date(2024, 5, 1), "workspaces": ["a"], "limit": 0}).endswith("limit 0")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"x": "1"}, "Query skew has no parameter x; its parameters: workspaces, from, until, limit"),
        ({"from": "yesterday"}, "Query skew: from must be a UTC day, YYYY-MM-DD, not 'yesterday'"),
        ({"from": "2024-05-01T00:00"}, "Query skew: from must be a UTC day, YYYY-MM-DD, not '2024-05-01T00:00'"),
        ({"limit": "ten"}, "Query skew: limit must be a whole number from 0 to 2147483647, not 'ten'"),
        ({"limit": "-1"}, "Query skew: limit must be a whole number from 0 to 2147483647, not '-1'"),
        ({"limit": 2**31}, "Query skew: limit must be a whole number from 0 to 2147483647, not 2147483648"),
        ({"workspaces": "a,,b"}, "Query skew: workspaces must be one or more names with commas between, not 'a,,b'"),
        (
            {"from": "2024-05-02", "until": "2024-05-02"},
            "Query skew: from (2024-05-02) must be before until (2024-05-02)",
        ),
    ],
)
def test_wrong_values_are_named(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        named_query("skew").sql(given)
    assert str(error.value) == said


def test_an_unknown_query_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^There is no query skow: did you mean skew\?$"):
        named_query("skow")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select 1", "must begin with a question, its meaning and its parameters"),
        (HEAD + "-- :limit\nselect 1", "documented and used parameters differ in limit"),
        (HEAD + "-- :limit\nselect :limit, :other", "documented and used parameters differ in other"),
        (HEAD + "-- :limit int = 3: Its own.\nselect :limit", "':limit int = 3: Its own.' is no parameter"),
        (HEAD + "-- :own\nselect :own", "':own' is no parameter"),
        (HEAD + "-- :own money = 3: What.\nselect :own", "needs one of the types"),
        (HEAD + "-- :own int: What.\nselect :own", "and a default"),
    ],
)
def test_wrong_files_are_named(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        _query("spark", "q", text, {})


def test_parts_stand_before_what_reads_them() -> None:
    parts = {"a": "select 1 as x", "b": "select * from a", "c": "select 2"}
    query = _query("spark", "q", HEAD + "-- :limit\nselect c from b limit :limit", parts)
    assert query.body == "with a as (\n  select 1 as x\n),\nb as (\n  select * from a\n)\nselect c from b limit :limit"
    own = _query("spark", "q", HEAD + "-- :limit\nwith d as (select * from a)\nselect * from d limit :limit", parts)
    assert own.body == "with a as (\n  select 1 as x\n),\nd as (select * from a)\nselect * from d limit :limit"
