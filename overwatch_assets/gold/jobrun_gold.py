"""Module 3003: runs of jobs, for queries."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Fold, Interval, Linked, View, table
from overwatch_assets.rules.renamed import Renamed, renamed_columns, same, values_of
from overwatch_assets.silver.jobrun_silver import jobrun_silver as SILVER

_DOCUMENTED = (
    Renamed("job_id", "jobId"),
    Renamed("job_name", "jobName"),
    Renamed("run_id", "runId", nullable=False),
    *same("run_name"),
    Renamed("multitask_parent_run_id", "multitaskParentRunId"),
    Renamed("job_run_id", "jobRunId", nullable=False),
    Renamed("task_run_id", "taskRunId"),
    Renamed("repair_id", "repairId"),
    Renamed("task_key", "taskKey"),
    Renamed("cluster_type", "clusterType"),
    Renamed("cluster_id", "clusterId"),
    *same("cluster_name", "job_cluster_key", "job_cluster", "new_cluster", "tags", "task_detail"),
    Renamed("task_dependencies", "taskDependencies"),
    Renamed("task_runtime", "TaskRunTime"),
    Renamed(
        "task_execution_runtime",
        "TaskExecutionRunTime",
        "As `task_runtime`: audit logs do not tell when the compute was ready.",
    ),
    Renamed("task_type", "taskType"),
    Renamed("terminal_state", "terminalState"),
    Renamed("job_trigger_type", "jobTriggerType"),
    *same(
        "schedule",
        "libraries",
        "manual_override_params",
        "repair_details",
        "timeout_seconds",
        "retry_on_timeout",
        "max_retries",
        "min_retry_interval_millis",
        "max_concurrent_runs",
        "run_as_user_name",
    ),
    Renamed("parent_run_id", "parentRunId"),
    *same("workflow_context", "task_detail_legacy", "submitRun_details", "created_by", "last_edited_by"),
    Renamed("request_detail", "requestDetails"),
    Renamed("time_detail", "timeDetails"),
)
_COLUMNS = (
    *_DOCUMENTED,
    *same("startEpochMS", "endEpochMS", "submissionEpochMS", "startDate", "is_open"),
)


@table(
    module_id=3003,
    module_name="Gold_JobRun",
    rebuild=Fold(),
    entity=("job_run_id",),
    keys=("run_id", "startEpochMS"),
    links=("cluster_id", "run_id"),
    partition="startDate",
    interval=Interval("startEpochMS", "endEpochMS"),
    z_order=("job_id", "run_id"),
    inputs={"jobrun_silver": Linked(("jobRunId",))},
    view=View("jobRun", ("organization_id", "workspace_name", *(column.name for column in _DOCUMENTED))),
    columns=renamed_columns(SILVER, _COLUMNS),
)
def jobrun_gold(spans: DataFrame, jobrun_silver: DataFrame) -> DataFrame:
    """Every run of every task, from its submission to its end.

    One row: one life of one task's run; of a job's run that has started no task, the job's run, with a null start.
    """
    return jobrun_silver.select(*values_of(_COLUMNS))
