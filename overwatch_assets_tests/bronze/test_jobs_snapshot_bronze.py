import datetime as dt
import json
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from overwatch_assets.bronze.jobs_snapshot_bronze import jobs_snapshot_bronze

pytestmark = pytest.mark.engine

NOW_MS = 1714653296123  # 2024-05-02T12:34:56.123Z


def load(spark: SparkSession, **body: Any) -> Row:
    rows = [("77", json.dumps(body), NOW_MS)]
    (row,) = jobs_snapshot_bronze(
        spark.createDataFrame(rows, "job_id string, body string, fetched_ms bigint")
    ).collect()
    return row


def test_a_described_job(spark: SparkSession) -> None:
    cluster = {
        "spark_version": "13.3.x-scala2.12",
        "node_type_id": "i3.xlarge",
        "num_workers": 2,
        "spark_conf": {"spark.sql.shuffle.partitions": "64"},
        "aws_attributes": {"first_on_demand": 1},
    }
    row = load(
        spark,
        job_id=77,
        creator_user_name="ana@example.com",
        created_time=1714000000000,
        settings={
            "name": "nightly",
            "max_concurrent_runs": 1,
            "timeout_seconds": "0",
            "format": "MULTI_TASK",
            "schedule": {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"},
            "tags": {"cost center": "fin"},
            "job_clusters": [{"job_cluster_key": "jc", "new_cluster": cluster}],
            "tasks": [
                {
                    "task_key": "load",
                    "job_cluster_key": "jc",
                    "notebook_task": {"notebook_path": "/ETL/load", "base_parameters": {"run date": "1"}},
                    "libraries": [{"pypi": {"package": "requests==2.31"}}, {"jar": "dbfs:/x.jar"}],
                },
                {
                    "task_key": "wheel",
                    "depends_on": [{"task_key": "load"}],
                    "new_cluster": cluster,
                    "python_wheel_task": {"entry_point": "main", "package_name": "p", "named_parameters": {"a.b": "2"}},
                },
                {"task_key": "query", "sql_task": {"warehouse_id": "w1", "parameters": {"n": 3}}},
            ],
        },
    )
    assert (row["job_id"], row["snapshot_date"]) == (77, dt.date(2024, 5, 2))
    assert (row["creator_user_name"], row["created_time"]) == ("ana@example.com", 1714000000000)
    settings = row["settings"]
    assert (settings["name"], settings["max_concurrent_runs"], settings["timeout_seconds"]) == ("nightly", 1, 0)
    assert settings["schedule"]["pause_status"] == "UNPAUSED"
    assert settings["tags"] == {"costcenter": "fin"}
    of_job = settings["job_clusters"][0]["new_cluster"]
    assert (of_job["num_workers"], of_job["aws_attributes"]) == (2, {"first_on_demand": "1"})
    assert of_job["spark_conf"] == {"spark_sql_shuffle_partitions": "64"}
    first, wheel, query = settings["tasks"]
    assert first["notebook_task"]["base_parameters"] == {"rundate": "1"}
    assert [(lib["pypi"] and lib["pypi"]["package"], lib["jar"]) for lib in first["libraries"]] == [
        ("requests==2.31", None),
        (None, "dbfs:/x.jar"),
    ]
    assert wheel["python_wheel_task"]["named_parameters"] == {"a_b": "2"}
    assert (wheel["new_cluster"]["node_type_id"], wheel["depends_on"][0]["task_key"]) == ("i3.xlarge", "load")
    assert query["sql_task"]["parameters"] == {"n": "3"}
    assert json.loads(row["value"])["settings"]["tags"] == {"cost center": "fin"}


def test_spark_python_task_holds_its_file_and_parameters_itself(spark: SparkSession) -> None:
    task = {"python_file": "dbfs:/etl.py", "parameters": ["--day", "1"]}
    row = load(spark, settings={"spark_python_task": task, "tasks": [{"task_key": "a", "spark_python_task": task}]})
    assert row["settings"]["spark_python_task"].asDict() == task
    assert row["settings"]["tasks"][0]["spark_python_task"].asDict() == task


def test_secrets_of_settings_and_parameters_are_cut_out(spark: SparkSession) -> None:
    row = load(
        spark,
        settings={
            "tasks": [
                {"notebook_task": {"notebook_path": "/x", "base_parameters": {"api_token": "hunter2", "d": "1"}}}
            ],
            "new_cluster": {"spark_env_vars": {"DB_PASSWORD": "hunter2"}},
        },
    )
    assert row["droppedProperties"] == 2
    assert row["settings"]["tasks"][0]["notebook_task"]["base_parameters"] == {"d": "1"}
    assert "hunter2" not in row["value"]


def test_a_job_without_settings_and_fields_of_wrong_types_stay_a_row(spark: SparkSession) -> None:
    assert load(spark, creator_user_name="x")["settings"] is None
    row = load(spark, settings={"tasks": "none", "max_retries": [], "name": "n"}, created_time="soon")
    assert (row["settings"]["tasks"], row["settings"]["max_retries"], row["created_time"]) == (None, None, None)
    assert row["settings"]["name"] == "n"
