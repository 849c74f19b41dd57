"""What `clusters/get` says of the story's clusters at a moment. Fields: Databricks' REST API reference."""

from collections.abc import Mapping
from typing import Any

from overwatch_assets.sample.story import Cluster, SampleWorkspace, Uptime

TERMINATIONS = {
    "INACTIVITY": ("SUCCESS", {"inactivity_duration_min": "60"}),
    "USER_REQUEST": ("SUCCESS", {}),
    "JOB_FINISHED": ("SUCCESS", {}),
    "DRIVER_UNREACHABLE": ("CLOUD_FAILURE", {"databricks_error_message": "Driver is unreachable."}),
}


def bodies(workspace: SampleWorkspace, now_ms: int) -> dict[str, Mapping[str, Any]]:
    """Give the clusters that the platform's user sees at a moment: by id, the body of `clusters/get`."""
    return {
        cluster.cluster_id: _body(workspace, cluster, now_ms)
        for cluster in workspace.clusters
        if cluster.exists(now_ms) and not cluster.forbidden
    }


def definition(workspace: SampleWorkspace, cluster: Cluster) -> dict[str, Any]:
    """Give what a user says of a cluster when creating it; also in audit logs."""
    facts = workspace.facts
    size: dict[str, Any] = {"num_workers": cluster.workers}
    if cluster.autoscale:
        low, high = cluster.autoscale
        size = {"autoscale": {"min_workers": low, "max_workers": high}}
    said: dict[str, Any] = {
        "cluster_name": cluster.name,
        "spark_version": cluster.spark_version,
        **_nodes(workspace, cluster),
        **size,
        "autotermination_minutes": cluster.autotermination_minutes,
        "custom_tags": dict(cluster.tags),
        "spark_conf": {"spark.sql.shuffle.partitions": "12"},
        "enable_elastic_disk": facts.elastic_disk or cluster.source == "JOB",
        "runtime_engine": "STANDARD",
        "data_security_mode": "NONE",
        facts.attributes: dict(facts.of_cluster),
    }
    if cluster.delivers_logs:
        said["cluster_log_conf"] = {"dbfs": {"destination": facts.log_destination}}
    if cluster.init_scripts:
        said["init_scripts"] = [dict(facts.init_script)]
    return said


def _nodes(workspace: SampleWorkspace, cluster: Cluster) -> dict[str, str]:
    if cluster.pool_id:
        return {"instance_pool_id": cluster.pool_id, "driver_instance_pool_id": cluster.pool_id}
    return {"node_type_id": workspace.node_type, "driver_node_type_id": workspace.driver_node_type}


def _body(workspace: SampleWorkspace, cluster: Cluster, now_ms: int) -> dict[str, Any]:
    up = cluster.uptime(now_ms)
    worker = workspace.facts.worker
    driver = workspace.driver(cluster)
    default_tags = {
        "Vendor": "Databricks",
        "Creator": cluster.creator.email,
        "ClusterName": cluster.name,
        "ClusterId": cluster.cluster_id,
    }
    body = {
        "cluster_id": cluster.cluster_id,
        "creator_user_name": cluster.creator.email,
        "cluster_source": cluster.source,
        **definition(workspace, cluster),
        "node_type_id": worker.name,
        "driver_node_type_id": driver.name,
        "enable_local_disk_encryption": False,
        "disk_spec": {},
        "effective_spark_version": cluster.spark_version,
        "start_time": cluster.created_ms,
        "default_tags": default_tags,
        **_state(up, now_ms),
    }
    if up is None:
        return body
    application = up.application
    if application is not None and application.start_ms <= now_ms:
        body["spark_context_id"] = int(application.spark_context_id)
    if body["state"] == "RUNNING":
        body |= {
            "cluster_cores": float(driver.cores + cluster.workers * worker.cores),
            "cluster_memory_mb": driver.memory_mb + cluster.workers * worker.memory_mb,
            "jdbc_port": 10000,
        }
        if application is not None:
            of_driver, *workers = (_node(cluster, host, up.running_ms) for host in application.hosts)
            body |= {"driver": of_driver, "executors": workers}
    if cluster.uptimes[0] is not up:
        body["last_restarted_time"] = up.running_ms
    return body


def _state(up: Uptime | None, now_ms: int) -> dict[str, Any]:
    if up is None:
        return {"state": "TERMINATED", "state_message": ""}
    if now_ms < up.running_ms:
        return {"state": "PENDING", "state_message": "Finding instances for new nodes"}
    if up.terminated_ms is None or now_ms < up.terminated_ms:
        return {"state": "RUNNING", "state_message": "", "last_state_loss_time": 0}
    kind, parameters = TERMINATIONS[up.reason]
    return {
        "state": "TERMINATED",
        "state_message": f"Terminated: {up.reason}",
        "terminated_time": up.terminated_ms,
        "termination_reason": {"code": up.reason, "type": kind, "parameters": parameters},
    }


def _node(cluster: Cluster, host: str, since_ms: int) -> dict[str, Any]:
    return {
        "private_ip": host,
        "node_id": f"{cluster.cluster_id}-{host.replace('.', '-')}",
        "instance_id": f"i-{cluster.cluster_id.rpartition('-')[2]}-{host.rpartition('.')[2]}",
        "start_timestamp": since_ms,
        "host_private_ip": host,
    }
