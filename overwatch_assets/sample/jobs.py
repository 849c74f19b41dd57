"""What `jobs/list` and `instance-pools/list` say of the story at a moment. Fields: Databricks' REST API reference."""

from typing import Any

from overwatch_assets.sample.clusters import definition
from overwatch_assets.sample.story import Cluster, Job, Pool, SampleWorkspace

_JOB_CLUSTER = "main"
_NOT_OF_A_JOB = {"cluster_name", "autotermination_minutes"}


def jobs(workspace: SampleWorkspace, now_ms: int) -> list[dict[str, Any]]:
    """Give the jobs that exist at a moment, with their tasks."""
    return [
        {
            "job_id": job.job_id,
            "creator_user_name": job.owner.email,
            "created_time": job.created_ms,
            "settings": settings(workspace, job, now_ms),
        }
        for job in workspace.jobs
        if job.created_ms <= now_ms
    ]


def settings(workspace: SampleWorkspace, job: Job, now_ms: int) -> dict[str, Any]:
    """Give a job's settings at a moment."""
    of_tasks = {run.task_key: run for run in workspace.runs if run.job.job_id == job.job_id}
    own = next((run for run in of_tasks.values() if run.on_job_cluster), None)
    keys = sorted(of_tasks, key=lambda key: of_tasks[key].started_ms)
    tasks = []
    for before, key in zip([None, *keys], keys, strict=False):
        where = (
            {"job_cluster_key": _JOB_CLUSTER} if own is not None else {"existing_cluster_id": of_tasks[key].cluster_id}
        )
        needs = {"depends_on": [{"task_key": before}]} if before else {}
        tasks.append({"task_key": key, **needs, **where, **work(job, key), "timeout_seconds": 0})
    said: dict[str, Any] = {
        "name": job.name,
        "format": "MULTI_TASK",
        "max_concurrent_runs": 1,
        "timeout_seconds": 0,
        "email_notifications": {"no_alert_for_skipped_runs": False, "on_failure": [job.owner.email]},
        "tasks": tasks,
    }
    if own is not None:
        cluster = new_cluster(workspace, workspace.cluster(own.cluster_id))
        said["job_clusters"] = [{"job_cluster_key": _JOB_CLUSTER, "new_cluster": cluster}]
    for change in job.changes:
        if change.at_ms <= now_ms:
            said = {name: value for name, value in (said | dict(change.settings)).items() if name not in change.removed}
    return said


def work(job: Job, task_key: str) -> dict[str, Any]:
    """Say what a task runs."""
    if job.task_type == "notebook":
        path = f"/Repos/{job.owner.email}/{job.name}/{task_key}"
        return {"notebook_task": {"notebook_path": path, "source": "WORKSPACE", "base_parameters": {"day": "today"}}}
    file = f"dbfs:/jobs/{job.name}/{task_key}.py"
    return {"spark_python_task": {"python_file": file, "parameters": ["--day", "today"]}}


def new_cluster(workspace: SampleWorkspace, cluster: Cluster) -> dict[str, Any]:
    """Give what a job says of the cluster that it makes for itself."""
    return {name: value for name, value in definition(workspace, cluster).items() if name not in _NOT_OF_A_JOB}


def pools(workspace: SampleWorkspace, now_ms: int) -> list[dict[str, Any]]:
    """Give the pools that exist at a moment, with what their instances do."""
    return [
        {
            "instance_pool_id": pool.pool_id,
            **pool_definition(workspace, pool, now_ms),
            "default_tags": {
                "Vendor": "Databricks",
                "DatabricksInstancePoolCreatorId": str(pool.creator.user_id),
                "DatabricksInstancePoolId": pool.pool_id,
            },
            "enable_elastic_disk": True,
            "state": "ACTIVE",
            "stats": _stats(workspace, pool, now_ms),
            "status": {},
        }
        for pool in workspace.pools
        if pool.created_ms <= now_ms
    ]


def pool_definition(workspace: SampleWorkspace, pool: Pool, now_ms: int) -> dict[str, Any]:
    """Give what a user says of a pool; also in audit logs."""
    return {
        "instance_pool_name": pool.name,
        "node_type_id": workspace.node_type,
        "min_idle_instances": pool.min_idle,
        "max_capacity": pool.capacity(now_ms),
        "idle_instance_autotermination_minutes": 30,
        "preloaded_spark_versions": [workspace.clusters[0].spark_version],
        "custom_tags": {"team": "platform"},
        workspace.facts.attributes: dict(workspace.facts.of_pool),
    }


def _stats(workspace: SampleWorkspace, pool: Pool, now_ms: int) -> dict[str, int]:
    used = pending = 0
    for cluster in workspace.clusters:
        up = cluster.uptime(now_ms)
        if cluster.pool_id != pool.pool_id or up is None or (up.terminated_ms or now_ms + 1) <= now_ms:
            continue
        nodes = 1 + cluster.workers
        used, pending = (used + nodes, pending) if up.running_ms <= now_ms else (used, pending + nodes)
    return {"used_count": used, "idle_count": pool.min_idle, "pending_used_count": pending, "pending_idle_count": 0}
