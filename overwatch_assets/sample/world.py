"""The story's files as they are at a moment: audit logs and Spark event logs, which grow, roll and appear with time.

`<folder>/<workspace name>/audit-logs/[workspaceId=<id>/]date=YYYY-MM-DD/auditlogs_<time of delivery>.json.gz`, on Azure
`.../audit-logs/<partition of the hub>/YYYY/MM/DD/HH/MM/SS.avro`
`<folder>/<workspace name>/cluster-logs/<cluster>/eventlog/<cluster>_<driver ip>/<Spark context>/eventlog` and, for each
hour that is over, `eventlog-YYYY-MM-DD--HH-MM.gz` beside it, as Databricks rolls them.
"""

import datetime as dt
import gzip
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from overwatch_assets.sample.audit import AuditLine, audit_lines
from overwatch_assets.sample.capture import capture_files
from overwatch_assets.sample.story import HOUR, Application, SampleWorkspace, Story

AUDIT_LOGS, CLUSTER_LOGS = "audit-logs", "cluster-logs"


@dataclass(frozen=True)
class _File:
    """A file of the world; its content is made only if it has to be written."""

    path: str
    modified_ms: int
    content: Callable[[], bytes]
    grows: bool = False


def write_until(story: Story, folder: Path, now: dt.datetime) -> None:
    """Make `folder` hold what exists in the world at a moment of the story's clock, and nothing else.

    Modification times are the story's. A file that is there with its time is left alone; the others are replaced at
    once, so that a reader sees an old or a new file and no half of one. A log that is being written ends with a half
    line.
    """
    now_ms = round(now.timestamp() * 1000)
    for workspace in story.workspaces:
        home = folder / workspace.name
        files = {file.path: file for file in (*_audit_files(workspace, now_ms), *_log_files(workspace, now_ms))}
        for file in files.values():
            _write(home / file.path, file)
        for path in [path for path in home.rglob("*") if path.is_file()]:
            if str(path.relative_to(home)) not in files:
                path.unlink()


def _audit_files(workspace: SampleWorkspace, now_ms: int) -> Iterator[_File]:
    delivered = [line for line in audit_lines(workspace, now_ms) if line.delivered_ms <= now_ms]
    return _DELIVERED[workspace.facts.audit_log_format](workspace, delivered)


def _json(workspace: SampleWorkspace, delivered: Iterable[AuditLine]) -> Iterator[_File]:
    folder = f"{AUDIT_LOGS}/{workspace.facts.audit_folder.format(workspace_id=workspace.workspace_id)}"
    by_file: dict[tuple[str, int], list[bytes]] = {}
    for line in delivered:
        by_file.setdefault((f"{_utc(line.timestamp):%Y-%m-%d}", line.delivered_ms), []).append(line.line)
    for (day, delivered_ms), lines in by_file.items():
        name = f"auditlogs_{_utc(delivered_ms):%Y-%m-%d--%H-%M}.json.gz"
        yield _File(f"{folder}date={day}/{name}", delivered_ms, _zipped(lines))


def _capture(_: SampleWorkspace, delivered: Iterable[AuditLine]) -> Iterator[_File]:
    for file in capture_files(delivered):
        path = f"{AUDIT_LOGS}/{file.partition}/{_utc(file.enqueued_ms):%Y/%m/%d/%H/%M/%S}.avro"
        yield _File(path, file.enqueued_ms, file.content)


# By the deployment file's `audit_log_format`.
_DELIVERED = {"json": _json, "capture": _capture}


def _log_files(workspace: SampleWorkspace, now_ms: int) -> Iterator[_File]:
    for cluster in workspace.clusters:
        for up in cluster.uptimes:
            if up.application is not None and up.application.start_ms <= now_ms:
                yield from _event_logs(up.application, now_ms)


def _event_logs(application: Application, now_ms: int) -> Iterator[_File]:
    cluster, host = application.cluster_id, application.hosts[0].replace(".", "_")
    folder = f"{CLUSTER_LOGS}/{cluster}/eventlog/{cluster}_{host}/{application.spark_context_id}"
    there = application.count_until(now_ms)
    lines, times = application.lines, application.written_ms
    ended = there == len(lines)
    last_hour = times[-1] // HOUR if ended else now_ms // HOUR
    current: list[bytes] = []
    modified_ms = application.start_ms
    for hour, numbers in itertools.groupby(range(there), lambda n: times[n] // HOUR):
        part = list(numbers)
        if hour == last_hour:
            current, modified_ms = lines[part[0] : part[-1] + 1], times[part[-1]]
            continue
        rolled_ms = (hour + 1) * HOUR
        name = f"eventlog-{_utc(rolled_ms):%Y-%m-%d--%H-%M}.gz"
        yield _File(f"{folder}/{name}", rolled_ms, _zipped(lines[part[0] : part[-1] + 1]))
    if not ended:  # the line that is being written
        current, modified_ms = [*current, lines[there][: len(lines[there]) // 2]], now_ms
    if current:
        yield _File(f"{folder}/eventlog", modified_ms, lambda: b"".join(current), grows=True)


def _zipped(lines: list[bytes]) -> Callable[[], bytes]:
    return lambda: gzip.compress(b"".join(lines), compresslevel=3, mtime=0)


def _write(path: Path, file: _File) -> None:
    if path.exists() and round(path.stat().st_mtime * 1000) == file.modified_ms:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(file.content())
    os.utime(partial, (file.modified_ms / 1000, file.modified_ms / 1000))
    partial.replace(path)


def _utc(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
