"""What the API says of the story's policies, libraries, instance profiles and init scripts, and of runs, at a moment.

Fields: Databricks' REST API reference.
"""

import json
from collections.abc import Sequence
from typing import Any

from overwatch_assets.sample.clouds import INSTANCE_PROFILE
from overwatch_assets.sample.jobs import new_cluster, work
from overwatch_assets.sample.story import DAY, ENGINEER, FIRST_MS, HOUR, PLATFORM, Run, SampleWorkspace

_TRIGGERS = {"periodic": "PERIODIC", "manual": "ONE_TIME"}
_LONG_AGO = FIRST_MS - 60 * DAY


def policies(workspace: SampleWorkspace, now_ms: int) -> list[dict[str, Any]]:
    """Give the cluster policies that exist at a moment; one of them is made on the second day."""
    size = {"autotermination_minutes": {"type": "range", "maxValue": 120}}
    storage = {"spark_conf.fs.azure.account.key.lake": {"type": "fixed", "value": "{{secrets/lake/key}}"}}
    made = FIRST_MS + DAY + 10 * HOUR
    found: list[dict[str, Any]] = [
        {
            "policy_id": _hex(workspace, 1),
            "name": "Job Compute",
            "definition": json.dumps({"spark_version": {"type": "unlimited", "defaultValue": "auto:latest-lts"}}),
            "policy_family_id": "job-cluster",
            "created_at_timestamp": _LONG_AGO,
            "is_default": True,
        },
        {
            "policy_id": _hex(workspace, 2),
            "name": "team analytics",
            "description": "Clusters that end when nobody uses them.",
            "definition": json.dumps(size | storage),
            "creator_user_name": PLATFORM.email,
            "created_at_timestamp": made,
            "is_default": False,
            "max_clusters_per_user": 2,
            "libraries": [{"pypi": {"package": "requests==2.31.0"}}],
        },
    ]
    return [policy for policy in found if policy["created_at_timestamp"] <= now_ms]


def libraries(workspace: SampleWorkspace, now_ms: int) -> list[dict[str, Any]]:
    """Give the clusters with libraries; those of a cluster that is not up wait to be installed."""
    cluster = next(c for c in workspace.clusters if c.name == "shared-analytics")
    up = cluster.uptime(now_ms)
    is_up = up is not None and up.running_ms <= now_ms < (up.terminated_ms or now_ms + 1)
    told = (
        ({"pypi": {"package": "requests==2.31.0"}}, False),
        ({"maven": {"coordinates": "org.jsoup:jsoup:1.7.2", "exclusions": ["slf4j:slf4j"]}}, True),
    )
    statuses = [
        {
            "library": library,
            "status": "INSTALLED" if is_up else "PENDING",
            "is_library_for_all_clusters": of_all,
        }
        for library, of_all in told
    ]
    return [{"cluster_id": cluster.cluster_id, "library_statuses": statuses}]


def instance_profiles(workspace: SampleWorkspace) -> list[dict[str, Any]]:
    """Give the instance profiles, which AWS has."""
    if not workspace.facts.instance_profiles:
        return []
    account = INSTANCE_PROFILE.partition(":instance-profile/")[0]
    return [
        {"instance_profile_arn": INSTANCE_PROFILE, "is_meta_instance_profile": False},
        {
            "instance_profile_arn": f"{account}:instance-profile/people",
            "iam_role_arn": f"{account}:role/people-of-databricks",
            "is_meta_instance_profile": True,
        },
    ]


def init_scripts(workspace: SampleWorkspace, now_ms: int) -> list[dict[str, Any]]:
    """Give the global init scripts; one is switched on on the second day."""
    changed = FIRST_MS + DAY + 12 * HOUR
    proxy = {
        "script_id": _hex(workspace, 3),
        "name": "proxy",
        "position": 0,
        "enabled": True,
        "created_by": PLATFORM.email,
        "created_at": _LONG_AGO,
        "updated_by": PLATFORM.email,
        "updated_at": _LONG_AGO,
    }
    monitor = {
        **proxy,
        "script_id": _hex(workspace, 4),
        "name": "monitor",
        "position": 1,
        "enabled": changed <= now_ms,
        "updated_by": ENGINEER.email,
        "updated_at": changed if changed <= now_ms else _LONG_AGO,
    }
    return [proxy, monitor]


def runs(workspace: SampleWorkspace, now_ms: int) -> list[dict[str, Any]]:
    """Give the runs of jobs that have started at a moment, with the runs of their tasks."""
    by_parent: dict[int, list[Run]] = {}
    for run in workspace.runs:
        if run.started_ms <= now_ms:
            by_parent.setdefault(run.parent_run_id, []).append(run)
    return [_run(workspace, parent, tasks, now_ms) for parent, tasks in by_parent.items()]


def _run(workspace: SampleWorkspace, run_id: int, tasks: Sequence[Run], now_ms: int) -> dict[str, Any]:
    first, start = tasks[0], min(task.started_ms for task in tasks)
    end = max(task.ended_ms for task in tasks)
    last = {task.task_key: task for task in tasks}
    body: dict[str, Any] = {
        "job_id": first.job.job_id,
        "run_id": run_id,
        "number_in_job": run_id,
        "original_attempt_run_id": run_id,
        "state": _state(list(last.values()), now_ms),
        "start_time": start,
        "setup_duration": 0,
        "execution_duration": 0,
        "cleanup_duration": 0,
        "end_time": end if end <= now_ms else 0,
        "run_duration": min(end, now_ms) - start,
        "trigger": _TRIGGERS[first.trigger],
        "creator_user_name": first.job.owner.email,
        "run_name": first.job.name,
        "run_page_url": f"{workspace.url}/?o={workspace.workspace_id}#job/{first.job.job_id}/run/{run_id}",
        "run_type": "SUBMIT_RUN" if first.launch == "submitRun" else "JOB_RUN",
        "format": "MULTI_TASK",
        "tasks": [_task(task, now_ms) for task in tasks],
    }
    if first.on_job_cluster:
        cluster = new_cluster(workspace, workspace.cluster(first.cluster_id))
        body["job_clusters"] = [{"job_cluster_key": "main", "new_cluster": cluster}]
    repairs = [task for task in tasks if task.repair_id is not None]
    if repairs:
        body["repair_history"] = [
            {"type": "ORIGINAL", "start_time": start, "task_run_ids": [t.run_id for t in tasks if t not in repairs]},
            *(
                {"type": "REPAIR", "id": t.repair_id, "start_time": t.started_ms, "task_run_ids": [t.run_id]}
                for t in repairs
            ),
        ]
    return body


def _task(run: Run, now_ms: int) -> dict[str, Any]:
    where = {"job_cluster_key": "main"} if run.on_job_cluster else {"existing_cluster_id": run.cluster_id}
    return {
        "run_id": run.run_id,
        "task_key": run.task_key,
        **where,
        **work(run.job, run.task_key),
        "cluster_instance": {"cluster_id": run.cluster_id},
        "state": _state([run], now_ms),
        "start_time": run.started_ms,
        "execution_duration": min(run.ended_ms, now_ms) - run.started_ms,
        "end_time": run.ended_ms if run.ended_ms <= now_ms else 0,
        "attempt_number": int(run.repair_id is not None),
    }


def _state(tasks: Sequence[Run], now_ms: int) -> dict[str, Any]:
    if any(task.ended_ms > now_ms for task in tasks):
        return {"life_cycle_state": "RUNNING", "state_message": "In run"}
    if any(task.cancelled_ms is not None for task in tasks):
        return {"life_cycle_state": "TERMINATED", "result_state": "CANCELED", "user_cancelled_or_timedout": True}
    result = "SUCCESS" if all(task.succeeded for task in tasks) else "FAILED"
    return {"life_cycle_state": "TERMINATED", "result_state": result}


def _hex(workspace: SampleWorkspace, number: int) -> str:
    return f"{int(workspace.workspace_id) % 16**12:012X}{number:04X}"
