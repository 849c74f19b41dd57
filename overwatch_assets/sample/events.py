"""What `clusters/events` says of the story's clusters at a moment. Fields: Databricks' REST API reference."""

from collections.abc import Iterator
from typing import Any

from overwatch_assets.sample.clusters import TERMINATIONS, definition
from overwatch_assets.sample.story import DAY, MINUTE, Cluster, SampleWorkspace, Uptime

_GB = 1 << 30
_STATISTICS_MS = 30 * MINUTE


def events(workspace: SampleWorkspace, now_ms: int) -> dict[str, list[dict[str, Any]]]:
    """Give by cluster what happened to it until a moment, the oldest first; a deleted cluster has none."""
    told = {}
    for cluster in workspace.clusters:
        if cluster.exists(now_ms):
            found = [e for e in _of_cluster(workspace, cluster, now_ms) if e["timestamp"] <= now_ms]
            told[cluster.cluster_id] = sorted(found, key=lambda e: e["timestamp"])
    return told


def _of_cluster(workspace: SampleWorkspace, cluster: Cluster, now_ms: int) -> Iterator[dict[str, Any]]:
    for up in cluster.uptimes:
        for at, kind, details in _of_uptime(cluster, up, now_ms):
            yield {"cluster_id": cluster.cluster_id, "timestamp": at, "type": kind, "details": details}
    if cluster.edited_ms is not None:
        said = definition(workspace, cluster)
        before = said | {"autotermination_minutes": cluster.autotermination_minutes + 60}
        details = {"user": cluster.creator.email, "attributes": said, "previous_attributes": before}
        yield {
            "cluster_id": cluster.cluster_id,
            "timestamp": cluster.edited_ms,
            "type": "EDITED",
            "details": details | {"cluster_size": _size(cluster), "previous_cluster_size": _size(cluster)},
        }


def _of_uptime(cluster: Cluster, up: Uptime, now_ms: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
    size, low = _size(cluster), cluster.workers
    workers = {"current_num_workers": low, "target_num_workers": low}
    begun: dict[str, Any] = {"cluster_size": size, "user": up.started_by.email}
    if cluster.source == "JOB":
        begun["job_run_name"] = cluster.name
    yield up.requested_ms, "CREATING" if up.requested_ms == cluster.created_ms else "STARTING", begun
    yield up.running_ms - MINUTE, "INIT_SCRIPTS_STARTED", {}
    yield up.running_ms - MINUTE // 3, "INIT_SCRIPTS_FINISHED", {}
    yield up.running_ms - 2_000, "DRIVER_HEALTHY", {}
    yield up.running_ms, "RUNNING", {**workers, "cluster_size": size}
    ended_ms = up.terminated_ms or now_ms + DAY  # it goes on
    if cluster.autoscale:
        yield from _scaled(cluster.autoscale, size, up.running_ms, ended_ms)
    if up.reason == "DRIVER_UNREACHABLE":
        yield ended_ms - 5 * MINUTE, "DRIVER_NOT_RESPONDING", {}
    if up.terminated_ms is None:
        return
    code, (kind, parameters) = up.reason, TERMINATIONS[up.reason]
    ending: dict[str, Any] = {"reason": {"code": code, "type": kind, "parameters": parameters}}
    if code == "USER_REQUEST":
        ending["user"] = up.started_by.email
    yield up.terminated_ms, "TERMINATING", ending
    if cluster.source == "JOB":  # its last node reports after it has ended
        disk = {"previous_disk_size": 100 * _GB, "disk_size": 150 * _GB, "free_space": 52 * _GB}
        instance = f"i-{cluster.cluster_id.rpartition('-')[2]}-0"
        yield up.terminated_ms + 20_000, "EXPANDED_DISK", {**disk, "instance_id": instance}


def _scaled(
    limits: tuple[int, int], size: dict[str, Any], since_ms: int, until_ms: int
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Grow to the limit around each midnight, shrink after it; statistics every half hour."""
    low, high = limits

    def sized(current: int, target: int) -> dict[str, Any]:
        numbers = {"current_num_workers": current, "target_num_workers": target}
        return {**numbers, "cluster_size": size, "cause": "AUTOSCALE"}

    for midnight in range(since_ms // DAY * DAY + DAY, until_ms, DAY):
        if since_ms < midnight - 5 * MINUTE and midnight + 40 * MINUTE < until_ms:
            yield midnight - 5 * MINUTE, "RESIZING", sized(low, high)
            yield midnight + 4 * MINUTE, "UPSIZE_COMPLETED", sized(high, high)
            yield midnight + 40 * MINUTE, "RESIZING", sized(high, low)
    for at in range(since_ms + _STATISTICS_MS, until_ms, _STATISTICS_MS):
        yield at, "AUTOSCALING_STATS_REPORT", {"cluster_size": size}


def _size(cluster: Cluster) -> dict[str, Any]:
    if cluster.autoscale:
        low, high = cluster.autoscale
        return {"autoscale": {"min_workers": low, "max_workers": high}}
    return {"num_workers": cluster.workers}
