"""Runs of jobs under the names that people query."""

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.gold.jobrun_gold import jobrun_gold
from overwatch_assets.silver.jobrun_silver import jobrun_silver
from overwatch_assets_tests.event_lines import row


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
