"""The sources that a deployment file configures, put together."""

from functools import partial

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.config.fields import Cloud
from overwatch_assets.sources import (
    workspace_cluster_events,
    workspace_clusters,
    workspace_job_runs,
    workspace_sql_queries,
    workspace_tokens,
)
from overwatch_assets.sources.audit_logs import read_audit_logs
from overwatch_assets.sources.cluster_logs import event_log_prefixes
from overwatch_assets.sources.prices import price_readers
from overwatch_assets.sources.registry import Reader, Sources
from overwatch_assets.sources.warehouse_events import read_warehouse_events
from overwatch_assets.sources.workspace import ApiFactory, list_reader, on_cloud, workspace_api
from overwatch_assets.sources.workspace_api import INIT_SCRIPTS, INSTANCE_PROFILES, LIBRARIES, POLICIES


def standard_sources(
    workspace: Workspace, *, api_factory: ApiFactory | None = None, default_cluster_id: str | None = None
) -> Sources:
    """Audit-log files, the workspace's API, system tables, its prices, and the event logs that its clusters declare.

    Args:
        workspace: the workspace to read.
        api_factory: connects to its API; None: as its row of the deployment file says.
        default_cluster_id: as in `Sources`.
    """
    api = api_factory or (partial(workspace_api, workspace) if workspace.api_url else None)
    return Sources(
        readers=workspace_readers(api),
        prefixes=event_log_prefixes,
        default_cluster_id=default_cluster_id,
    )


def workspace_readers(api: ApiFactory | None) -> dict[str, Reader]:
    """Readers of all sources but event logs, by source."""
    return {
        "audit_log_files": read_audit_logs,
        "workspace_clusters": workspace_clusters.reader(api),
        "workspace_cluster_events": workspace_cluster_events.reader(api),
        "workspace_sql_queries": workspace_sql_queries.reader(api),
        "workspace_pools": list_reader(api, "pools", "instance_pool_id", "string", lambda a: a.list_pools()),
        "workspace_jobs": list_reader(api, "jobs", "job_id", "bigint", lambda a: a.list_jobs()),
        "workspace_job_runs": workspace_job_runs.reader(api),
        "workspace_libraries": list_reader(api, "clusters", "cluster_id", "string", lambda a: a.list_all(LIBRARIES)),
        "workspace_policies": list_reader(api, "clusters", "policy_id", "string", lambda a: a.list_all(POLICIES)),
        "workspace_instance_profiles": on_cloud(
            Cloud.AWS,
            list_reader(api, "clusters", "instance_profile_arn", "string", lambda a: a.list_all(INSTANCE_PROFILES)),
        ),
        "workspace_tokens": workspace_tokens.reader(api),
        "workspace_init_scripts": list_reader(
            api, "accounts", "script_id", "string", lambda a: a.list_all(INIT_SCRIPTS), secrets=("script",)
        ),
        "workspace_warehouses": list_reader(api, "dbsql", "id", "string", lambda a: a.list_warehouses()),
        "warehouse_events": read_warehouse_events,
        **price_readers(),
    }
