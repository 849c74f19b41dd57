"""bronze.md 5.4 to 5.8 and 5.10: answers of the API as rows."""

import datetime as dt
import json
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from overwatch_assets.bronze.global_inits_snapshot_bronze import global_inits_snapshot_bronze
from overwatch_assets.bronze.instance_profiles_snapshot_bronze import instance_profiles_snapshot_bronze
from overwatch_assets.bronze.job_runs_snapshot_bronze import job_runs_snapshot_bronze
from overwatch_assets.bronze.libs_snapshot_bronze import libs_snapshot_bronze
from overwatch_assets.bronze.policies_snapshot_bronze import policies_snapshot_bronze
from overwatch_assets.bronze.tokens_snapshot_bronze import tokens_snapshot_bronze
from overwatch_assets.contract import Table
from overwatch_assets_tests.definition_lines import snapshots

pytestmark = pytest.mark.engine

NOW_MS = 1714653296123  # 2024-05-02T12:34:56.123Z


def load(spark: SparkSession, table: Table, **body: Any) -> Row:
    (row,) = snapshots(spark, table, (NOW_MS, body)).collect()
    assert row["snapshot_date"] == dt.date(2024, 5, 2)
    return row


def test_libraries_of_a_cluster(spark: SparkSession) -> None:
    maven = {"coordinates": "a:b:1", "repo": "https://r", "exclusions": ["c:d"]}
    told = [
        {"library": {"pypi": {"package": "requests==2.31"}}, "status": "INSTALLED"},
        {"library": {"maven": maven}, "status": "FAILED", "messages": ["x"], "is_library_for_all_clusters": True},
    ]
    row = load(spark, libs_snapshot_bronze, cluster_id="c1", library_statuses=told)
    first, second = row["library_statuses"]
    assert (row["cluster_id"], first["library"]["pypi"]["package"], first["status"]) == (
        "c1",
        "requests==2.31",
        "INSTALLED",
    )
    assert (second["library"]["maven"].asDict(), second["messages"]) == (maven, ["x"])
    assert (first["is_library_for_all_clusters"], second["is_library_for_all_clusters"]) == (None, True)


def test_a_policy_without_the_secrets_of_its_definition(spark: SparkSession) -> None:
    definition = {
        "spark_version": {"type": "unlimited"},
        "spark_conf.fs.azure.account.key.lake": {"type": "fixed", "value": "hunter2"},
    }
    row = load(
        spark,
        policies_snapshot_bronze,
        policy_id="ABC",
        name="Job Compute",
        definition=json.dumps(definition),
        created_at_timestamp=1700000000000,
        creator_user_name="adm@x",
        is_default=True,
        max_clusters_per_user=2,
        libraries=[{"jar": "s3://a.jar"}],
    )
    assert (row["policy_id"], row["name"], row["is_default"]) == ("ABC", "Job Compute", True)
    assert (row["created_at_timestamp"], row["creator_user_name"]) == (1700000000000, "adm@x")
    assert (row["max_clusters_per_user"], row["libraries"][0]["jar"]) == (2, "s3://a.jar")
    assert row["definition"] == '{"spark_version":{"type":"unlimited"}}'
    assert (row["droppedProperties"], "hunter2" in row["value"]) == (1, False)


def test_an_instance_profile_by_its_own_key(spark: SparkSession) -> None:
    arn = "arn:aws:iam::111122223333:instance-profile/dbx"
    row = load(spark, instance_profiles_snapshot_bronze, instance_profile_arn=arn, is_meta_instance_profile=False)
    assert (row["instance_profile_arn"], row["iam_role_arn"], row["is_meta_instance_profile"]) == (arn, None, False)
    assert (row["droppedProperties"], arn in row["value"]) == (0, True)
    assert instance_profiles_snapshot_bronze.keys == ("instance_profile_arn", "snapshot_date")


def test_a_token_is_known_by_its_id_and_its_value_is_cut_out(spark: SparkSession) -> None:
    row = load(
        spark,
        tokens_snapshot_bronze,
        token_id="5f0c",
        creation_time=1712000000000,
        expiry_time=-1,
        comment="overwatch",
        created_by_id=7,
        created_by_username="ann@x",
        owner_id=8,
        last_used_day=1714608000000,
        token_value="dapi1",
        token={"value": "dapi2"},
    )
    assert (row["token_id"], row["creation_time"], row["expiry_time"], row["comment"]) == (
        "5f0c",
        1712000000000,
        -1,
        "overwatch",
    )
    assert (row["created_by_id"], row["created_by_username"], row["owner_id"]) == (7, "ann@x", 8)
    assert (row["last_used_day"], row["droppedProperties"]) == (1714608000000, 2)
    assert (json.loads(row["value"])["token_id"], "dapi" in row["value"]) == ("5f0c", False)


def test_an_init_script_without_its_content(spark: SparkSession) -> None:
    row = load(
        spark,
        global_inits_snapshot_bronze,
        script_id="EA2F",
        name="proxy",
        position=0,
        enabled=True,
        created_at=1699000000000,
        created_by="adm@x",
        updated_at=1699000000001,
        updated_by="eve@x",
        script="ZXhwb3J0IFBXPWh1bnRlcjI=",
    )
    assert (row["script_id"], row["name"], row["position"], row["enabled"]) == ("EA2F", "proxy", 0, True)
    assert (row["created_at"], row["created_by"]) == (1699000000000, "adm@x")
    assert (row["updated_at"], row["updated_by"]) == (1699000000001, "eve@x")
    assert (row["droppedProperties"], "ZXhwb3J0" in row["value"]) == (1, False)


def run(spark: SparkSession, *, gone: bool = False, **body: Any) -> Row:
    schema = "run_id bigint, body string, fetched_ms bigint, is_gone boolean, dropped_before int"
    told = {"run_id": 9001, "job_id": 77, "start_time": NOW_MS, **body}
    (row,) = job_runs_snapshot_bronze(
        spark.createDataFrame([(9001, json.dumps(told), NOW_MS + 86_400_000, gone, 2)], schema)
    ).collect()
    return row


def test_a_run_of_a_job_on_the_day_of_its_start(spark: SparkSession) -> None:
    row = run(
        spark,
        state={"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"},
        end_time=NOW_MS + 5,
        trigger="PERIODIC",
        tasks=[
            {
                "run_id": 9002,
                "task_key": "load",
                "attempt_number": 1,
                "cluster_instance": {"cluster_id": "c1"},
                "notebook_task": {"notebook_path": "/load"},
                "state": {"life_cycle_state": "TERMINATED"},
            }
        ],
        job_clusters=[{"job_cluster_key": "jc", "new_cluster": {"num_workers": 2, "spark_conf": {"a.b": "1"}}}],
        overriding_parameters={"notebook_params": {"day": "1", "password": "hunter2"}},
        repair_history=[{"type": "REPAIR", "id": 5, "task_run_ids": [9002]}],
    )
    assert (row["job_id"], row["run_id"], row["date"]) == (77, 9001, dt.date(2024, 5, 2))
    assert (row["state"]["result_state"], row["end_time"], row["trigger"]) == ("SUCCESS", NOW_MS + 5, "PERIODIC")
    (task,) = row["tasks"]
    assert (task["run_id"], task["task_key"], task["attempt_number"]) == (9002, "load", 1)
    assert (task["cluster_instance"]["cluster_id"], task["notebook_task"]["notebook_path"]) == ("c1", "/load")
    assert row["job_clusters"][0]["new_cluster"]["spark_conf"] == {"a_b": "1"}
    assert row["overriding_parameters"]["notebook_params"] == {"day": "1"}
    assert (row["repair_history"][0]["id"], row["repair_history"][0]["task_run_ids"]) == (5, [9002])
    assert (row["droppedProperties"], "hunter2" in row["value"]) == (3, False), "one, and two before"
    assert (row["is_open"], row["is_gone"]) == (False, False)


@pytest.mark.parametrize(
    ("told", "is_open"),
    [
        ({"state": {"life_cycle_state": "RUNNING"}, "end_time": 0}, True),
        ({"state": {"life_cycle_state": "QUEUED"}}, True),
        ({}, True),
        ({"state": {"life_cycle_state": "SKIPPED"}}, False),
        ({"state": {"life_cycle_state": "INTERNAL_ERROR"}}, False),
        ({"status": {"state": "TERMINATED"}}, False),
        ({"status": {"state": "RUNNING"}, "end_time": NOW_MS}, False),
        ({"gone": True, "state": {"life_cycle_state": "RUNNING"}}, False),
    ],
)
def test_which_runs_go_on(spark: SparkSession, told: dict[str, Any], is_open: bool) -> None:
    row = run(spark, **told)
    assert (row["is_open"], row["is_gone"]) == (is_open, told.get("gone", False))
    assert row["end_time"] == (told.get("end_time") or None)
