"""Names and tags of clusters, jobs, notebooks and warehouses as of the end of a UTC day, as JSON files for dashboards.

A file is an array of flat objects, which is what Grafana's Infinity data source reads from a URL: metrics of running
clusters know ids, and these files say what the ids are called (docs/real-time-monitoring.md). The same rows give the
same bytes.
"""

import datetime as dt
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pyspark.sql import Column, DataFrame, functions as F

from overwatch_assets.consumer.views import rows_of
from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import ConfigurationError
from overwatch_assets.rules.days import DAY_MS, day_start_ms
from overwatch_assets.rules.job_settings import ACTIONS
from overwatch_assets.rules.json_values import object_of
from overwatch_assets.rules.notebook_records import NAMING
from overwatch_assets.runner.known import Known
from overwatch_assets.runner.report import loaded_until_ms
from overwatch_assets.storage.location import Location

if TYPE_CHECKING:
    from overwatch_assets.runner.platform import Platform

FOLDER, LATEST = "exports", "latest.json"
_DATED = "date="


@dataclass(frozen=True)
class Dimension:
    """What is exported of one kind of thing.

    Attributes:
        names: columns of the table, by the names that they get.
        gone: actions after which it is there no longer.
        order: actions of one millisecond in the order in which they are taken; without any, `sequence` tells.
        tags: column with its tags: a map, or JSON.
    """

    name: str
    table: str
    key: str
    names: Mapping[str, str]
    gone: tuple[str, ...]
    action: str = "action"
    order: tuple[str, ...] = ()
    tags: str | None = None


DIMENSIONS = (
    Dimension(
        "cluster",
        "cluster_gold",
        "cluster_id",
        {"cluster_name": "cluster_name"},
        ("permanentDelete",),
        tags="custom_tags",
    ),
    Dimension("job", "job_gold", "job_id", {"job_name": "job_name"}, ("delete",), order=ACTIONS, tags="tags"),
    Dimension(
        "notebook",
        "notebook_gold",
        "notebook_id",
        {"notebook_name": "name_after", "notebook_path": "path_after"},
        ("deleteNotebook",),
        order=NAMING,
    ),
    Dimension(
        "warehouse",
        "warehouse_gold",
        "warehouse_id",
        {"warehouse_name": "warehouse_name"},
        ("deleteEndpoint", "deleteWarehouse"),
        action="action_name",
        tags="tags",
    ),
)


@dataclass(frozen=True)
class Exported:
    """One file.

    Attributes:
        behind: workspaces whose table is not loaded until the end of the day, so that later changes are missing.
    """

    dimension: str
    path: str
    rows: int
    behind: tuple[str, ...] = field(default=())


def export(
    platform: "Platform", days: Sequence[dt.date], *, workspaces: Sequence[str] = (), to: str | None = None
) -> Iterator[Exported]:
    """Write a file for each dimension and day, oldest day first, and `latest.json` beside the newest of all.

    Args:
        platform: the deployment on its session.
        days: UTC days, at the end of which things are called so.
        workspaces: ids; all active ones unless given.
        to: folder of the files; else `exports` under the storage prefix of each workspace.

    Raises:
        StorageError: a stored table is not what its contract says.
    """
    folders: dict[str, list[str]] = {}
    for i in platform.deployment.chosen(workspaces):
        folders.setdefault(to or f"{platform.deployment.workspace(i).storage_prefix}/{FOLDER}", []).append(i)
    exported = {d.name: tables()[d.table] for d in DIMENSIONS}
    reports = {i: Known.of(platform.store(i)).loads(exported.values()) for ids in folders.values() for i in ids}
    for day in sorted(days):
        end_ms = day_start_ms(day) + DAY_MS
        for folder, ids in folders.items():
            for dimension in DIMENSIONS:
                rows = [document(dimension, day, row) for row in _last_rows(platform, ids, dimension, end_ms)]
                path = _write(Location(f"{folder}/{dimension.name}"), day, rows)
                module_id = exported[dimension.name].module_id or 0
                behind = tuple(i for i in ids if loaded_until_ms(reports[i], module_id) < end_ms)
                yield Exported(dimension.name, path, len(rows), behind)


def days_between(first: dt.date | None, last: dt.date, today: dt.date) -> list[dt.date]:
    """Return the days from the first to the last.

    Raises:
        ConfigurationError: there are none, or they are not over.
    """
    if last >= today:
        raise ConfigurationError(f"The day {last} is not over: the last one that is, is {today - dt.timedelta(days=1)}")
    if first is not None and first > last:
        raise ConfigurationError(f"There are no days from {first} to {last}")
    count = (last - (first or last)).days + 1
    return [last - dt.timedelta(days=n) for n in reversed(range(count))]


def _last_rows(platform: "Platform", ids: Sequence[str], dimension: Dimension, end_ms: int) -> list[dict[str, Any]]:
    """What each thing was by its last row before a time; names by the last one that says them."""
    found = _last_of(rows_of(platform, ids, tables()[dimension.table]), dimension, end_ms)
    rows: list[dict[str, Any]] = found.toArrow().to_pylist()
    return sorted(rows, key=lambda row: (row["organization_id"], row["key"]))


def _last_of(rows: DataFrame, dimension: Dimension, end_ms: int) -> DataFrame:
    action, at = F.col(dimension.action), F.col("unixTimeMS")
    place = F.array_position(F.array(*map(F.lit, dimension.order)), action) if dimension.order else F.col("sequence")
    when = F.struct(at, place.cast("bigint"), *([F.col("request_id")] if dimension.order else []))
    known = rows.where((at < end_ms) & F.col(dimension.key).isNotNull())
    if dimension.order:
        known = known.where(action.isin(list(dimension.order)) | (action == "snapImpute"))

    def last(value: Column) -> Column:
        return F.max_by(value, when)

    return known.groupBy("organization_id", F.col(dimension.key).cast("string").alias("key")).agg(
        last(F.col("workspace_name")).alias("workspace_name"),
        *(F.max_by(c, F.when(F.col(c).isNotNull(), when)).alias(name) for name, c in dimension.names.items()),
        *([last(F.col(dimension.tags)).alias("tags")] if dimension.tags else []),
        last(action.isin(list(dimension.gone))).alias("deleted"),
        F.max(at).alias("changed"),
    )


def document(dimension: Dimension, day: dt.date, row: Mapping[str, Any]) -> dict[str, Any]:
    """One object. Ids are texts, as labels of metrics are; some are larger than numbers of JavaScript."""
    changed = dt.datetime.fromtimestamp(row["changed"] // 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        "date": day.isoformat(),
        "organization_id": row["organization_id"],
        "workspace_name": row["workspace_name"],
        dimension.key: row["key"],
        **{name: row[name] for name in dimension.names},
        **({"tags": _tags(row["tags"])} if dimension.tags else {}),
        "deleted": row["deleted"],
        "changed_at": f"{changed}.{row['changed'] % 1000:03d}Z",
    }


def _tags(value: Any) -> dict[str, Any] | None:
    """Tags by their names, in order; null: they are not known, or what is stored of them is no object."""
    tags = object_of(value) if isinstance(value, str) else value
    return None if tags is None else dict(sorted(dict(tags).items()))


def _write(folder: Location, day: dt.date, rows: list[dict[str, Any]]) -> str:
    """Write a day's file and, if there is no later one, `latest.json`."""
    content = b"[" + b",".join(b"\n" + orjson.dumps(row) for row in rows) + b"\n]\n"
    name = f"{_DATED}{day}.json"
    _replace(folder, name, content)
    folder.fs.invalidate_cache(folder.key())
    there = [str(path).rsplit("/", 1)[-1] for path in folder.fs.ls(folder.key(), detail=False)]
    if name == max(n for n in there if n.startswith(_DATED)):
        _replace(folder, LATEST, content)
    return folder.path(name)


def _replace(folder: Location, name: str, content: bytes) -> None:
    """Write a file whole: stores of objects do so by themselves, in folders of this machine by a new name."""
    if not folder.is_local:
        folder.fs.pipe_file(folder.key(name), content)
        return
    target = Path(folder.key(name))
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{name}.{uuid.uuid4().hex}")
    try:
        new.write_bytes(content)
        os.replace(new, target)  # noqa: PTH105 - atomic, on every system
    finally:
        new.unlink(missing_ok=True)
