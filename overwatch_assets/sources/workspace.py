"""What the readers of a workspace's API share: the connection, when there is one, and how bodies become frames."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pyspark.sql import functions as F, types as T

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.config.fields import Cloud
from overwatch_assets.config.secrets import resolve
from overwatch_assets.contract.types import spark_type
from overwatch_assets.rules.audit_records import cluster_id_of
from overwatch_assets.rules.days import DAY_MS, day_of
from overwatch_assets.rules.json_secrets import cut_secrets
from overwatch_assets.rules.json_values import parsed, shaper, text_of
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading, Reject, content_hash
from overwatch_assets.runner.window import to_ms
from overwatch_assets.sources.registry import Reader
from overwatch_assets.sources.rest import ApiSettings, Rest
from overwatch_assets.sources.workspace_api import WorkspaceApi

ApiFactory = Callable[[], WorkspaceApi]
Lister = Callable[[WorkspaceApi], Iterable[Mapping[str, Any]]]

_SDK_AUTHENTICATION = "the SDK's own authentication"
_FRAME_ROWS = 1000  # bodies in one message of the client, some KB each


def api_reader(
    api_factory: ApiFactory | None,
    scope: str,
    read: Callable[[Load, WorkspaceApi], Reading],
    *,
    as_of_now: bool = True,
) -> Reader:
    """Return a reader that asks a workspace's API, where its scope is read and there is one.

    Args:
        api_factory: connects to the workspace; None: its API is not configured.
        scope: the scope of the deployment file that has to be read.
        read: what to ask.
        as_of_now: the answers are about now: other windows are empty.
    """

    def checked(load: Load) -> Reading:
        if scope not in load.workspace.scopes:
            return Reading(empty=f"the scope {scope} is excluded")
        if api_factory is None:
            return Reading(empty="source not configured: the workspace has no api_url")
        if as_of_now and day_of(to_ms(load.now)) not in load.window.days:
            return Reading(empty=f"snapshots are as of now, which is not in {load.window}")
        with api_factory() as api:
            return read(load, api)

    return checked


def on_cloud(cloud: Cloud, reader: Reader) -> Reader:
    """Return a reader of what only workspaces on one cloud have."""

    def checked(load: Load) -> Reading:
        if load.workspace.cloud != cloud:
            return Reading(empty=f"only workspaces on {cloud} have any")
        return reader(load)

    return checked


def list_reader(
    api_factory: ApiFactory | None, scope: str, key: str, kind: str, lister: Lister, *, secrets: Collection[str] = ()
) -> Reader:
    """Return a reader of all objects of a kind: rows of their id, body (JSON) and fetched_ms (epoch ms).

    An object that comes twice, because the list changed between two pages, is as the later one says; one without an id
    is rejected.

    Args:
        api_factory: connects to the workspace; None: its API is not configured.
        scope: the scope of the deployment file that has to be read.
        key: the property with the id.
        kind: the id's type.
        lister: lists the objects.
        secrets: properties that are secret although their names do not look so; they are not in quarantine either.
    """

    def read(load: Load, api: WorkspaceApi) -> Reading:
        return listed(load, key, kind, lister(api), secrets)

    return api_reader(api_factory, scope, read)


def listed(load: Load, key: str, kind: str, objects: Iterable[Any], secrets: Collection[str] = ()) -> Reading:
    """Return the objects of a list as `list_reader` gives them."""
    as_id = shaper(spark_type(kind))
    bodies: dict[Any, str] = {}
    rejects: list[Reject] = []
    for body in objects:
        found = as_id(body.get(key)) if isinstance(body, Mapping) else None
        if found in (None, ""):
            shown = {n: v for n, v in body.items() if n not in secrets} if isinstance(body, Mapping) else body
            rejects.append(rejected(f"list of {load.table.name}", None, f"no {key}", shown))
        else:
            bodies[found] = json.dumps(body, sort_keys=True)
    schema = rows_schema({key: kind, "body": "string", "fetched_ms": "bigint"})
    now_ms = to_ms(load.now)
    frames = [load.store.frame(part, schema) for part in parts(((name, body, now_ms) for name, body in bodies.items()))]
    return Reading(frames=frames, rejects=rejects, empty="" if frames else "the workspace has none")


def rows_schema(columns: Mapping[str, str]) -> T.StructType:
    """Schema of a reader's frame: types by column."""
    return T.StructType([T.StructField(name, spark_type(kind)) for name, kind in columns.items()])


def parts(rows: Iterable[tuple[object, ...]], size: int = _FRAME_ROWS) -> Iterator[Sequence[tuple[object, ...]]]:
    """Rows in parts of which each is a frame."""
    rest = iter(rows)
    while part := list(islice(rest, size)):
        yield part


def rejected(location: str, page: int | None, reason: str, value: Any) -> Reject:
    """An object of an answer that is no row."""
    text = json.dumps(value, sort_keys=True)
    content = text_of(cut_secrets(parsed(text))[0])
    return Reject(location, None, page, reason, content, None, content_hash(text.encode()))


def clusters_of_audit(load: Load) -> set[str]:
    """Ids of the clusters that audit logs name in the window and the day before it."""
    audit = load.upstream("audit_log_bronze")
    load.inputs_read[audit.name] = load.changes.seen([audit], load.window).get(audit.name, 0)
    first, last = day_of(load.window.from_ms - DAY_MS), load.window.days[-1]
    rows = load.store.read(audit).where(F.col("date").between(first, last))
    ids = rows.select(F.explode(F.array("event_cluster_id", cluster_id_of(jobs=True))).alias("id"))
    found = load.store.arrow(ids.where(F.col("id") != "").distinct())
    return {str(value) for value in found.column("id").to_pylist()}


def latest_snapshots(load: Load, from_ms: int, until_ms: int) -> list[dict[str, Any]]:
    """Per cluster its state and log configuration (JSON) at its last snapshot, and whether it was alive in a time.

    `first_date` is the day of its first snapshot.
    """
    table = load.upstream("clusters_snapshot_bronze")
    load.inputs_read[table.name] = load.changes.seen([table], load.window).get(table.name, 0)
    if not load.store.exists(table):
        return []
    ended = F.coalesce(F.col("terminated_time"), F.unix_millis("fetched_ts"))
    alive = (F.col("start_time") < until_ms) & (ended >= from_ms)
    latest = F.struct("snapshot_date", F.col("state"), F.to_json("cluster_log_conf").alias("conf"))
    found = load.store.arrow(
        load.store.read(table)
        .groupBy("cluster_id")
        .agg(
            F.max(F.when(alive, 1).otherwise(0)).alias("alive"),
            F.min("snapshot_date").alias("first_date"),
            F.max(latest).alias("latest"),
        )
        .select("cluster_id", "alive", "first_date", "latest.*")
    )
    return list(found.to_pylist())


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
        "requests_per_second": workspace.api_requests_per_second,
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
    return WorkspaceApi(Rest(client, workspace=named, secret=_SDK_AUTHENTICATION, settings=ApiSettings(**settings)))
