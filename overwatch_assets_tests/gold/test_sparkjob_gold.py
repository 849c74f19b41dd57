"""gold.md 3.1."""

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession, functions as F

from overwatch_assets.gold.sparkjob_gold import sparkjob_gold
from overwatch_assets.silver.spark_jobs_silver import spark_jobs_silver
from overwatch_assets_tests.event_lines import CLUSTER, CONTEXT, bronze, rows
from overwatch_assets_tests.literal_rows import stored

pytestmark = pytest.mark.engine

DAY = 1714521600000  # 2024-05-01T00:00Z


def started(job_id: int, at: int = 0, **properties: str) -> str:
    """A job's start; of a property's name, `__` stands for a dot."""
    named = ",".join(f'"{name.replace("__", ".")}":"{value}"' for name, value in properties.items())
    return (
        f'{{"Event":"SparkListenerJobStart","Job ID":{job_id},"Submission Time":{DAY + at},"Stage IDs":[1,2],'
        f'"Stage Infos":[],"Properties":{{{named}}}}}'
    )


def silver(spark: SparkSession, *lines: str, context: str = CONTEXT) -> DataFrame:
    events = stored(bronze(spark, *lines, context=context))
    return stored(spark_jobs_silver(spans=events, spark_events_bronze=events))


_CLUSTERS = "cluster_id string, timestamp bigint, sequence int, cluster_name string, is_automated boolean"
Clusters = tuple[tuple[str, int, int, str | None, bool | None], ...]


def gold(jobs: DataFrame, *touched: int, clusters: Clusters = ()) -> dict[tuple[str, int], dict[str, Any]]:
    """The gold rows of some jobs, or of all; by context and job."""
    definitions = jobs.sparkSession.createDataFrame(list(clusters), _CLUSTERS)
    spans = jobs.select(
        F.col("clusterId").alias("cluster_id"),
        F.col("SparkContextID").alias("spark_context_id"),
        F.col("JobID").alias("job_id"),
    )
    if touched:
        spans = spans.where(F.col("job_id").isin(list(touched)))
    found = rows(sparkjob_gold(spans=spans, spark_jobs_silver=jobs, cluster_spec_silver=definitions))
    assert len({(r["spark_context_id"], r["job_id"]) for r in found}) == len(found)
    return {(r["spark_context_id"], r["job_id"]): r for r in found}


def user(spark: SparkSession, *lines: str) -> str | None:
    """The user of job 1."""
    email: str | None = gold(silver(spark, *lines))[CONTEXT, 1]["user_email"]
    return email


def test_a_job_under_the_names_that_people_query(spark: SparkSession) -> None:
    properties = {
        "spark__jobGroup__id": "g",
        "spark__sql__execution__id": "3",
        "spark__databricks__notebook__id": "n",
        "spark__databricks__notebook__path": "/Users/a",
        "spark__databricks__job__type": "notebook",
    }
    end = f'{{"Event":"SparkListenerJobEnd","Job ID":1,"Completion Time":{DAY + 70},"Job Result":{{"Result":"JobSucceeded"}}}}'
    found = gold(silver(spark, started(1, 20, **properties), end))[CONTEXT, 1]
    assert (found["cluster_id"], found["job_group_id"], found["execution_id"]) == (CLUSTER, "g", "3")
    assert (found["stage_ids"], found["stage_infos"]) == ([1, 2], [])
    assert (found["notebook_id"], found["notebook_path"], found["db_job_type"]) == ("n", "/Users/a", "notebook")
    assert (found["unixTimeMS"], str(found["timestamp"]), str(found["date"])) == (
        DAY + 20,
        "2024-05-01 00:00:00.020000",
        "2024-05-01",
    )
    assert (found["job_runtime"]["runTimeMS"], found["job_result"]["Result"]) == (50, "JobSucceeded")
    assert found["event_log_end"]["byCluster"] == f"/logs/{CLUSTER}"


def test_an_open_job_and_an_end_alone_are_rows(spark: SparkSession) -> None:
    end = (
        f'{{"Event":"SparkListenerJobEnd","Job ID":2,"Completion Time":{DAY},"Job Result":{{"Result":"JobSucceeded"}}}}'
    )
    found = gold(silver(spark, started(1), end))
    assert (found[CONTEXT, 1]["job_result"], found[CONTEXT, 1]["event_log_end"]) == (None, None)
    assert (found[CONTEXT, 2]["unixTimeMS"], found[CONTEXT, 2]["timestamp"]) == (None, None)
    assert str(found[CONTEXT, 2]["date"]) == "2024-05-01"


GROUP = {"spark__jobGroup__id": "2953_6042_job-11-run-22-action-33"}
NAME = {"spark__databricks__clusterUsageTags__clusterName": "job-44-run-55-new_cluster"}
STATED = {"spark__databricks__job__id": "66", "spark__databricks__job__runId": "77"}


@pytest.mark.parametrize(
    ("properties", "job", "run_kept", "run"),
    [
        ({**GROUP, **NAME, **STATED}, "66", "77", "77"),
        ({**GROUP, **NAME}, "11", None, "22"),
        (NAME, "44", None, "55"),
        ({**GROUP, "spark__databricks__job__id": "66"}, "66", None, "22"),
        ({**NAME, "spark__databricks__job__runId": "77"}, "44", "77", "77"),
        ({"spark__jobGroup__id": "job-11-run-22"}, None, None, None),  # it has no third part
        ({"spark__jobGroup__id": "a_b_job-11"}, None, None, None),  # it names no run
        ({"spark__databricks__clusterUsageTags__clusterName": "my job-1-run-2"}, None, None, None),
        ({}, None, None, None),
    ],
)
def test_the_databricks_job_is_of_the_properties_else_of_the_group_else_of_the_clusters_name(
    spark: SparkSession, properties: dict[str, str], job: str | None, run_kept: str | None, run: str | None
) -> None:
    found = gold(silver(spark, started(1, **properties)))[CONTEXT, 1]
    assert (found["db_job_id"], found["db_run_id"], found["db_id_in_job"]) == (job, run_kept, run)


def test_a_cluster_that_its_jobs_do_not_name_is_looked_up(spark: SparkSession) -> None:
    other = {"spark__databricks__clusterUsageTags__clusterName": "etl"}
    told = [{}, {"spark__databricks__job__id": "66"}, STATED, GROUP, NAME, other]
    jobs = silver(spark, *(started(n, **properties) for n, properties in enumerate(told)))

    def found(*clusters: tuple[str, int, int, str | None, bool | None]) -> list[tuple[Any, ...]]:
        rows = gold(jobs, clusters=clusters)
        return [
            tuple(rows[CONTEXT, n][c] for c in ("db_job_id", "db_id_in_job", "cluster_lookup_keys"))
            for n in range(len(told))
        ]

    enough = [("66", "77", None), ("11", "22", None), ("44", "55", None), (None, None, None)]
    assert found(
        (CLUSTER, 1, 0, "job-88-run-99", True), (CLUSTER, 2, 0, None, None), ("x", 3, 0, "job-1-run-2", True)
    ) == [
        ("88", "99", [CLUSTER]),
        ("66", "99", [CLUSTER]),
        *enough,
    ]
    assert found((CLUSTER, 1, 0, "etl", False)) == [
        (None, None, [CLUSTER]),
        ("66", None, [CLUSTER]),  # asked for, for when it is known
        *enough,
    ]


ISOLATION = {"spark__databricks__isolationID": "i"}
EXECUTION = {"spark__sql__execution__id": "3"}
REPL = {"spark__databricks__replId": "r"}
AZURE = {"spark__databricks__cloudProvider": "Azure", "principalIdpObjectId": "p"}
A_GROUP = {"spark__jobGroup__id": "g"}


def test_a_job_that_names_its_user_keeps_it(spark: SparkSession) -> None:
    assert user(spark, started(1, user="ann@x", **A_GROUP), started(2, user="bob@x", **A_GROUP)) == "ann@x"


@pytest.mark.parametrize("shared", [AZURE, ISOLATION, A_GROUP, EXECUTION, REPL])
@pytest.mark.parametrize("later", [False, True])
def test_a_job_takes_the_user_of_its_kin(spark: SparkSession, shared: dict[str, str], later: bool) -> None:
    asking, naming = started(1, at=100, **shared), started(2, at=200 if later else 50, user="ann@x", **shared)
    expected = None if later and shared is REPL else "ann@x"  # a REPL changes hands: only who had it before counts
    assert user(spark, asking, naming) == expected


def test_nobody_is_given_what_several_share(spark: SparkSession) -> None:
    ann, bob = started(2, user="ann@x", **A_GROUP), started(3, user="bob@x", **A_GROUP)
    assert user(spark, started(1, **A_GROUP), ann, bob) is None


def test_the_next_kinship_decides_where_one_is_shared_by_several(spark: SparkSession) -> None:
    ann, bob = started(2, user="ann@x", **A_GROUP, **EXECUTION), started(3, user="bob@x", **A_GROUP)
    assert user(spark, started(1, **A_GROUP, **EXECUTION), ann, bob) == "ann@x"


def test_the_closest_kinship_wins(spark: SparkSession) -> None:
    lines = [
        started(2, user="ann@x", **ISOLATION),
        started(3, user="bob@x", **A_GROUP),
        started(4, user="eve@x", **REPL),
    ]
    assert user(spark, started(1, at=9, **ISOLATION, **A_GROUP, **REPL), *lines) == "ann@x"
    assert user(spark, started(1, at=9, **A_GROUP, **REPL), *lines) == "bob@x"


def test_a_repl_is_its_last_users(spark: SparkSession) -> None:
    lines = [started(n, at=n * 10, user=f"{who}@x", **REPL) for n, who in ((2, "ann"), (3, "bob"), (9, "eve"))]
    assert user(spark, started(1, at=50, **REPL), *lines) == "bob@x"


def test_a_principal_is_known_in_all_contexts_and_all_else_in_its_own(spark: SparkSession) -> None:
    jobs = silver(spark, started(1, **AZURE), started(2, **A_GROUP)).unionByName(
        silver(spark, started(1, user="ann@x", **AZURE, **A_GROUP), context="app-2")
    )
    found = gold(jobs)
    assert (found[CONTEXT, 1]["user_email"], found[CONTEXT, 2]["user_email"]) == ("ann@x", None)


def test_history_names_users_but_is_not_rebuilt(spark: SparkSession) -> None:
    jobs = silver(spark, started(1, at=86_400_000 * 90, **A_GROUP), started(2, user="ann@x", **A_GROUP))
    found = gold(jobs, 1)
    assert {key: job["user_email"] for key, job in found.items()} == {(CONTEXT, 1): "ann@x"}
    assert found[CONTEXT, 1]["user_lookup_keys"] == [f"3:{CLUSTER}/{CONTEXT}/g"]
