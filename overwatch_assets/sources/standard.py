"""The sources that a deployment file configures, put together."""

from functools import partial

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.sources.audit_logs import read_audit_logs
from overwatch_assets.sources.cluster_logs import event_log_prefixes
from overwatch_assets.sources.registry import Sources
from overwatch_assets.sources.workspace_clusters import ApiFactory, reader, workspace_api


def standard_sources(
    workspace: Workspace, *, api_factory: ApiFactory | None = None, default_cluster_id: str | None = None
) -> Sources:
    """Audit-log files, the workspace's API, and the event logs that its clusters declare.

    Args:
        workspace: the workspace to read.
        api_factory: connects to its API; None: as its row of the deployment file says.
        default_cluster_id: as in `Sources`.
    """
    configured = partial(workspace_api, workspace) if workspace.api_url else None
    return Sources(
        readers={"audit_log_files": read_audit_logs, "workspace_clusters": reader(api_factory or configured)},
        prefixes=event_log_prefixes,
        default_cluster_id=default_cluster_id,
    )
