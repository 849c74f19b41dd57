"""A small world: five applications over four days, in every layout, with something open at each midnight; audit logs.

The logs are recorded ones (`sample/recorded`), thinned to a few jobs and tasks and spread over days. A world says
which files there are at a moment; tests write them, cut them differently, withhold some, load them in some order.
"""

import datetime as dt
import gzip
import os
import random
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from overwatch_assets.sample.logs import _Clock, own_time, recorded, retime

DAY_MS = 86_400_000
DAYS = tuple(dt.date(2024, 5, 1) + dt.timedelta(days=n) for n in range(4))
START_MS = 1_714_521_600_000  # 2024-05-01T00:00:00Z
NOW = dt.datetime(2024, 5, 4, 20, tzinfo=dt.UTC)  # within the last of the days
NOW_MS = START_MS + 92 * 3_600_000
_HOUR = 3_600_000


def at(day: int, hour: float) -> int:
    """Epoch ms of an hour of one of the days, from 0."""
    return START_MS + day * DAY_MS + round(hour * _HOUR)


@dataclass(frozen=True)
class File:
    """A log file: its bytes as stored, and when it was last written."""

    data: bytes
    modified_ms: int

    @property
    def lines(self) -> list[bytes]:
        """Its distinct lines that are not empty, without line ends, in order."""
        data = gzip.decompress(self.data) if self.data[:2] == b"\x1f\x8b" else self.data
        return list(dict.fromkeys(line.rstrip(b"\r") for line in data.split(b"\n") if line.strip(b"\r")))


Files = Mapping[str, File]


@dataclass(frozen=True)
class Application:
    """One application's log.

    Attributes:
        layout: rollover (Databricks), single or rolling (Spark).
        folder: where its files are; of a single file its path.
        lines: with their line ends, in the order in which they were written.
        rolls: when its file was rolled, epoch ms.
        ended: the log is complete; one that is not stays in progress.
    """

    name: str
    layout: str
    folder: str
    log_id: str
    lines: tuple[bytes, ...]
    rolls: tuple[int, ...] = ()
    ended: bool = True

    @property
    def written(self) -> list[int]:
        """When each line was written: never before the line above it."""
        times = [own_time(orjson.loads(line)) or 0 for line in self.lines]
        return list(accumulate((t if t else first_time(times) for t in times), max))

    def files(self, now_ms: int = NOW_MS) -> dict[str, File]:
        """Its files as they are at a moment."""
        pairs = [(line, ms) for line, ms in zip(self.lines, self.written, strict=True) if ms <= now_ms]
        if not pairs:
            return {}
        done = self.ended and len(pairs) == len(self.lines)
        if self.layout == "single":
            name = self.folder if done else f"{self.folder}.inprogress"
            return {name: File(b"".join(line for line, _ in pairs), pairs[-1][1])}
        edges = [0, *(r for r in self.rolls if r <= now_ms), NOW_MS + 1]
        parts = [[p for p in pairs if a <= p[1] < b] for a, b in pairwise(edges)]
        return self._rollover(parts, edges) if self.layout == "rollover" else self._rolling(parts, done=done)

    def _rollover(self, parts: Sequence[Sequence[tuple[bytes, int]]], edges: Sequence[int]) -> dict[str, File]:
        files = {}
        for part, until in zip(parts, edges[1:], strict=True):
            data = b"".join(line for line, _ in part)
            if not part:
                continue
            if until > NOW_MS:
                files[f"{self.folder}/eventlog"] = File(data, part[-1][1])
            else:
                stamp = dt.datetime.fromtimestamp(until / 1000, dt.UTC).strftime("%Y-%m-%d--%H-%M")
                files[f"{self.folder}/eventlog-{stamp}.gz"] = File(gzip.compress(data, mtime=0), until)
        return files

    def _rolling(self, parts: Sequence[Sequence[tuple[bytes, int]]], *, done: bool) -> dict[str, File]:
        files = {
            f"{self.folder}/events_{n}_{self.log_id}": File(b"".join(line for line, _ in part), part[-1][1])
            for n, part in enumerate(parts, 1)
            if part
        }
        marker = f"{self.folder}/appstatus_{self.log_id}" + ("" if done else ".inprogress")
        return {**files, marker: File(b"", START_MS)}


def first_time(times: Iterable[int]) -> int:
    """The first time that is stated."""
    return next(t for t in times if t)


def files_of(applications: Iterable[Application], now_ms: int = NOW_MS) -> dict[str, File]:
    """The files of some applications at a moment."""
    return {path: file for app in applications for path, file in app.files(now_ms).items()}


def everything(now_ms: int = NOW_MS) -> dict[str, File]:
    """All files of the world at a moment."""
    audit = {path: file for path, file in audit_files().items() if file.modified_ms <= now_ms}
    return {**files_of(world(), now_ms), **audit}


def without(application: Application, *events: str, start: int = 0) -> tuple[Application, list[bytes]]:
    """The application without its records of some types, and those, from the ``start``-th on."""
    seen = 0
    kept, taken = [], []
    for line in application.lines:
        if orjson.loads(line)["Event"].rsplit(".", 1)[-1] in events:
            seen += 1
            (taken if seen > start else kept).append(line)
        else:
            kept.append(line)
    return replace(application, lines=tuple(kept)), taken


# Between the times below, each midnight finds an execution, a job, a stage and tasks open.
@cache
def world() -> tuple[Application, ...]:
    """The applications."""
    databricks = {"host_map": {"10.139.64.4": "10.1.2.3"}}
    notebooks = _lasting(
        thinned("notebooks-spark42.zstd", jobs=9),
        at(0, 0),
        at(3, 5.5),
        app_id="app-20240501200000-0001",
        cluster_id="0501-200000-notebook",
        spark_context_id="7001",
        **databricks,
    )
    stream = _lasting(
        thinned("stream-spark42.zstd", jobs=7),
        at(0, 8),
        at(3, 10),
        app_id="app-20240501220000-0002",
        cluster_id="0501-220000-streams1",
        spark_context_id="7002",
    )
    etl = _lasting(thinned("etl-spark42.zstd", jobs=8), at(0, 0.5), at(3, 4), app_id="app-20240502050000-0003")
    failures = _lasting(thinned("failures-spark35.zstd", jobs=6), at(1, 4), at(2, 23), app_id="app-20240502150000-0004")
    interrupted = _lasting(
        thinned("interrupted-spark42.zstd.inprogress", jobs=4), at(0, 0), at(3, 13), app_id="app-20240503200000-0005"
    )
    driver = "0501-200000-notebook_10_1_2_3"
    return (
        Application(
            "notebooks",
            "rollover",
            f"databricks/0501-200000-notebook/eventlog/{driver}/7001",
            "7001",
            notebooks,
            rolls=(at(0, 14), at(1, 0), at(1, 20), at(2, 9)),
        ),
        Application(
            "stream",
            "rollover",
            "databricks/0501-220000-streams1/eventlog/0501-220000-streams1_10_1_2_4/7002",
            "7002",
            stream,
            rolls=(at(1, 2.5), at(2, 0.5), at(3, 1)),
        ),
        Application("etl", "single", "spark/app-20240502050000-0003", "app-20240502050000-0003", etl),
        Application(
            "failures",
            "rolling",
            "spark/eventlog_v2_app-20240502150000-0004",
            "app-20240502150000-0004",
            failures,
            rolls=(at(1, 20), at(2, 4)),
        ),
        Application(
            "interrupted",
            "single",
            "spark/app-20240503200000-0005",
            "app-20240503200000-0005",
            interrupted,
            ended=False,
        ),
    )


def audit_files() -> dict[str, File]:
    """Audit logs of the days: records of each, one that came a day late, one twice, one that is no record."""
    late = _audit(0, 23.9, "deleteCluster", 99)
    files = {}
    for day, date in enumerate(DAYS):
        lines = [_audit(day, hour, action, n) for n, (hour, action) in enumerate(_ACTIONS)]
        lines += [_record(n, *told) for n, told in enumerate(_TOLD) if told[0] == day]
        extra = {1: [late], 2: [lines[0], b'{"version": "2.0", "actionName": \n']}.get(day, [])
        files[f"audit/date={date}/auditlogs_0.json"] = File(b"".join([*lines, *extra]), min(at(day + 1, 0.5), NOW_MS))
    files[f"audit/date={DAYS[3]}/auditlogs_1.json.gz"] = File(gzip.compress(lines[0] + lines[1], mtime=0), at(3, 19))
    return files


_ACTIONS = (
    (1, "createCluster"),
    (2, "startCluster"),
    (9.5, "resizeCluster"),
    (13, "startResult"),
    (22, "deleteCluster"),
)


def _of_run(run: int, cluster: int, **more: str) -> dict[str, str]:
    where = {"clusterId": f"0501-00000{cluster}-audited", "jobClusterType": "existing", "jobTaskType": "notebook"}
    return {"jobId": "1", "runId": str(run), **where, **more}


def _of_command(key: str, hours: int) -> dict[str, str]:
    """A command's record, which is written when it has run."""
    on = {"notebookId": "5", "clusterId": "0501-000000-audited"}
    return {**on, "commandId": key, "commandText": "spark.range(9)", "executionTime": str(hours * 3600)}


_NODES = {"node_type_id": "i3.xlarge", "driver_node_type_id": "m5.xlarge", "num_workers": "2"}
_PRO = {"warehouse_type": "PRO", "enable_serverless_compute": "false", "min_num_clusters": "1", "auto_stop_mins": "30"}
_TOLD: tuple[tuple[int, float, str, str, dict[str, str], str], ...] = (
    # day, hour, service, action, parameters, result: definitions that change, runs that overlap and cross midnights
    (0, 1, "clusters", "create", {"cluster_name": "cluster 0", **_NODES}, '{"cluster_id":"0501-000000-audited"}'),
    (1, 1, "clusters", "create", {"cluster_name": "cluster 1", **_NODES}, '{"cluster_id":"0501-000001-audited"}'),
    (2, 1, "clusters", "edit", {"cluster_id": "0501-000001-audited", **_NODES, "node_type_id": "no.price"}, "{}"),
    (3, 1, "clusters", "delete", {"cluster_id": "0501-000002-audited"}, "{}"),
    (0, 1, "instancePools", "create", {"instance_pool_name": "pool 0"}, '{"instance_pool_id":"pool-0"}'),
    (2, 1, "instancePools", "edit", {"instance_pool_id": "pool-0", "max_capacity": "9"}, "{}"),
    (0, 1, "jobs", "create", {"name": "job 1", "max_retries": "3"}, '{"job_id":1}'),
    (2, 1, "jobs", "reset", {"job_id": "1", "new_settings": '{"name":"job one"}'}, "{}"),
    (0, 2.4, "jobs", "runTriggered", {"jobId": "1", "runId": "70", "jobTriggerType": "cron"}, "{}"),
    (0, 2.5, "jobs", "runStart", _of_run(71, 0, multitaskParentRunId="70", taskKey="load"), "{}"),
    (1, 3, "jobs", "runSucceeded", _of_run(71, 0, multitaskParentRunId="70", jobTerminalState="Succeeded"), "{}"),
    (0, 3, "jobs", "runStart", _of_run(72, 0), "{}"),
    (0, 15, "jobs", "runFailed", _of_run(72, 0, jobTerminalState="Failed"), "{}"),
    (1, 3, "jobs", "runStart", _of_run(80, 1), "{}"),
    (1, 5, "jobs", "runStart", _of_run(81, 1, parentRunId="80"), "{}"),
    (3, 6, "jobs", "runSucceeded", _of_run(80, 1, jobTerminalState="Succeeded"), "{}"),
    (1, 8, "jobs", "runSucceeded", _of_run(81, 1, jobTerminalState="Succeeded"), "{}"),
    (2, 1.9, "clusters", "create", {"cluster_name": "job-1-run-90", **_NODES}, '{"cluster_id":"0501-000009-audited"}'),
    (2, 3, "jobs", "runStart", _of_run(90, 9), "{}"),  # it has no end, and its cluster ends on the next day
    (2, 2.9, "jobs", "runNow", {"job_id": "1"}, '{"run_id":90}'),
    (3, 5, "jobs", "cancel", {"run_id": "72"}, "{}"),
    (0, 6, "accounts", "tokenLogin", {"user": "eve@example.com"}, "{}"),
    (1, 6, "accounts", "updateUser", {"targetUserName": "Eve@example.com", "targetUserId": "7"}, "{}"),
    (2, 6, "accounts", "samlLogin", {"user": "eve@example.com"}, "{}"),
    (2, 7, "accounts", "delete", {"targetUserName": "eve@example.com"}, "{}"),
    (3, 6, "accounts", "add", {"targetUserName": "eve@example.com", "targetUserId": "8"}, "{}"),
    (3, 7, "ssh", "login", {"instanceId": "i-1", "userName": "ubuntu"}, "{}"),
    (3, 8, "accounts", "mfaLogin", {"user": "EVE@example.com"}, "{}"),
    (3, 19.9, "clusters", "permanentDelete", {"cluster_id": "0501-000003-audited"}, "{}"),
    (0, 3, "databrickssql", "createWarehouse", {"name": "bi", **_PRO, "cluster_size": "Small"}, '{"id":"wh-1"}'),
    (1, 11, "databrickssql", "editWarehouse", {"id": "wh-1", "name": "bi large", "cluster_size": "Large"}, "{}"),
    (2, 12, "databrickssql", "stopWarehouse", {"id": "wh-0"}, "{}"),  # of which no event tells
    (3, 12, "databrickssql", "deleteWarehouse", {"id": "wh-1"}, "{}"),
    (0, 7, "notebook", "createNotebook", {"notebookId": "5", "path": "/Users/eve/draft"}, "{}"),
    (2, 8, "notebook", "renameNotebook", {"notebookId": "5", "newName": "report", "parentPath": "/Users/eve"}, "{}"),
    (1, 1, "notebook", "runCommand", _of_command("over midnight", 2), "{}"),
    (1, 0.5, "notebook", "runCommand", _of_command("beside it", 1), "{}"),
    (1, 22, "databrickssql", "commandSubmit", {"commandId": "q-1", "warehouseId": "wh-1"}, "{}"),
    (3, 14, "notebook", "runCommand", _of_command("where nothing ran", 1), "{}"),
)


def _audit(day: int, hour: float, action: str, number: int) -> bytes:
    cluster = f"0501-00000{day}-audited"
    named = {"cluster_id": cluster, "clusterName": f"cluster {day}"}
    return _record(f"{day}-{number}", day, hour, "clusters", action, named, f'{{"cluster_id":"{cluster}"}}')


def _record(
    number: object, day: int, hour: float, service: str, action: str, parameters: dict[str, str], result: str
) -> bytes:
    record = {
        "version": "2.0",
        "timestamp": at(day, hour),
        "orgId": "1234",
        "serviceName": service,
        "actionName": action,
        "requestId": f"request-{number}",
        "userIdentity": {"email": "owner@example.com"},
        "requestParams": parameters,
        "response": {"statusCode": 200, "result": result},
    }
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


CLUSTERS = [
    {"cluster_id": f"0501-00000{n}-audited", "cluster_name": f"cluster {n}", "state": "RUNNING", "num_workers": n}
    for n in range(4)
]
"""What the workspace's API says of its clusters, whenever it is asked."""


POOLS = [{"instance_pool_id": f"pool-{n}", "instance_pool_name": f"pool {n}", "max_capacity": n} for n in range(2)]
LISTS = {
    "statuses": [{"cluster_id": "0501-000000-audited", "library_statuses": [{"status": "INSTALLED"}]}],
    "policies": [{"policy_id": "policy-0", "name": "small", "definition": "{}"}],
    "instance_profiles": [{"instance_profile_arn": "arn:aws:iam::111122223333:instance-profile/etl"}],
    "scripts": [{"script_id": "script-0", "name": "proxy", "position": 0}],
}
TOKENS = [{"token_id": "token-0", "creation_time": at(0, 1), "expiry_time": -1}]
RUNS = [
    {"job_id": 1, "run_id": 70 + n, "start_time": at(n, 20 + n), "state": {"life_cycle_state": state}}
    for n, state in enumerate(("RUNNING", "TERMINATED", "RUNNING"))
]
JOBS = [{"job_id": n, "created_time": at(0, n), "settings": {"name": f"job {n}", "tasks": []}} for n in range(3)]
EVENTS = [
    {
        "cluster_id": cluster["cluster_id"],
        "timestamp": at(day, hour),
        "type": kind,
        "details": {"current_num_workers": n},
    }
    for n, cluster in enumerate(CLUSTERS)
    for day in range(len(DAYS))
    for hour, kind in ((2, "STARTING"), (2.1, "RUNNING"), (13, "RESIZING"), (19 + n / 2, "TERMINATING"))
] + [
    {"cluster_id": "0501-000009-audited", "timestamp": at(day, hour), "type": kind, "details": {}}
    for day, hour, kind in ((2, 2, "CREATING"), (2, 2.1, "RUNNING"), (3, 12, "TERMINATING"))
]
"""What the workspace's API says besides; of each cluster two events of each day are beyond those of audit logs."""
QUERIES: list[dict[str, Any]] = [
    {"query_id": "q-0", "warehouse_id": "wh-0", "query_start_time_ms": at(0, 6), "status": "FAILED", "user_id": 7},
    {"query_id": "q-1", "warehouse_id": "wh-1", "query_start_time_ms": at(1, 22), "status": "FINISHED",
     "query_end_time_ms": at(2, 1), "metrics": {"total_time_ms": 10_800_000, "result_from_cache": False}},
    {"query_id": "q-2", "query_start_time_ms": at(2, 3), "status": "CANCELED", "channel_used": {"name": "preview"}},
    {"query_id": "q-3", "warehouse_id": "wh-2", "query_start_time_ms": at(3, 10), "status": "RUNNING", "duration": 9},
]  # fmt: skip
"""What it says of SQL queries: one over midnight, one on no warehouse, one that goes on."""
WAREHOUSES = [
    {"id": "wh-0", "name": "shared", "cluster_size": "2X-Small", "warehouse_type": "CLASSIC", "state": "RUNNING"},
    {"id": "wh-1", "name": "bi large", "cluster_size": "Large", "warehouse_type": "PRO", "state": "STOPPED"},
    {"id": "wh-2", "name": "huge", "cluster_size": "5X-Large", "warehouse_type": "PRO", "state": "STOPPED"},
]
WAREHOUSE_EVENTS = [
    (warehouse, at(day, hour), kind, count)
    for warehouse, told in {
        "wh-0": [(0, 5, "STARTING", 0), (0, 5.1, "RUNNING", 1), (1, 2, "SCALED_UP", 3), (3, 1, "STARTING", 0)],
        "wh-1": [(0, 4, "RUNNING", 1), (1, 23, "SCALED_UP", 2), (2, 1, "SCALED_DOWN", 1), (2, 9, "STOPPED", 0),
                 (3, 0, "STARTING", 0), (3, 0.1, "RUNNING", None)],
        "wh-2": [(1, 6, "RUNNING", 1), (1, 7, "STOPPING", 1), (1, 7.1, "STOPPED", 0), (3, 9, "RUNNING", 2)],
    }.items()
    for day, hour, kind, count in told
]  # fmt: skip
"""Warehouse, time, type and clusters of the events of SQL warehouses."""


def application(name: str) -> Application:
    """One of the world's applications."""
    return next(a for a in world() if a.name == name)


class _Even(_Clock):
    """Spreads a log's moments evenly, so that its short and busy times too are cut by midnights."""

    def __init__(self, times: Sequence[int], start_ms: int, end_ms: int) -> None:
        super().__init__(times[0], start_ms, 1.0)
        object.__setattr__(self, "known", (times, np.linspace(start_ms, end_ms, len(times))))

    def at(self, recorded_ms: int) -> int:
        """Between two known moments, in proportion."""
        return round(float(np.interp(recorded_ms, *self.known))) if recorded_ms else 0  # type: ignore[attr-defined]


def _lasting(lines: Sequence[bytes], start_ms: int, end_ms: int, **how: Any) -> tuple[bytes, ...]:
    events = [orjson.loads(line) for line in retime(lines, start_ms=start_ms, **how)]
    clock = _Even(sorted({t for event in events if (t := own_time(event))}), start_ms, end_ms)
    for event in events:
        clock.move(event)
    return tuple(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE) for event in events)


_RARE = ("SparkListenerSQLAdaptiveExecutionUpdate", "SparkListenerDriverAccumUpdates")


def thinned(name: str, *, jobs: int, tasks: int = 3) -> list[bytes]:
    """A recorded log with its first jobs, their stages, executions, and a few tasks of each stage."""
    lines = [(line, orjson.loads(line)) for line in recorded(name)]
    stages: set[int] = set()
    executions: set[int] = {0}
    for _, event in lines:
        if event["Event"] == "SparkListenerJobStart" and event["Job ID"] < jobs:
            stages |= set(event["Stage IDs"])
            executions.add(int(event["Properties"].get("spark.sql.execution.id", 0)))
    of_stage: dict[Any, set[int]] = defaultdict(set)
    seen: dict[str, int] = defaultdict(int)

    def keeps(event: Mapping[str, Any]) -> bool:
        kind = event["Event"].rsplit(".", 1)[-1]
        seen[kind] += 1
        if "Job ID" in event:
            return bool(event["Job ID"] < jobs)
        if "Task Info" in event:
            key, task = (event["Stage ID"], event["Stage Attempt ID"]), event["Task Info"]["Task ID"]
            if event["Stage ID"] in stages and (len(of_stage[key]) < tasks or task in of_stage[key]):
                of_stage[key].add(task)
                return True
            return False
        if "Stage Info" in event:
            return event["Stage Info"]["Stage ID"] in stages
        if kind in _RARE or kind == "SparkListenerStageExecutorMetrics":
            return seen[kind] <= 1
        if "executionId" in event:
            return event["executionId"] <= max(executions)
        return True

    return [line for line, event in lines if keeps(event)]


def partition(days: Sequence[dt.date], rng: random.Random) -> Iterator[tuple[dt.date, ...]]:
    """The days in runs of contiguous ones, cut at random."""
    start = 0
    for end in range(1, len(days) + 1):
        if end == len(days) or rng.random() < 0.5:
            yield tuple(days[start:end])
            start = end


@dataclass
class Folder:
    """A folder of log files that follows what a world says."""

    root: Path
    there: dict[str, File] = field(default_factory=dict)

    def put(self, files: Files) -> None:
        """Make the folder hold these files and no others; files that stay as they are are not touched."""
        self.root.mkdir(parents=True, exist_ok=True)
        for path in [p for p in self.there if p not in files]:
            (self.root / path).unlink()
            del self.there[path]
        for path, file in files.items():
            if self.there.get(path) != file:
                target = self.root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.data)
                os.utime(target, ns=(file.modified_ms * 1_000_000, file.modified_ms * 1_000_000))
                self.there[path] = file

    def clear(self) -> None:
        """Remove all."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.there = {}
