"""The Spark gold tables of the recorded logs say, integer by integer, what Spark's History Server says of them.

Known exceptions, each where it is made:
- `_counted_at_the_end`: an executor's task ends that the log has after the executor's removal;
- the driver of a cluster is no executor here: the server lists it, with 0 cores, for its block manager;
- `totalDuration` and `totalGCTime` of a driver that is an executor (local mode): the server puts the application's time
  and the JVM's total there;
- active tasks and stages of a job: where jobs share a stage, the server takes off for the later one what it never
  added, and gets below 0;
- an executor that was removed and never added, because it failed to start, has a row here; the server drops it;
- measures of a running task are known when it ends; the server takes those of a driver's heartbeats, which are in the
  log in local mode with `spark.eventLog.logStageExecutorMetrics`;
- an execution without a start event, which is all that a query leaves that fails in planning: the server drops it;
- `duration` of what runs at the log's end: the server counts to the file's time, or to now.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import DataFrame, functions as F

from overwatch_assets.consumer.spark_metrics import (
    TASK_METRICS,
    execution_status,
    executor_totals,
    job_status,
    stage_metrics,
    task_metric,
)
from overwatch_assets_tests.history_server.conftest import LOGS, lines_of
from overwatch_assets_tests.history_server.server import HistoryServer, epoch_ms

pytestmark = pytest.mark.jvm

Rows = dict[Any, dict[str, Any]]
Gold = Callable[[str], DataFrame]


@pytest.fixture(params=LOGS, ids=lambda log: log["path"].name.split(".")[0])
def log(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def of_app(table: DataFrame, log: dict[str, Any]) -> DataFrame:
    return table.where(F.col("spark_context_id").startswith(log["app_id"]))


def by(key: tuple[str, ...], rows: list[dict[str, Any]]) -> Rows:
    found = {tuple(row[k] for k in key): row for row in rows}
    assert len(found) == len(rows), f"{key} is no key"
    return found


def differences(ours: Rows, theirs: Rows) -> dict[Any, dict[str, tuple[Any, Any]]]:
    """What differs: per row and column our value and the server's; a row that one of them lacks differs in all."""
    found = {}
    for key in ours.keys() | theirs.keys():
        mine, its = ours.get(key, {}), theirs.get(key, {})
        unequal = {n: (mine.get(n), its.get(n)) for n in mine.keys() | its.keys() if mine.get(n) != its.get(n)}
        if unequal or not mine or not its:
            found[key] = unequal
    return found


def collected(frame: DataFrame) -> list[dict[str, Any]]:
    return [row.asDict(recursive=True) for row in frame.collect()]


def test_jobs(server: HistoryServer, gold: Gold, log: dict[str, Any]) -> None:
    jobs, stages, tasks = (of_app(gold(f"spark{n}_gold"), log) for n in ("job", "stage", "task"))
    columns = {row["job_id"]: row for row in collected(jobs.select("job_id", "stage_ids", "job_group_id"))}
    ours = by(("job_id",), collected(job_status(jobs, stages, tasks)))
    counts = {
        "num_tasks": "numTasks",
        "num_active_tasks": "numActiveTasks",
        "num_completed_tasks": "numCompletedTasks",
        "num_skipped_tasks": "numSkippedTasks",
        "num_failed_tasks": "numFailedTasks",
        "num_killed_tasks": "numKilledTasks",
        "num_completed_indices": "numCompletedIndices",
        "num_active_stages": "numActiveStages",
        "num_completed_stages": "numCompletedStages",
        "num_skipped_stages": "numSkippedStages",
        "num_failed_stages": "numFailedStages",
    }
    names = ("status", "submission_time", "completion_time", *counts)
    theirs = {
        (job["jobId"],): {
            "status": job["status"],
            "submission_time": epoch_ms(job.get("submissionTime")),
            "completion_time": epoch_ms(job.get("completionTime")),
            "stage_ids": sorted(job["stageIds"]),
            "job_group_id": job.get("jobGroup"),
            **{name: max(job[field], 0) for name, field in counts.items()},
        }
        for job in server.jobs(log["app_id"])
    }
    mine = {
        (job,): {
            **{n: row[n] for n in names},
            "stage_ids": sorted(columns[job]["stage_ids"]),
            "job_group_id": columns[job]["job_group_id"],
        }
        for (job,), row in ours.items()
    }
    assert differences(mine, theirs) == {}
    assert len(theirs) == log["counts"]["jobs"]


# What the server calls a measure of a stage; shuffle_read_bytes is a sum of two.
_STAGE_MEASURES = {
    name: "".join((first, *(p.capitalize() for p in rest)))
    for name in TASK_METRICS
    for first, *rest in [name.split("_")]
}


def test_stages(server: HistoryServer, gold: Gold, log: dict[str, Any]) -> None:
    stages, tasks = (of_app(gold(f"spark{n}_gold"), log) for n in ("stage", "task"))
    names = {
        "status": "status",
        "num_tasks": "numTasks",
        "num_active_tasks": "numActiveTasks",
        "num_complete_tasks": "numCompleteTasks",
        "num_failed_tasks": "numFailedTasks",
        "num_killed_tasks": "numKilledTasks",
        "num_completed_indices": "numCompletedIndices",
        "failure_reason": "failureReason",
        **_STAGE_MEASURES,
    }
    times = {
        "submission_time": "submissionTime",
        "first_task_launched_time": "firstTaskLaunchedTime",
        "completion_time": "completionTime",
    }
    ours = by(("stage_id", "stage_attempt_id"), collected(stage_metrics(stages, tasks)))
    theirs = {
        (stage["stageId"], stage["attemptId"]): {
            **{name: stage.get(field) for name, field in names.items()},
            **{name: epoch_ms(stage.get(field)) for name, field in times.items()},
        }
        for stage in server.stages(log["app_id"])
        if stage["status"] not in ("SKIPPED", "PENDING")  # never submitted: no stage of the table
    }
    mine = {key: {n: row[n] for n in (*names, *times)} for key, row in ours.items()}
    assert differences(mine, theirs) == {}
    assert len(theirs) == log["counts"]["stage_attempts"]


def test_tasks(server: HistoryServer, gold: Gold, log: dict[str, Any]) -> None:
    info = F.col("task_info")
    ended = F.col("task_runtime.endEpochMS").isNotNull()
    tasks = of_app(gold("sparktask_gold"), log).select(
        "task_id",
        "stage_id",
        "stage_attempt_id",
        F.col("task_attempt_id").alias("attempt"),
        info["Index"].alias("index"),
        info["PartitionID"].alias("partition"),
        F.col("unixTimeMS").alias("launch"),
        F.when(ended, F.col("task_runtime.runTimeMS")).alias("duration"),
        "executor",
        "host",
        info["Locality"].alias("locality"),
        info["Speculative"].alias("speculative"),
        F.when(~ended, "RUNNING")
        .when(info["Failed"], "FAILED")
        .when(info["Killed"], "KILLED")
        .otherwise("SUCCESS")
        .alias("status"),
        *(F.when(ended, task_metric(name)).alias(name) for name in TASK_METRICS),
    )
    theirs = [
        {
            "task_id": task["taskId"],
            "stage_id": stage["stageId"],
            "stage_attempt_id": stage["attemptId"],
            "attempt": task["attempt"],
            "index": task["index"],
            "partition": task["partitionId"],
            "launch": epoch_ms(task["launchTime"]),
            "duration": None if task["status"] == "RUNNING" else task["duration"],
            "executor": task["executorId"],
            "host": task["host"],
            "locality": task["taskLocality"],
            "speculative": task["speculative"],
            "status": task["status"],
            **_measures(task.get("taskMetrics")),
        }
        for stage in server.stages(log["app_id"])
        for task in server.tasks(log["app_id"], stage["stageId"], stage["attemptId"])
    ]
    assert differences(by(("task_id",), collected(tasks)), by(("task_id",), theirs)) == {}
    assert len(theirs) == log["counts"]["tasks"]


def _measures(metrics: dict[str, Any] | None) -> dict[str, int | None]:
    """A task's measures under our names; none while it runs."""
    if metrics is None:
        return dict.fromkeys(TASK_METRICS)
    read, written = metrics["shuffleReadMetrics"], metrics["shuffleWriteMetrics"]
    return {
        "executor_deserialize_time": metrics["executorDeserializeTime"],
        "executor_deserialize_cpu_time": metrics["executorDeserializeCpuTime"],
        "executor_run_time": metrics["executorRunTime"],
        "executor_cpu_time": metrics["executorCpuTime"],
        "result_size": metrics["resultSize"],
        "jvm_gc_time": metrics["jvmGcTime"],
        "result_serialization_time": metrics["resultSerializationTime"],
        "memory_bytes_spilled": metrics["memoryBytesSpilled"],
        "disk_bytes_spilled": metrics["diskBytesSpilled"],
        "peak_execution_memory": metrics["peakExecutionMemory"],
        "input_bytes": metrics["inputMetrics"]["bytesRead"],
        "input_records": metrics["inputMetrics"]["recordsRead"],
        "output_bytes": metrics["outputMetrics"]["bytesWritten"],
        "output_records": metrics["outputMetrics"]["recordsWritten"],
        "shuffle_remote_blocks_fetched": read["remoteBlocksFetched"],
        "shuffle_local_blocks_fetched": read["localBlocksFetched"],
        "shuffle_fetch_wait_time": read["fetchWaitTime"],
        "shuffle_remote_bytes_read": read["remoteBytesRead"],
        "shuffle_remote_bytes_read_to_disk": read["remoteBytesReadToDisk"],
        "shuffle_local_bytes_read": read["localBytesRead"],
        "shuffle_read_records": read["recordsRead"],
        "shuffle_write_bytes": written["bytesWritten"],
        "shuffle_write_time": written["writeTime"],
        "shuffle_write_records": written["recordsWritten"],
    }


def test_executors(server: HistoryServer, gold: Gold, log: dict[str, Any]) -> None:
    executors, tasks = (of_app(gold(f"spark{n}_gold"), log) for n in ("executor", "task"))
    counts = {
        "num_active_tasks": "activeTasks",
        "num_completed_tasks": "completedTasks",
        "num_failed_tasks": "failedTasks",
        "total_tasks": "totalTasks",
        "total_duration": "totalDuration",
        "total_gc_time": "totalGCTime",
        "total_input_bytes": "totalInputBytes",
        "total_shuffle_read": "totalShuffleRead",
        "total_shuffle_write": "totalShuffleWrite",
    }
    ours = by(("executor_id",), collected(executor_totals(executors, tasks)))
    late = _counted_at_the_end(log)
    theirs = {}
    for executor in server.executors(log["app_id"]):
        if executor["id"] == "driver" and not executor["totalCores"]:
            continue
        theirs[executor["id"],] = {
            "add_time": epoch_ms(executor["addTime"]),
            "remove_time": epoch_ms(executor.get("removeTime")),
            "total_cores": executor["totalCores"],
            "remove_reason": executor.get("removeReason"),
            **{name: executor[field] + late[executor["id"]][name] for name, field in counts.items()},
        }
        if executor["id"] == "driver":
            for of_the_driver in ("total_duration", "total_gc_time"):
                theirs["driver",][of_the_driver] = ours["driver",][of_the_driver]
    shown = ("add_time", "remove_time", "total_cores", "remove_reason", *counts)
    assert differences({key: {n: row[n] for n in shown} for key, row in ours.items()}, theirs) == {}
    assert len(theirs) == log["counts"]["executors"]


def _counted_at_the_end(log: dict[str, Any]) -> dict[str, Counter[str]]:
    """What the server leaves out of an executor's totals, because it forgets the executor when it is removed.

    The scheduler announces the removal and, on another thread, the ends of the tasks that were lost with it. The server
    counts those that come first; for it the others run for ever.
    """
    late: dict[str, Counter[str]] = defaultdict(Counter)
    removed = set()
    for event in map(json.loads, lines_of(log["path"])):
        if event["Event"] == "SparkListenerExecutorRemoved":
            removed.add(event["Executor ID"])
        if event["Event"] == "SparkListenerTaskEnd" and event["Task Info"]["Executor ID"] in removed:
            info, reason = event["Task Info"], event["Task End Reason"]["Reason"]
            assert reason == "ExecutorLostFailure", "an end that does not come of the removal"
            of_executor = late[info["Executor ID"]]
            of_executor["num_active_tasks"] -= 1
            of_executor["num_failed_tasks"] += 1
            of_executor["total_duration"] += info["Finish Time"] - info["Launch Time"]
    return late


def test_executions(server: HistoryServer, gold: Gold, log: dict[str, Any]) -> None:
    executions, jobs = (of_app(gold(f"spark{n}_gold"), log) for n in ("execution", "job"))
    executions = executions.where(F.col("unixTimeMS").isNotNull())
    ours = by(("execution_id",), collected(execution_status(executions, jobs)))
    theirs = {
        (execution["id"],): {
            "status": execution["status"],
            "submission_time": epoch_ms(execution["submissionTime"]),
            "duration": None if execution["status"] == "RUNNING" else execution["duration"],
            "running_job_ids": sorted(execution["runningJobIds"]),
            "success_job_ids": sorted(execution["successJobIds"]),
            "failed_job_ids": sorted(execution["failedJobIds"]),
        }
        for execution in server.executions(log["app_id"])
    }
    names = ("status", "submission_time", "duration", "running_job_ids", "success_job_ids", "failed_job_ids")
    assert differences({key: {n: row[n] for n in names} for key, row in ours.items()}, theirs) == {}
    assert len(theirs) == log["counts"]["executions"]
