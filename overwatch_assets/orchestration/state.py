"""What is loaded, changed and refused in a workspace, read from its tables without starting Spark."""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from overwatch_assets.bronze.clusters_snapshot_bronze import clusters_snapshot_bronze as CLUSTERS
from overwatch_assets.bronze.spark_events_processedfiles import spark_events_processedfiles as TRACKER
from overwatch_assets.config.deployment import Deployment, Workspace
from overwatch_assets.contract.table import Table
from overwatch_assets.rules.days import DAY_MS
from overwatch_assets.runner.report import Loaded
from overwatch_assets.runner.staleness import Change, State
from overwatch_assets.runner.state import PIPELINE_REPORT, QUARANTINE, TABLE_CHANGES
from overwatch_assets.runner.window import Window, to_ms
from overwatch_assets.sources.cluster_logs import destination_of, mounts_of, unmounted
from overwatch_assets.storage import sql
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.scan import scan, version_of


@dataclass(frozen=True)
class ReadFile:
    """An event log as it was when it was last read.

    Attributes:
        until_ms: time of the last record before the point where reading continues; None: not known.
    """

    size: int
    modified_ms: int
    until_ms: int | None


def state_of(deployment: Deployment, workspace_id: str, of: Sequence[Table] | None = None) -> State:
    """Read the workspace's report and change records: all, or of some tables the loads and their inputs' changes."""
    loads = changes = ""
    if of is not None:  # both tables have many small files, and bounds or partitions that tell which
        loads = f"AND {sql.one_of(sql.quoted('moduleID'), [t.module_id for t in of if t.module_id is not None])} "
        changes = f"AND {sql.one_of('table_name', sorted({name for t in of for name in t.upstreams}))} "
    return State(
        [
            Loaded(
                r["moduleID"],
                Window(r["fromTS"], r["untilTS"]),
                r["status"],
                to_ms(r["Pipeline_SnapTS"]),
                r["runStartTS"] or 0,
                dict(r["inputsRead"] or ()),
            )
            for r in _rows(
                deployment,
                workspace_id,
                PIPELINE_REPORT,
                '"moduleID", "fromTS", "untilTS", substr(status, 1, 200) AS status, "Pipeline_SnapTS", "runStartTS", '
                '"inputsRead"',
                loads + 'ORDER BY "reportedTS", "Pipeline_SnapTS"',  # a load that failed has no start
            )
        ],
        [
            Change(r["table_name"], Window(r["fromTS"], r["untilTS"]), r["number"])
            for r in _rows(
                deployment,
                workspace_id,
                TABLE_CHANGES,
                'table_name, "fromTS", "untilTS", max(number) AS number',
                changes + 'GROUP BY table_name, "fromTS", "untilTS"',
            )
        ],
    )


def report_version(deployment: Deployment, workspace_id: str) -> int | None:
    """Delta version of a workspace's report, of which each load makes a new one; None: nothing was ever loaded."""
    return version_of(Location(deployment.table_root(workspace_id)), PIPELINE_REPORT, organization_id=workspace_id)


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
