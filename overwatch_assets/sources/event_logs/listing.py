"""Which event logs there are under a path, told from names alone: no file is opened.

Recognised layouts, each from the end of the path, so that it doesn't matter how deep a folder was given:

- Spark, one file per application: any name, `.inprogress` while it is written, a codec suffix
- Spark, rolling: `eventlog_v2_<app>[_<attempt>]/events_<n>_<app>[_<attempt>][.<codec>][.compact]`; the marker
  `appstatus_<app>[_<attempt>][.inprogress]` beside them says whether the last one is still written
- Databricks: `<cluster id>/eventlog/<cluster id>_<ip with underscores>/<Spark context id>/` with `eventlog`, which is
  still written, and `eventlog-YYYY-MM-DD--HH-MM.gz`
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from overwatch_assets.errors import SourceError, StorageError
from overwatch_assets.sources.event_logs.codecs import Codec, codec_of
from overwatch_assets.storage.location import filesystem, shown


@dataclass(frozen=True, slots=True)
class LogFile:
    """One event-log file as listed.

    `path` opens it; `tracked_path` is the same without `.inprogress`, so that a log keeps its name when it is finished.
    `modified_ms` is null where the storage doesn't tell. `in_progress` means that more may be appended: an unfinished
    end is then "not yet" and not a fault. `rolling_folder` is the application and attempt in the folder's name.
    """

    path: str
    tracked_path: str
    size: int
    modified_ms: int | None
    codec: Codec
    in_progress: bool = False
    cluster_id: str | None = None
    driver_host: str | None = None
    spark_context_id: str | None = None
    rolling_folder: str | None = None


@dataclass(frozen=True, slots=True)
class ListingFailure:
    """A folder or file that could not be listed, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The logs under a path, ordered by path, and what could not be listed."""

    logs: tuple[LogFile, ...]
    failures: tuple[ListingFailure, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str  # as the file system says it
    size: int
    modified_ms: int | None


_ROLLED = re.compile(r"eventlog(-\d{4}-\d{2}-\d{2}--\d{2}-\d{2})?(\.(gz|zstd|zst|lz4|snappy|lzf))?")
_HOST_FOLDER = re.compile(r"(?P<cluster>.+)_(?P<host>\d{1,3}(_\d{1,3}){3})")
_ROLLING_FOLDER = "eventlog_v2_"
_EVENTS = re.compile(r"events_(?P<index>\d+)_.+")
_NOT_LOGS = (".crc", ".parquet", ".parquet.snappy")
_DRIVER_LOGS = re.compile(
    r"(stdout|stderr|log4j)([-.].*)?|.+\.(stdout|stderr)\.log"
)  # Databricks delivers these beside `eventlog/`
_DELIVERED_BESIDE = {"driver", "executor", "init_scripts"}


def find_logs(url: str, storage_options: Mapping[str, Any] | None = None) -> Listing:
    """List the event logs at `url`: a file, or a folder with all below it; any `fsspec` protocol.

    Hidden names (`.` or `_` first), checksum files, Delta tables and a cluster's driver and executor logs are left out.
    A file that is named itself is always taken as a log. Folders that can't be listed come back as failures.

    Raises: SourceError if there is nothing at `url`, or its protocol is unknown or needs options that are not given.
    """
    try:
        fs, root = filesystem(url, storage_options)
    except (ValueError, ImportError, StorageError) as error:
        raise SourceError(f"The event logs at {url} can't be reached: {error}") from error
    except TypeError as error:  # such as `github`, which needs to know the repository
        raise SourceError(f"The event logs at {url} can't be reached without storage options: {error}") from error
    fs.invalidate_cache()
    failures: list[ListingFailure] = []
    try:
        info = _tried(url, failures, lambda: fs.info(root))
    except FileNotFoundError as error:
        raise SourceError(f"There is nothing at {url}: check the path of the event logs.") from error
    if info is None:
        return Listing((), tuple(failures))
    if info["type"] != "directory":
        return Listing((_log(fs, _entry(info), in_progress=None),), ())
    logs: list[LogFile] = []
    for folder in _folders(fs, root, failures):
        logs += _logs_of_folder(fs, folder)
    return Listing(tuple(sorted(logs, key=lambda log: log.path)), tuple(failures))


def _folders(fs: AbstractFileSystem, root: str, failures: list[ListingFailure]) -> Iterator[list[_Entry]]:
    """Yield the files of each folder under `root`."""
    if not fs.async_impl:
        yield from _walk(fs, root, failures)
        return
    # An object store lists a prefix with all below it in pages of a thousand, however many folders there are.
    found: dict[str, Any] = _tried(shown(fs, root), failures, lambda: fs.find(root, detail=True)) or {}
    inner = {path: path[len(root.rstrip("/")) :] for path in found}
    tables = {path.partition("/_delta_log/")[0] + "/" for path in inner.values() if "/_delta_log/" in path}
    clusters = {path.partition("/eventlog/")[0] for path in inner.values() if "/eventlog/" in path}
    skipped = (*tables, *(f"{cluster}/{beside}/" for cluster in clusters for beside in _DELIVERED_BESIDE))
    folders: dict[str, list[_Entry]] = {}
    for path, info in found.items():
        folder = inner[path].rpartition("/")[0]
        if not inner[path].startswith(skipped) and not any(map(_hidden, folder.split("/"))):
            folders.setdefault(folder, []).append(_entry(info))
    yield from folders.values()


def _walk(fs: AbstractFileSystem, root: str, failures: list[ListingFailure]) -> Iterator[list[_Entry]]:
    waiting, seen = [root], set()
    local = isinstance(fs, LocalFileSystem)
    while waiting:
        folder = waiting.pop()
        if local:
            real = os.path.realpath(folder)
            if real in seen:  # a link that leads back
                continue
            seen.add(real)
        infos = _tried(shown(fs, folder), failures, partial(fs.ls, folder, detail=True), missing=True) or []
        infos = [_followed(fs, info, failures) if info.get("islink") else info for info in infos]
        names = {_base(info["name"]): info for info in infos if info is not None}
        if "_delta_log" in names:
            continue
        yield [_entry(info) for info in names.values() if info["type"] == "file"]
        beside = _DELIVERED_BESIDE if "eventlog" in names else set()
        waiting += [
            info["name"]
            for name, info in names.items()
            if info["type"] == "directory" and not _hidden(name) and name not in beside
        ]


def _followed(fs: AbstractFileSystem, link: Mapping[str, Any], failures: list[ListingFailure]) -> Any:
    """Return what a local link leads to, under the link's name."""
    return _tried(shown(fs, link["name"]), failures, lambda: fs.info(link["name"]), missing=True)


def _tried(path: str, failures: list[ListingFailure], call: Callable[[], Any], *, missing: bool = False) -> Any:
    """Return the call's result, or None with its failure noted; `missing` notes a missing file too."""
    try:
        return call()
    except FileNotFoundError as error:
        if not missing:
            raise
        failures.append(ListingFailure(path, _reason(error)))
    except Exception as error:  # noqa: BLE001 - file systems let the errors of their client libraries through
        failures.append(ListingFailure(path, _reason(error)))
    return None


def _logs_of_folder(fs: AbstractFileSystem, entries: list[_Entry]) -> list[LogFile]:
    if not entries:
        return []
    parent = entries[0].name.rstrip("/").split("/")[-2:-1]
    rolling = bool(parent) and parent[0].startswith(_ROLLING_FOLDER)
    if not rolling:
        return [_log(fs, entry, in_progress=None) for entry in entries if _is_log(entry.name)]
    written = any(re.fullmatch(r"appstatus_.+\.inprogress", _base(entry.name)) for entry in entries)
    events = {entry: int(match["index"]) for entry in entries if (match := _EVENTS.fullmatch(_base(entry.name)))}
    last = max(events.values(), default=0)
    return [
        _log(fs, entry, in_progress=written and index == last)
        for entry, index in events.items()
        if not entry.name.endswith(_NOT_LOGS)
    ]


def _is_log(path: str) -> bool:
    segments = path.split("/")
    name = segments[-1]
    if _hidden(name) or name.endswith(_NOT_LOGS) or _DRIVER_LOGS.fullmatch(name):
        return False
    return not _in_databricks_folder(segments) or bool(_ROLLED.fullmatch(name))


def _in_databricks_folder(segments: list[str]) -> bool:
    host, cluster = segments[-3:-2], segments[-5:-4]
    return segments[-4:-3] == ["eventlog"] and bool(cluster[0:] and cluster[0]) and host[0].startswith(f"{cluster[0]}_")


def _log(fs: AbstractFileSystem, entry: _Entry, *, in_progress: bool | None) -> LogFile:
    """Describe one file; `in_progress` None means that its own name tells."""
    path = shown(fs, entry.name)
    tracked = path.removesuffix(".inprogress")
    segments = [""] * 5 + tracked.split("/")
    name, context, host, _, cluster = segments[-1], segments[-2], segments[-3], segments[-4], segments[-5]
    cluster_id = driver_host = context_id = rolling = None
    if _ROLLED.fullmatch(name):
        if _in_databricks_folder(segments):
            cluster_id, driver_host, context_id = cluster, host.removeprefix(f"{cluster}_"), context
        elif context.isdigit() and (match := _HOST_FOLDER.fullmatch(host)):  # the folder of one driver alone
            cluster_id, driver_host, context_id = match["cluster"], match["host"], context
    if context.startswith(_ROLLING_FOLDER) and _EVENTS.fullmatch(name):
        rolling = context.removeprefix(_ROLLING_FOLDER)
    if in_progress is None:
        in_progress = tracked != path or (context_id is not None and name == "eventlog")
    return LogFile(
        path=path,
        tracked_path=tracked,
        size=entry.size,
        modified_ms=entry.modified_ms,
        codec=codec_of(name),
        in_progress=in_progress,
        cluster_id=cluster_id,
        driver_host=driver_host.replace("_", ".") if driver_host is not None else None,
        spark_context_id=context_id,
        rolling_folder=rolling,
    )


def _hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _entry(info: Mapping[str, Any]) -> _Entry:
    return _Entry(str(info["name"]), int(info.get("size") or 0), _modified_ms(info))


def _modified_ms(info: Mapping[str, Any]) -> int | None:
    """Return the modification time under the name that each file system has for it."""
    for key in ("mtime", "LastModified", "last_modified", "modified", "updated", "created"):
        value = info.get(key)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)
        if isinstance(value, int | float):
            return int(value * 1000)
    return None


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
