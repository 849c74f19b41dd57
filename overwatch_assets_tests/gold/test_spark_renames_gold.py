"""gold.md 3.2: the tables that are silver's under other names."""

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.contract import Table
from overwatch_assets.gold.sparkexecution_gold import sparkexecution_gold
from overwatch_assets.gold.sparkexecutor_gold import sparkexecutor_gold
from overwatch_assets.gold.sparkstage_gold import sparkstage_gold
from overwatch_assets.gold.sparktask_gold import sparktask_gold
from overwatch_assets.silver.spark_executions_silver import spark_executions_silver
from overwatch_assets.silver.spark_executors_silver import spark_executors_silver
from overwatch_assets.silver.spark_stages_silver import spark_stages_silver
from overwatch_assets.silver.spark_tasks_silver import spark_tasks_silver
from overwatch_assets_tests.event_lines import CLUSTER, CONTEXT, bronze, rows

pytestmark = pytest.mark.engine

DAY = 1714521600000  # 2024-05-01T00:00Z


def made(spark: SparkSession, silver: Table, gold: Table, *lines: str) -> list[dict[str, Any]]:
    events = bronze(spark, *lines)
    below: DataFrame = silver(spans=events, spark_events_bronze=events)
    frame = gold(spans=below, **{silver.name: below})
    missing = {c.name for c in gold.columns} - set(frame.columns)
    assert missing == {"organization_id", "workspace_name", "Pipeline_SnapTS", "Overwatch_RunID"}, "the runner's own"
    return rows(frame)


def common(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["cluster_id"], row["spark_context_id"], row["unixTimeMS"], str(row["timestamp"]), str(row["date"])


AT_10 = (CLUSTER, CONTEXT, DAY + 10, "2024-05-01 00:00:00.010000", "2024-05-01")


def test_stages(spark: SparkSession) -> None:
    info = f'"Stage Info":{{"Stage ID":4,"Stage Attempt ID":1,"Number of Tasks":8,"Submission Time":{DAY + 10}'
    start = f'{{"Event":"SparkListenerStageSubmitted",{info}}}}}'
    end = f'{{"Event":"SparkListenerStageCompleted",{info},"Completion Time":{DAY + 30},"Failure Reason":"boom"}}}}'
    (stage,) = made(spark, spark_stages_silver, sparkstage_gold, start, end)
    assert common(stage) == AT_10
    assert (stage["stage_id"], stage["stage_attempt_id"], stage["stage_runtime"]["runTimeMS"]) == (4, 1, 20)
    assert (stage["stage_info"]["FailureReason"], stage["stage_info"]["NumberofTasks"]) == ("boom", 8)
    (still_open,) = made(spark, spark_stages_silver, sparkstage_gold, start)
    assert (still_open["stage_info"]["CompletionTime"], still_open["event_log_end"]) == (None, None)


def ended(task: int, executor: str) -> str:
    return (
        '{"Event":"SparkListenerTaskEnd","Stage ID":4,"Stage Attempt ID":1,"Task Type":"ResultTask","Task End Reason":'
        f'{{"Reason":"Success"}},"Task Info":{{"Task ID":{task},"Index":2,"Attempt":3,"Launch Time":{DAY + 10},'
        f'"Executor ID":"{executor}","Host":"10.0.0.2","Finish Time":{DAY + 60}}},"Task Metrics":{{"Executor Run Time":40}}}}'
    )


def test_tasks_have_their_executor_as_text_and_as_the_number_that_it_was(spark: SparkSession) -> None:
    found = made(spark, spark_tasks_silver, sparktask_gold, ended(1, "7"), ended(2, "driver"))
    tasks = {task["task_id"]: task for task in found}
    assert common(tasks[1]) == AT_10
    assert {n: (t["executor"], t["executor_id"]) for n, t in tasks.items()} == {1: ("7", 7), 2: ("driver", None)}
    task = tasks[1]
    assert (task["stage_id"], task["stage_attempt_id"], task["task_attempt_id"]) == (4, 1, 3)
    assert (task["host"], task["task_type"], task["task_end_reason"]["Reason"]) == ("10.0.0.2", "ResultTask", "Success")
    assert (task["task_runtime"]["runTimeMS"], task["task_metrics"]["ExecutorRunTime"]) == (50, 40)
    assert (task["task_info"]["Index"], task["resubmissions"]) == (2, 0)


def test_executions(spark: SparkSession) -> None:
    kind = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecution"
    start = f'{{"Event":"{kind}Start","executionId":3,"rootExecutionId":3,"description":"d","details":"t","time":{DAY + 10}}}'
    end = f'{{"Event":"{kind}End","executionId":3,"time":{DAY + 60},"errorMessage":"boom"}}'
    (execution,) = made(spark, spark_executions_silver, sparkexecution_gold, start, end)
    assert common(execution) == AT_10
    assert (execution["execution_id"], execution["root_execution_id"]) == (3, 3)
    assert (execution["description"], execution["details"], execution["error_message"]) == ("d", "t", "boom")
    assert execution["sql_execution_runtime"]["runTimeMS"] == 50


def test_executors(spark: SparkSession) -> None:
    added = (
        f'{{"Event":"SparkListenerExecutorAdded","Timestamp":{DAY + 10},"Executor ID":"driver",'
        '"Executor Info":{"Host":"h","Total Cores":4}}'
    )
    ended_at = f'{{"Event":"SparkListenerApplicationEnd","Timestamp":{DAY + 60}}}'
    (executor,) = made(spark, spark_executors_silver, sparkexecutor_gold, added, ended_at)
    assert common(executor) == AT_10
    assert (executor["executor_id"], executor["executor_info"]["TotalCores"]) == ("driver", 4)
    assert (executor["executor_alivetime"]["uptimeMS"], executor["ended_by_application"]) == (50, True)
    assert executor["removed_reason"] is None
