"""Clusters of a workspace as its API describes them now."""

import json
import logging
from collections.abc import Mapping

from pyspark.sql import functions as F

from overwatch_assets.errors import SourceError
from overwatch_assets.rules.days import day_of
from overwatch_assets.rules.json_secrets import cut_from_json
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading, Reject
from overwatch_assets.runner.window import to_ms
from overwatch_assets.sources.registry import Reader
from overwatch_assets.sources.workspace import ApiFactory, api_reader, clusters_of_audit, parts, rejected, rows_schema
from overwatch_assets.sources.workspace_api import ApiFailure, WorkspaceApi

logger = logging.getLogger(__name__)

_ERRORS = "clusters_snapshot_error_bronze"
_NO_SUCH_CLUSTER = (400, 404)
_ROW = rows_schema({"cluster_id": "string", "body": "string", "fetched_ms": "bigint"})


def reader(api_factory: ApiFactory | None) -> Reader:
    """Return a reader of `workspace_clusters`: rows of cluster_id, body (JSON) and fetched_ms (epoch ms).

    Clusters are those that audit logs name in the window and the day before it, those that `clusters/list` names, and
    those that the last snapshot failed to get. What `clusters/get` does not describe goes to
    `clusters_snapshot_error_bronze`.

    Args:
        api_factory: connects to the workspace; None: its API is not configured.
    """
    return api_reader(api_factory, "clusters", _read)


def _read(load: Load, api: WorkspaceApi) -> Reading:
    named = clusters_of_audit(load) | _failed_before(load)
    notes: dict[str, int] = {}
    rejects: list[Reject] = []
    try:
        for body in api.list_clusters():
            cluster_id = body.get("cluster_id") if isinstance(body, Mapping) else None
            if isinstance(cluster_id, str) and cluster_id:
                named.add(cluster_id)
            else:
                rejects.append(rejected("clusters/list", None, "no cluster_id", body))
    except SourceError as error:
        if not named:
            raise
        logger.warning("%s: %s", load.table.name, error)
        notes["clusters/list failed"] = 1
    if not named:
        return Reading(rejects=rejects, empty="no clusters: neither the audit logs nor clusters/list name any")
    now_ms = to_ms(load.now)
    rows: list[tuple[object, ...]] = []
    errors: list[tuple[object, ...]] = []
    ids = sorted(named)
    for cluster_id, answer in zip(ids, api.get_clusters(ids), strict=True):
        if isinstance(answer, ApiFailure):
            errors.append(_error_row(answer, load))
        else:
            rows.append((cluster_id, json.dumps(answer, sort_keys=True), now_ms))
    notes["clusters not described"] = len(errors)
    frames = [load.store.frame(part, _ROW) for part in parts(rows)]
    return Reading(
        frames=frames,
        rejects=rejects,
        side_rows={_ERRORS: errors},
        notes=notes,
        empty="" if frames else f"none of {len(ids)} clusters was described",
    )


def _failed_before(load: Load) -> set[str]:
    """Clusters that failed at the last snapshot that had failures, but for those that do not exist."""
    errors = load.upstream(_ERRORS)
    if not load.store.exists(errors):
        return set()
    rows = load.store.read(errors)
    latest = load.store.arrow(rows.agg(F.max("snapshot_date").alias("date"))).column("date")[0].as_py()
    if latest is None:
        return set()
    found = load.store.arrow(rows.where(F.col("snapshot_date") == latest).select("cluster_id", "http_code")).to_pylist()
    return {r["cluster_id"] for r in found if r["http_code"] not in _NO_SUCH_CLUSTER}


def _error_row(failure: ApiFailure, load: Load) -> tuple[object, ...]:
    raw, _ = cut_from_json(failure.raw_response)
    day = day_of(to_ms(load.now))
    return (failure.object_id, day, failure.http_code, failure.error_code, failure.message, raw)
