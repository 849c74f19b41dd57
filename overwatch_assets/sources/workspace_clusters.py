"""Clusters of a workspace as its API describes them now."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pyspark.sql import functions as F, types as T

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.config.secrets import resolve
from overwatch_assets.errors import SourceError
from overwatch_assets.rules.audit_records import cluster_id_of
from overwatch_assets.rules.json_secrets import cut_from_text
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.runner.window import DAY_MS, day_of, to_ms
from overwatch_assets.sources.registry import Reader
from overwatch_assets.sources.workspace_api import ApiFailure, ApiSettings, WorkspaceApi

logger = logging.getLogger(__name__)

ApiFactory = Callable[[], WorkspaceApi]

_ERRORS = "clusters_snapshot_error_bronze"
_NO_SUCH_CLUSTER = (400, 404)
_SDK_AUTHENTICATION = "the SDK's own authentication"
_FRAME_ROWS = 1000  # bodies in one message of the client, some KB each
_ROW = T.StructType(
    [
        T.StructField("cluster_id", T.StringType()),
        T.StructField("body", T.StringType()),
        T.StructField("fetched_ms", T.LongType()),
    ]
)


def reader(api_factory: ApiFactory | None) -> Reader:
    """Return a reader of `workspace_clusters`: rows of cluster_id, body (JSON) and fetched_ms (epoch ms).

    Clusters are those that audit logs name in the window and the day before it, those that `clusters/list` names, and
    those that the last snapshot failed to get. What `clusters/get` does not describe goes to
    `clusters_snapshot_error_bronze`.

    Args:
        api_factory: connects to the workspace; None: its API is not configured.
    """

    def read(load: Load) -> Reading:
        if "clusters" not in load.workspace.scopes:
            return Reading(empty="the scope clusters is excluded")
        if api_factory is None:
            return Reading(empty="source not configured: the workspace has no api_url")
        if day_of(to_ms(load.now)) not in load.window.days:
            return Reading(empty=f"snapshots are as of now, which is not in {load.window}")
        with api_factory() as api:
            return _read(load, api)

    return read


def _read(load: Load, api: WorkspaceApi) -> Reading:
    named = _named_by_audit(load) | _failed_before(load)
    notes: dict[str, int] = {}
    try:
        for body in api.list_clusters():
            if body.get("cluster_id"):
                named.add(str(body["cluster_id"]))
    except SourceError as error:
        if not named:
            raise
        logger.warning("%s: %s", load.table.name, error)
        notes["clusters/list failed"] = 1
    if not named:
        return Reading(empty="no clusters: neither the audit logs nor clusters/list name any")
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
    frames = [load.store.frame(part, _ROW) for part in _parts(rows)]
    return Reading(
        frames=frames,
        side_rows={_ERRORS: errors},
        notes=notes,
        empty="" if frames else f"none of {len(ids)} clusters was described",
    )


def _named_by_audit(load: Load) -> set[str]:
    audit = load.upstream("audit_log_bronze")
    load.inputs_read[audit.name] = load.changes.seen(audit, load.window)
    first, last = day_of(load.window.from_ms - DAY_MS), load.window.days[-1]
    ids = load.store.read(audit).where(F.col("date").between(first, last)).select(cluster_id_of(jobs=True).alias("id"))
    found = load.store.arrow(ids.where(F.col("id") != "").distinct())
    return {str(value) for value in found.column("id").to_pylist()}


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
    raw, _ = cut_from_text(failure.raw_response)
    day = day_of(to_ms(load.now))
    return (failure.cluster_id, day, failure.http_code, failure.error_code, failure.message, raw)


def _parts(rows: Iterable[tuple[object, ...]]) -> Iterator[Sequence[tuple[object, ...]]]:
    rest = iter(rows)
    while part := list(islice(rest, _FRAME_ROWS)):
        yield part


def workspace_api(workspace: Workspace) -> WorkspaceApi:
    """Connect to a workspace as its row of the deployment file says; without a token, by the SDK's own authentication.

    Raises:
        ConfigurationError: the reference to its token cannot be read.
        SourceError: its token or `api_url` cannot be one.
    """
    named = f"{workspace.workspace_name} ({workspace.workspace_id})"
    reference, proxy = workspace.token_reference, workspace.proxy_password_reference
    settings: Mapping[str, Any] = {
        "thread_pool_size": workspace.thread_pool_size,
        "api_waiting_seconds": workspace.api_waiting_time / 1000,
        "proxy_host": workspace.proxy_host,
        "proxy_port": workspace.proxy_port,
        "proxy_user_name": workspace.proxy_user_name,
        "proxy_password": resolve(proxy).get_secret_value() if proxy else None,
        "enable_unsafe_ssl": workspace.enable_unsafe_SSL,
    }
    if reference is not None:
        return WorkspaceApi.with_token(
            workspace.api_url or "",
            resolve(reference).get_secret_value(),
            workspace=named,
            secret=str(reference),
            settings=ApiSettings(**settings),
        )
    from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - slow to import

    client = WorkspaceClient(host=workspace.api_url)
    return WorkspaceApi(client, workspace=named, secret=_SDK_AUTHENTICATION, settings=ApiSettings(**settings))
