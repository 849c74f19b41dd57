"""gold.md 2.3 and appendix A: runs of jobs under the names that people query."""

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.gold.jobrun_gold import jobrun_gold
from overwatch_assets.silver.jobrun_silver import jobrun_silver
from overwatch_assets_tests.event_lines import row

LONGS = (
    *("job_id", "run_id", "job_run_id", "task_run_id", "multitask_parent_run_id", "parent_run_id", "repair_id"),
    *("timeout_seconds", "max_retries", "min_retry_interval_millis", "max_concurrent_runs", "startEpochMS"),
)
TEXTS = (
    *("job_name", "task_key", "cluster_id", "cluster_name", "job_cluster_key", "cluster_type", "task_type"),
    *("terminal_state", "job_trigger_type", "run_name", "run_as_user_name", "workflow_context", "created_by"),
    "last_edited_by",
)
STRUCTS = (
    *("task_detail", "task_runtime", "task_execution_runtime", "job_cluster", "new_cluster", "schedule"),
    *("manual_override_params", "task_detail_legacy", "submitRun_details", "request_detail", "time_detail"),
)
OTHERS = {
    "tags": "map<string,string>",
    "task_dependencies": "array<string>",
    "libraries": "array<struct",
    "repair_details": "array<struct",
    "retry_on_timeout": "boolean",
}


def test_types_are_the_documented_ones() -> None:
    documented = dict.fromkeys(LONGS, "bigint") | dict.fromkeys(TEXTS, "string") | dict.fromkeys(STRUCTS, "struct<")
    documented |= OTHERS
    types = {name: column.type for name, column in jobrun_gold.by_name.items()}
    assert {n: types[n] for n, kind in documented.items() if not types[n].startswith(kind)} == {}
    assert jobrun_gold.view is not None
    assert set(jobrun_gold.view.columns) == {"organization_id", "workspace_name", *documented} - {"startEpochMS"}


@pytest.mark.engine
def test_an_unstarted_run_is_there_too(spark: SparkSession) -> None:
    told = {"jobRunId": 1, "runId": 1, "submissionEpochMS": 5, "is_open": False, "jobTriggerType": "cron"}
    silver = spark.createDataFrame([], jobrun_silver.schema)
    silver = silver.unionByName(
        spark.createDataFrame([tuple(told.get(n) for n in jobrun_silver.schema.names)], jobrun_silver.schema)
    )
    run = row(jobrun_gold(spans=silver, jobrun_silver=silver))
    assert (run["run_id"], run["job_run_id"], run["task_run_id"], run["startEpochMS"]) == (1, 1, None, None)
    assert (run["submissionEpochMS"], run["job_trigger_type"], run["is_open"]) == (5, "cron", False)
