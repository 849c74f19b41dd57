"""The story's audit logs, in the form in which Databricks delivers them as files.

Field names and which action carries which parameters: Databricks' audit log reference. Values of `requestParams` are
strings, nested objects JSON text.
"""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from overwatch_assets.sample.accounts import account_events
from overwatch_assets.sample.clusters import definition
from overwatch_assets.sample.jobs import pool_definition, settings, work
from overwatch_assets.sample.queries import submissions
from overwatch_assets.sample.story import (
    ANALYST,
    DAY,
    ENGINEER,
    ETL,
    FIRST_MS,
    HOUR,
    MINUTE,
    MONTH_END,
    PLATFORM,
    Cluster,
    Job,
    Pool,
    Run,
    SampleWorkspace,
    Uptime,
)
from overwatch_assets.sample.warehouses import warehouses

_BATCH_MS = 2 * HOUR
_DELAY_MS = 10 * MINUTE  # from the end of a batch to its file
_SYSTEM = "System-User"
_JOBS = "JobsService"
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64)"


@dataclass(frozen=True)
class AuditLine:
    """One line and when its file appears. A broken one is cut off in its middle."""

    timestamp: int
    delivered_ms: int
    record: Mapping[str, Any]
    broken: bool = False

    @property
    def line(self) -> bytes:
        """As in the file."""
        whole = orjson.dumps(self.record)
        return (whole[: len(whole) // 2] if self.broken else whole) + b"\n"


def audit_lines(workspace: SampleWorkspace, until_ms: int) -> list[AuditLine]:
    """All that is logged up to a moment, in order of time.

    Lines come in batches of two hours, each delivered ten minutes after its end. Of those of the first day's afternoon,
    every second one comes late, on the next morning, and one of them twice. The second day's first line comes once
    broken and once whole.
    """
    told = sorted(_Log(workspace).lines(), key=lambda line: line.timestamp)
    told = [line for line in told if line.timestamp <= until_ms]
    late_from, late_until, late_at = FIRST_MS + 14 * HOUR, FIRST_MS + 16 * HOUR, FIRST_MS + DAY + 6 * HOUR
    afternoon = [line for line in told if late_from <= line.timestamp < late_until]
    late = {id(line) for line in afternoon[::2]}
    lines = [replace(line, delivered_ms=late_at) if id(line) in late else line for line in told]
    lines += [replace(line, delivered_ms=late_at) for line in afternoon[1:2]]
    first = next((line for line in told if line.timestamp >= FIRST_MS + DAY), None)
    return lines if first is None else [*lines, replace(first, broken=True)]


class _Log:
    """Writes the lines of one workspace."""

    def __init__(self, workspace: SampleWorkspace) -> None:
        self._workspace = workspace
        self._random = random.Random(f"audit {workspace.workspace_id}")  # noqa: S311 - request ids, not secrets
        self._addresses = {
            user.email: f"203.0.113.{number}"
            for number, user in enumerate((PLATFORM, ANALYST, ENGINEER, ETL), start=10)
        }

    def lines(self) -> Iterator[AuditLine]:
        yield from self._logins()
        for cluster in self._workspace.clusters:
            yield from self._cluster(cluster)
        for job in self._workspace.jobs:
            yield from self._job(job)
        told: set[int] = set()
        for run in self._workspace.runs:
            yield from self._launch(run, first=run.parent_run_id not in told)
            yield from self._run(run)
            told.add(run.parent_run_id)
        for pool in self._workspace.pools:
            yield from self._pool(pool)
        yield from self._notebooks()
        yield from self._warehouses()
        yield from self._accounts()
        yield from self._notebook_changes()
        for at, email, said in submissions(self._workspace):
            yield self._line(at, "databrickssql", "commandSubmit", email, said)

    def _accounts(self) -> Iterator[AuditLine]:
        for event in account_events(self._workspace):
            line = self._line(
                event.at_ms,
                event.service,
                event.action,
                event.user.email,
                event.parameters,
                agent=event.agent or _BROWSER,
            )
            said: dict[str, Any] = {"sourceIPAddress": event.address, "requestId": event.request}
            record = {**line.record, **{name: value for name, value in said.items() if value is not None}}
            if event.status != 200:
                refused = {"statusCode": event.status, "errorMessage": "refused", "result": None}
                record["response"] = refused
            yield replace(line, record=record)

    def _job(self, job: Job) -> Iterator[AuditLine]:
        if job.created_ms >= FIRST_MS:
            said = {name: _text(value) for name, value in settings(self._workspace, job, job.created_ms).items()}
            result = json.dumps({"job_id": job.job_id})
            yield self._line(
                job.created_ms, "jobs", "create", job.owner.email, said | {"job_type": "JOB"}, result=result
            )
        for change in job.changes:
            whole = settings(self._workspace, job, change.at_ms)
            new = whole if change.action == "reset" else change.settings
            said = {"job_id": str(job.job_id), "new_settings": _text(new)}
            if change.removed:
                said["fields_to_remove"] = _text(list(change.removed))
            yield self._line(change.at_ms, "jobs", change.action, job.owner.email, said)

    def _pool(self, pool: Pool) -> Iterator[AuditLine]:
        times = [(pool.created_ms, "create"), *((at, "edit") for at, _ in pool.edits)]
        for at, action in times:
            if at < FIRST_MS:
                continue
            said = {name: _text(value) for name, value in pool_definition(self._workspace, pool, at).items()}
            by_id = {"instance_pool_id": pool.pool_id}
            if action == "edit":
                yield self._line(at, "instancePools", action, pool.creator.email, by_id | said)
            else:
                yield self._line(at, "instancePools", action, pool.creator.email, said, result=json.dumps(by_id))

    def _launch(self, run: Run, *, first: bool) -> Iterator[AuditLine]:
        """What begins a run of a whole job, or repairs it; and what cancels it."""
        at, by_job, owner = run.started_ms - 1_500, {"job_id": str(run.job.job_id)}, run.job.owner.email
        began = json.dumps({"run_id": run.parent_run_id})
        if run.launch == "repairRun":
            said = {"run_id": str(run.parent_run_id), "rerun_tasks": _text([run.task_key])}
            result = json.dumps({"repair_id": run.repair_id})
            yield self._line(at, "jobs", "repairRun", owner, said, result=result)
        elif not first:
            return
        elif run.launch == "runTriggered":
            said = {"jobId": str(run.job.job_id), "jobTriggerType": run.trigger, "runId": str(run.parent_run_id)}
            yield self._line(at, "jobs", "runTriggered", _SYSTEM, said, agent=_JOBS)
        elif run.launch == "runNow":
            yield self._line(at, "jobs", "runNow", owner, by_job | {"jobTriggerType": "manual"}, result=began)
        else:
            task = {"task_key": run.task_key, "existing_cluster_id": run.cluster_id, **work(run.job, run.task_key)}
            said = {"run_name": run.job.name, "tasks": _text([task]), "timeout_seconds": "0"}
            yield self._line(at, "jobs", run.launch, owner, said, result=began)
        if run.cancelled_ms is not None:
            yield self._line(run.cancelled_ms, "jobs", "cancel", owner, {"run_id": str(run.parent_run_id)})

    def _logins(self) -> Iterator[AuditLine]:
        browser = self._workspace.facts.browser_login
        for day in range(3):
            for hour, user in ((7, ENGINEER), (7, ANALYST), (8, PLATFORM)):
                at = FIRST_MS + day * DAY + hour * HOUR + self._random.randrange(40 * MINUTE)
                yield self._line(at, "accounts", browser, user.email, {"user": user.email})
            at = FIRST_MS + day * DAY + HOUR + self._random.randrange(30 * MINUTE)
            yield self._line(
                at, "accounts", "tokenLogin", ETL.email, {"user": ETL.email, "authenticationMethod": "PAT"}
            )

    def _cluster(self, cluster: Cluster) -> Iterator[AuditLine]:
        by_id = {"cluster_id": cluster.cluster_id}
        said = {key: _text(value) for key, value in definition(self._workspace, cluster).items()}
        for up in cluster.uptimes:
            if up.requested_ms == cluster.created_ms:
                job = {"cluster_creator": "JOB_LAUNCHER"} if cluster.source == "JOB" else {}
                yield self._line(
                    up.requested_ms,
                    "clusters",
                    "create",
                    up.started_by.email,
                    {**said, **job, "start_cluster": "true"},
                    result=json.dumps(by_id),
                )
                yield self._result(up.running_ms, "createResult", cluster, "Running")
            else:
                yield self._line(up.requested_ms, "clusters", "start", up.started_by.email, by_id)
                yield self._result(up.running_ms, "startResult", cluster, "Running")
            if up.terminated_ms is not None:
                yield self._line(up.terminated_ms - MINUTE // 2, "clusters", "delete", _who_ended(up), by_id)
                yield self._result(up.terminated_ms, "deleteResult", cluster, "Terminated")
        if cluster.edited_ms is not None:
            yield self._line(cluster.edited_ms, "clusters", "edit", cluster.creator.email, {**by_id, **said})
        if cluster.deleted_ms is not None:
            yield self._line(cluster.deleted_ms, "clusters", "permanentDelete", PLATFORM.email, by_id)

    def _result(self, at: int, action: str, cluster: Cluster, state: str) -> AuditLine:
        parameters = {
            "clusterId": cluster.cluster_id,
            "clusterName": cluster.name,
            "clusterState": state,
            "clusterWorkers": str(cluster.workers),
            "clusterOwnerUserId": str(cluster.creator.user_id),
        }
        return self._line(at, "clusters", action, _SYSTEM, parameters)

    def _run(self, run: Run) -> Iterator[AuditLine]:
        job = {"jobId": str(run.job.job_id), "jobTriggerType": run.trigger}
        task = job | {
            "runId": str(run.run_id),
            "multitaskParentRunId": str(run.parent_run_id),
            "idInJob": str(run.run_id),
            "taskKey": run.task_key,
            "jobTaskType": run.job.task_type,
            "jobClusterType": "new" if run.on_job_cluster else "existing",
            "clusterId": run.cluster_id,
        }
        if run.repair_id is not None:
            task["repairId"] = str(run.repair_id)
        yield self._line(run.started_ms, "jobs", "runStart", run.job.owner.email, task, agent=_JOBS)
        action, state = ("runSucceeded", "Succeeded") if run.succeeded else ("runFailed", "Failed")
        if run.cancelled_ms is not None:
            state = "Canceled"
        ended = task | {"jobTerminalState": state}
        yield self._line(run.ended_ms, "jobs", action, run.job.owner.email, ended, agent=_JOBS)

    def _notebooks(self) -> Iterator[AuditLine]:
        attached = set()
        for command in sorted(self._workspace.commands, key=lambda c: c.started_ms):
            notebook = {"notebookId": str(command.notebook_id), "clusterId": command.cluster_id}
            context = (command.notebook_id, self._uptime_of(command.cluster_id, command.started_ms).requested_ms)
            if context not in attached:
                attached.add(context)
                path = notebook | {"path": command.path}
                yield self._line(command.started_ms - 5_000, "notebook", "attachNotebook", command.user.email, path)
            seconds = (command.ended_ms - command.started_ms) / 1000
            said = notebook | {
                "commandId": command.command_id,
                "commandText": command.text,
                "executionTime": f"{seconds:.3f}",
                "status": "finished",
            }
            yield self._line(command.ended_ms, "notebook", "runCommand", command.user.email, said)

    def _notebook_changes(self) -> Iterator[AuditLine]:
        """Create a notebook on the second day, rename it and, in the same millisecond, move it."""
        told = next(c for c in self._workspace.commands if c.path == MONTH_END)
        folder, name = told.path.rsplit("/", 1)
        at = FIRST_MS + DAY + 9 * HOUR
        by_id, draft = {"notebookId": str(told.notebook_id)}, "/Users/platform@example.com"
        changes = (
            (at, "createNotebook", {"path": f"{draft}/Untitled"}),
            (at + HOUR, "renameNotebook", {"oldName": "Untitled", "newName": name, "parentPath": draft}),
            (at + HOUR, "moveNotebook", {"oldPath": f"{draft}/{name}", "newPath": f"{folder}/{name}"}),
        )
        for ms, action, said in changes:
            yield self._line(ms, "notebook", action, told.user.email, by_id | said)

    def _warehouses(self) -> Iterator[AuditLine]:
        for warehouse in warehouses(self._workspace.workspace_id):
            by_id = {"id": warehouse.warehouse_id}
            for request in warehouse.requests:
                # Who edits a warehouse states all of it.
                whole = warehouse.settings_at(request.at_ms) if request.said else {}
                said = {name: _text(value) for name, value in whole.items()}
                service = "databrickssql"
                if request.action.startswith("create"):
                    yield self._line(
                        request.at_ms, service, request.action, request.by.email, said, result=json.dumps(by_id)
                    )
                else:
                    yield self._line(request.at_ms, service, request.action, request.by.email, by_id | said)

    def _uptime_of(self, cluster_id: str, at: int) -> Uptime:
        cluster = next(c for c in self._workspace.clusters if c.cluster_id == cluster_id)
        up = cluster.uptime(at)
        assert up is not None  # noqa: S101 - a command runs on a cluster that is up
        return up

    def _line(
        self,
        at: int,
        service: str,
        action: str,
        email: str,
        parameters: Mapping[str, str],
        *,
        result: str | None = None,
        agent: str = _BROWSER,
    ) -> AuditLine:
        record = {
            "version": "2.0",
            "auditLevel": "WORKSPACE_LEVEL",
            "timestamp": at,
            "orgId": self._workspace.workspace_id,
            "shardName": f"shard-{self._workspace.facts.region}",
            "accountId": "sample-account",
            "sourceIPAddress": self._addresses.get(email, "198.51.100.7"),
            "userAgent": agent,
            "sessionId": f"{self._random.getrandbits(64):016x}",
            "userIdentity": {"email": email, "subjectName": None},
            "serviceName": service,
            "actionName": action,
            "requestId": f"{self._random.getrandbits(128):032x}",
            "requestParams": dict(parameters),
            "response": {"statusCode": 200, "errorMessage": None, "result": result},
        }
        return AuditLine(at, (at // _BATCH_MS + 1) * _BATCH_MS + _DELAY_MS, record)


def _text(value: object) -> str:
    """Write a value of `requestParams`."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def _who_ended(up: Uptime) -> str:
    return up.started_by.email if up.reason == "USER_REQUEST" else _SYSTEM
