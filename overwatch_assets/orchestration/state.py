"""What is loaded, changed and refused in a workspace, read from its tables without starting Spark."""

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass

from overwatch_assets.bronze.clusters_snapshot_bronze import clusters_snapshot_bronze as CLUSTERS
from overwatch_assets.bronze.spark_events_processedfiles import spark_events_processedfiles as TRACKER
from overwatch_assets.config.deployment import Deployment, Workspace
from overwatch_assets.contract.table import Table
from overwatch_assets.rules.days import DAY_MS
from overwatch_assets.runner.known import Known
from overwatch_assets.runner.staleness import State
from overwatch_assets.runner.state import QUARANTINE
from overwatch_assets.runner.window import to_ms
from overwatch_assets.sources.cluster_logs import destination_of, mounts_of, unmounted
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.scan import scan


@dataclass(frozen=True)
class ReadFile:
    """An event log as it was when it was last read.

    Attributes:
        until_ms: time of the last record before the point where reading continues; None: not known.
    """

    size: int
    modified_ms: int
    until_ms: int | None


def state_of(deployment: Deployment, workspace_id: str) -> State:
    """What is loaded and changed in a workspace.

    Raises:
        StorageError: it cannot be read.
    """
    return Known.at(Location(deployment.table_root(workspace_id)), workspace_id).state()


def quarantined(
    deployment: Deployment, workspace_id: str, table: Table, days: Iterable[dt.date] | None
) -> dict[str, int]:
    """Count the pieces of a table's input in quarantine, by reason; of loads of some days, or of all."""
    chosen = "" if days is None else " AND date IN (" + ", ".join(f"DATE '{d.isoformat()}'" for d in days) + ")"
    rows = _rows(
        deployment,
        workspace_id,
        QUARANTINE,
        "reason, count(*) AS n",
        f"AND source = '{table.name}'{chosen} GROUP BY reason ORDER BY n DESC, reason",
    )
    return {r["reason"]: r["n"] for r in rows}


def files_read(deployment: Deployment, workspace_id: str) -> dict[str, ReadFile]:
    """Return the event logs that were read, by tracked path."""
    select = 'filename, "fileSize", "fileCreateEpochMS", "lastTimeMS"'
    return {
        r["filename"]: ReadFile(r["fileSize"], r["fileCreateEpochMS"], r["lastTimeMS"])
        for r in _rows(deployment, workspace_id, TRACKER, select)
    }


def log_folders(deployment: Deployment, workspace: Workspace, now: dt.datetime) -> list[str]:
    """Name the folders of event logs to look into: the deployment file's, and those of clusters that may still deliver.

    Those are the clusters of the newest snapshot that had not ended two days ago. A load knows more, from audit logs.

    Raises:
        SourceError: `mount_mapping_path` cannot be read.
    """
    recent = to_ms(now) - 2 * DAY_MS
    rows = _rows(
        deployment,
        workspace.workspace_id,
        CLUSTERS,
        "snapshot_date, cluster_id, cluster_log_conf",
        f"AND cluster_log_conf IS NOT NULL AND coalesce(terminated_time, {recent}) >= {recent}",
    )
    newest = max((r["snapshot_date"] for r in rows), default=None)
    mounts = mounts_of(workspace)
    declared = {
        unmounted(f"{destination}/{r['cluster_id']}/eventlog", mounts)
        for r in rows
        if r["snapshot_date"] == newest and (destination := destination_of(json.dumps(r["cluster_log_conf"])))
    }
    return sorted({*workspace.cluster_log_prefixes, *declared})


def _rows(deployment: Deployment, workspace_id: str, table: Table, select: str, tail: str = "") -> list[dict]:  # type: ignore[type-arg]  # values of many types
    location = Location(deployment.table_root(workspace_id))
    found = scan(location, table, select, organization_id=workspace_id, tail=tail)
    return [] if found is None else found.to_pylist()
