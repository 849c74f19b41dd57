"""Where a workspace's clusters deliver their event logs.

The clusters with activity in the window, and the destinations that audit logs and snapshots say they have, besides the
folders of the deployment file.
"""

import csv
import datetime as dt
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.config.fields import Cloud
from overwatch_assets.errors import SourceError
from overwatch_assets.rules.audit_records import cluster_id_of
from overwatch_assets.rules.json_values import parsed
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reject, content_hash, forget, quarantine
from overwatch_assets.sources.workspace import latest_snapshots
from overwatch_assets.storage.location import DBFS, filesystem
from overwatch_assets.storage.tables import is_any

_KINDS = ("dbfs", "s3", "volumes", "abfss")  # of destinations; the first that a cluster has counts, then any other
_ROOT = ""  # the mount point of all that is mounted nowhere else
_MOUNT_COLUMNS = ("mountPoint", "source", "workspace_id")
_REQUESTS = 8  # at a time
_VOLUME_PARTS = 5  # of the path of a volume: /Volumes/<catalog>/<schema>/<volume>
_CLUSTER = "event_cluster_id"
_DECLARED = "declared log prefixes"
_THERE, _MISSING, _UNREACHABLE = "read", "without logs yet", "not reachable"
UNREACHABLE = f"{_DECLARED}: {_UNREACHABLE}"  # as a load counts them


def event_log_prefixes(load: Load) -> list[str]:
    """Folders of event logs for a load's window: those of the deployment file, and those that clusters declare.

    A declared one is `<destination>/<cluster id>/eventlog` of a cluster with activity: one that audit logs name in the
    window, that a snapshot shows alive in it, or that runs in the latest snapshot. Destinations are of all audit
    records of such a cluster and of its latest snapshot. One that does not exist yet, or that nothing here reaches, is
    left out and counted; those of the deployment file are given whether they exist or not.

    Raises:
        SourceError: `mount_mapping_path` cannot be read.
    """
    snapshots = latest_snapshots(load, load.window.from_ms, load.window.until_ms)
    last = max((r["snapshot_date"] for r in snapshots), default=None)
    running = {r["cluster_id"] for r in snapshots if r["state"] == "RUNNING" and r["snapshot_date"] == last}
    active = _named_by_audit(load) | running | {r["cluster_id"] for r in snapshots if r["alive"]}
    confs = {(r["cluster_id"], r["conf"]) for r in snapshots if r["conf"]} | _confs_of_audit(load, active)
    declared = {
        f"{destination}/{cluster_id}/eventlog"
        for cluster_id, conf in confs
        if cluster_id in active and (destination := destination_of(conf)) is not None
    }
    mounts = mounts_of(load.workspace)
    there = _existing(load, sorted({unmounted(prefix, mounts) for prefix in declared}))
    return sorted({*load.workspace.cluster_log_prefixes, *there})


def destination_of(conf: str) -> str | None:
    """Return the destination in a cluster's log configuration (JSON), without a trailing slash; None without one."""
    try:
        kinds = parsed(conf)
    except ValueError:
        return None
    if not isinstance(kinds, dict):
        return None
    for kind in (*_KINDS, *sorted(kinds.keys() - set(_KINDS))):
        place = kinds.get(kind)
        found = place.get("destination") if isinstance(place, dict) else None
        if isinstance(found, str) and found.strip().rstrip("/"):
            return found.strip().rstrip("/")
    return None


def unmounted(path: str, mounts: Mapping[str, str]) -> str:
    """Return a path of the Databricks file system as the storage that is mounted there; any other path as it is.

    The mount point is the longest of those whose whole segments begin the path. A Unity Catalog volume is no mount.
    """
    inner = path.removeprefix("dbfs:")
    inner = "/" + inner.lstrip("/") if path.startswith("dbfs:") else inner
    if not inner.startswith("/"):
        return path
    if inner.startswith("/Volumes/"):
        return inner
    for point in sorted(mounts, key=len, reverse=True):
        if inner == point or inner.startswith(f"{point}/"):
            return mounts[point] + inner.removeprefix(point)
    return path


def mounts_of(workspace: Workspace) -> dict[str, str]:
    """Mount points of a workspace and the storage behind them, from the CSV that its deployment file names.

    On GCP what is not mounted lies in the workspace's default bucket.

    Raises:
        SourceError: the CSV cannot be read, or lacks a column.
    """
    org, path = workspace.workspace_id, workspace.mount_mapping_path
    root = {_ROOT: f"gs://databricks-{org}/{org}"} if workspace.cloud == Cloud.GCP else {}
    if path is None:
        return root
    try:
        fs, key = filesystem(path)
        with fs.open(key, "r", encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except Exception as error:  # file systems let the errors of their client libraries through
        reason = f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
        raise SourceError(f"The mounts at {path} can't be read: {reason}; check mount_mapping_path.") from error
    if rows and not set(_MOUNT_COLUMNS) <= rows[0].keys():
        raise SourceError(f"{path} must have the columns {', '.join(_MOUNT_COLUMNS)}: check mount_mapping_path.")
    own = [r for r in rows if (r["workspace_id"] or "").strip() == org]
    mounts = {
        (r["mountPoint"] or "").strip().removeprefix("dbfs:").rstrip("/"): (r["source"] or "").strip().rstrip("/")
        for r in own
    }
    return root | {point: source for point, source in mounts.items() if point and source}


def _named_by_audit(load: Load) -> set[str]:
    audit = load.upstream("audit_log_bronze")
    load.inputs_read[audit.name] = load.changes.seen([audit], load.window).get(audit.name, 0)
    if not load.store.exists(audit):
        return set()
    days = load.window.days
    rows = load.store.read(audit).where(F.col("date").between(days[0], days[-1]))
    return _texts(load, rows.select(cluster_id_of(jobs=False).alias("cluster_id")))


def _texts(load: Load, frame: DataFrame) -> set[str]:
    return {str(v) for v in load.store.arrow(frame.distinct()).column(0).to_pylist() if v}


def _confs_of_audit(load: Load, active: Iterable[str]) -> set[tuple[str, str]]:
    """Clusters, and what audit records of all time say of their logs; read are days with records of them."""
    audit = load.upstream("audit_log_bronze")
    ids = sorted(active)
    if not ids or not load.store.exists(audit):
        return set()
    on = is_any(F.col("date"), sorted(load.changes.days_of(audit, _CLUSTER, ids)))
    conf = F.col("requestParams")["cluster_log_conf"]
    rows = load.store.read(audit).where(on & is_any(F.col(_CLUSTER), ids) & conf.isNotNull())
    told = load.store.arrow(rows.select(_CLUSTER, conf.alias("conf")).distinct())
    return {(r[_CLUSTER], r["conf"]) for r in told.to_pylist()}


def _existing(load: Load, prefixes: list[str]) -> list[str]:
    """Those of some declared prefixes that exist, or whose listing will say why they cannot be read.

    One that is not reached is in quarantine, on each day that lacks its logs, until that day is loaded with them.
    """
    with ThreadPoolExecutor(_REQUESTS) as pool:
        states = dict(zip(prefixes, pool.map(_state, prefixes), strict=True))
    in_dbfs = [prefix for prefix in prefixes if prefix.startswith(DBFS)]
    if all(states[prefix] == _MISSING for prefix in in_dbfs):  # a path does not say whose dbfs:/ it is of
        states |= dict.fromkeys(in_dbfs, f"{_UNREACHABLE}: {DBFS} of this machine has no logs of the workspace")
    load.counts.update(f"{_DECLARED}: {state.partition(':')[0]}" for state in states.values())
    lost = {prefix: state for prefix, state in states.items() if state.startswith(_UNREACHABLE)}
    days = load.window.days
    before = F.col("reason").startswith(_UNREACHABLE) & F.col("date").between(days[0], days[-1])
    forget(load, lambda rejects: rejects.where(before & ~is_any(F.col("location"), sorted(lost))))
    quarantine(load, [_unread(prefix, why, days[0]) for prefix, why in lost.items()])
    return [prefix for prefix in prefixes if states[prefix] == _THERE]


def _unread(prefix: str, why: str, day: dt.date) -> Reject:
    return Reject(prefix, None, None, why, None, None, content_hash(f"{prefix} {day}".encode()))


def _state(prefix: str) -> str:
    """Whether a declared prefix is there; of one that is not reached also why."""
    volume = "/".join(prefix.split("/")[:_VOLUME_PARTS])
    try:
        fs, path = filesystem(prefix)
        if prefix.startswith("/Volumes/") and not Path(volume).is_dir():
            return f"{_UNREACHABLE}: this machine has no volume {volume}"
    except Exception as error:  # noqa: BLE001 - an unknown protocol, a missing package or credentials, each with its own
        return f"{_UNREACHABLE}: {error}"
    try:
        fs.invalidate_cache(path)
        fs.info(path)
    except FileNotFoundError:
        return _MISSING
    except Exception:  # noqa: BLE001 - refused: the listing puts it into quarantine with its reason
        return _THERE
    return _THERE
