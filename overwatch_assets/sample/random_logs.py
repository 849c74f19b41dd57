"""What Databricks tells of a random story: audit logs, the answers of its API, and the user's price file.

Lines and events come in no order, some of them twice, some lines in the next day's folder. Field names: Databricks'
references of audit logs and of its REST API.
"""

import csv
import datetime as dt
import io
import json
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import orjson

from overwatch_assets.sample.random_parts import (
    NODE,
    OFF,
    PHOTON,
    Cluster,
    Definition,
    Moment,
    Pool,
    Request,
    Run,
    Story,
)
from overwatch_assets.sample.random_sql_logs import requests
from overwatch_assets.sample.story import DAY, FIRST_MS

_SIZED = {"CREATING", "STARTING", "EDITED"}  # events that tell how large it is defined to be
_COUNTED = {"RUNNING", "RESIZING", "UPSIZE_COMPLETED"}  # and those that tell how many workers there are
_COLUMNS = (
    *("table", "key", "vCPUs", "Compute_Contract_Price", "Hourly_DBUs", "contract_price", "factor"),
    *("driver_size", "worker_size", "worker_count", "total_dbus"),
    *("activeFrom", "price_source"),
)
_SINGLE_NODE = {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"}


def audit_files(story: Story) -> dict[dt.date, list[bytes]]:
    """Lines of the folder of each day, as they are at the story's end."""
    rng = random.Random(f"audit {story.seed}")  # noqa: S311 - an order of lines, not a secret
    told = [line for line in _Audit(story).lines() if FIRST_MS <= line[0] < story.until_ms]
    files: dict[dt.date, list[bytes]] = {day: [] for day in story.days}
    for at, line in told:
        day = (at - FIRST_MS) // DAY
        late = rng.random() < 0.03 and day + 1 < len(story.days)
        files[story.days[day + late]] += [line] * (2 if rng.random() < 0.05 else 1)
    for lines in files.values():
        rng.shuffle(lines)
    return files


class _Audit:
    """Writes audit records."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.number = 0

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Time and line of each record."""
        for cluster in self.story.clusters:
            yield from self._cluster(cluster)
        for job in self.story.jobs:
            for at, action in job.changes:
                settings = {"name": f"{job.name} since {action}", "max_concurrent_runs": 1}
                if action == "create":
                    yield self._line(at, "jobs", action, settings, {"job_id": job.job_id})
                else:
                    said = {"new_settings": settings} if action != "delete" else {}
                    yield self._line(at, "jobs", action, {"job_id": job.job_id, **said})
        for pool in self.story.pools:
            made = {"instance_pool_id": pool.pool_id}
            yield self._line(pool.created_ms, "instancePools", "create", _pool(pool), made)
        for request in self.story.requests:
            yield self._request(request)
        for run in self.story.runs:
            yield from self._run(run)
        for told in requests(self.story):
            yield self._line(*told)

    def _cluster(self, cluster: Cluster) -> Iterator[tuple[int, bytes]]:
        by_id = {"cluster_id": cluster.cluster_id}
        edits = dict(cluster.definitions[1:])
        for moment in cluster.moments:
            result = {"clusterId": cluster.cluster_id, "clusterName": cluster.definitions[0][1].name}
            if moment.kind == "CREATING" and cluster.logged:
                said = {**_defined(cluster.definitions[0][1]), "start_cluster": "true"}
                yield self._line(moment.at, "clusters", "create", said, by_id)
                yield self._line(moment.at + 90_000, "clusters", "createResult", result | {"clusterState": "Running"})
            elif moment.kind == "STARTING":
                yield self._line(moment.at, "clusters", "start", by_id)
                yield self._line(moment.at + 90_000, "clusters", "startResult", result | {"clusterState": "Running"})
            elif moment.kind == "EDITED":
                yield self._line(moment.at, "clusters", "edit", {**by_id, **_defined(edits[moment.at])})
            elif moment.kind == "TERMINATING":
                yield self._line(moment.at + 9, "clusters", "deleteResult", result | {"clusterState": "Terminated"})
        for at in cluster.end_requests:
            yield self._line(at, "clusters", "delete", by_id)
            yield self._line(at + 1, "clusters", "delete", by_id, status=400)  # somebody else, a moment too late
        if cluster.deleted_ms is not None:
            yield self._line(cluster.deleted_ms, "clusters", "permanentDelete", by_id)

    def _request(self, request: Request) -> tuple[int, bytes]:
        run, job = request.job_run_id, request.job_id
        if request.action == "runTriggered":
            said: dict[str, Any] = {"jobId": job, "runId": run, "jobTriggerType": "cron"}
            return self._line(request.at, "jobs", request.action, said)
        if request.action == "repairRun":
            said = {"run_id": run, "rerun_tasks": [request.task_key]}
            return self._line(request.at, "jobs", request.action, said, {"repair_id": request.repair_id})
        if request.action == "runNow":
            said = {"job_id": job, **({"idempotency_token": request.token} if request.token else {})}
        else:
            task = {"task_key": request.task_key, "existing_cluster_id": request.cluster_id}
            said = {"run_name": "once", "tasks": [task | {"notebook_task": {"notebook_path": "/once"}}]}
        return self._line(request.at, "jobs", request.action, said, {"run_id": run})

    def _run(self, run: Run) -> Iterator[tuple[int, bytes]]:
        said: dict[str, Any] = {
            "jobId": run.job_id,
            "runId": run.run_id,
            "idInJob": run.run_id,
            "taskKey": run.task_key,
            "jobTaskType": "notebook",
            "jobClusterType": run.cluster_type,
            "clusterId": run.cluster_id,
        }
        if run.job_run_id != run.run_id:
            said["multitaskParentRunId"] = run.job_run_id
        if run.parent is not None:
            said["parentRunId"] = run.parent
        if run.repair_id is not None:
            said["repairId"] = run.repair_id
        if run.began_told:
            yield self._line(run.start, "jobs", "runStart", said)
        if run.ended_told:
            action = "runSucceeded" if run.state == "Succeeded" else "runFailed"
            yield self._line(run.end, "jobs", action, said | {"jobTerminalState": run.state})
        if run.cancelled_ms is not None:
            yield self._line(run.cancelled_ms, "jobs", "cancel", {"run_id": run.job_run_id})

    def _line(
        self,
        at: int,
        service: str,
        action: str,
        parameters: Mapping[str, Any],
        result: Mapping[str, Any] | None = None,
        status: int = 200,
    ) -> tuple[int, bytes]:
        self.number += 1
        record = {
            "version": "2.0",
            "auditLevel": "WORKSPACE_LEVEL",
            "timestamp": at,
            "serviceName": service,
            "actionName": action,
            "requestId": f"request-{self.number}",
            "sessionId": None,
            "sourceIPAddress": "203.0.113.10",
            "userAgent": "a browser",
            "userIdentity": {"email": "platform@example.com", "subjectName": None},
            "requestParams": {name: _text(value) for name, value in parameters.items()},
            "response": {
                "statusCode": status,
                "errorMessage": None if status == 200 else "refused",
                "result": None if result is None else json.dumps(result),
            },
        }
        return at, orjson.dumps(record) + b"\n"


def cluster_bodies(story: Story) -> dict[str, dict[str, Any]]:
    """By id what `clusters/get` says at the story's end; of what was deleted for good nothing."""
    found = {}
    for cluster in story.clusters:
        known = cluster.known(story.until_ms)
        if known and (cluster.deleted_ms is None or cluster.deleted_ms >= story.until_ms):
            now = [d for at, d in cluster.definitions if at < story.until_ms][-1]
            is_off = known[-1].phase == OFF
            found[cluster.cluster_id] = {
                "cluster_id": cluster.cluster_id,
                **_defined(now),
                "state": "TERMINATED" if is_off else "RUNNING",
                "start_time": cluster.created_ms,
                **({"terminated_time": known[-1].at} if is_off else {}),
            }
    return found


def cluster_events(story: Story) -> dict[str, list[dict[str, Any]]]:
    """By cluster what `clusters/events` says at the story's end, in no order, some twice.

    Those of a cluster that was deleted for good are among them, as they were when it still was there.
    """
    rng = random.Random(f"events {story.seed}")  # noqa: S311 - an order of events, not a secret
    found = {}
    for cluster in story.clusters:
        events = [_event(cluster, m) for m in cluster.known(story.until_ms) if m.told]
        events += rng.sample(events, len(events) // 10)
        rng.shuffle(events)
        found[cluster.cluster_id] = events
    return found


def _event(cluster: Cluster, moment: Moment) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if moment.kind in _SIZED:
        defined = next(d for at, d in reversed(cluster.definitions) if at <= moment.at)
        details["cluster_size"] = _size(defined)
    if moment.kind in _COUNTED:
        details |= {"current_num_workers": moment.there, "target_num_workers": moment.aimed}
    return {"cluster_id": cluster.cluster_id, "timestamp": moment.at, "type": moment.kind, "details": details}


def pool_bodies(story: Story) -> list[dict[str, Any]]:
    """What `instance-pools/list` says."""
    return [{"instance_pool_id": pool.pool_id, **_pool(pool), "state": "ACTIVE"} for pool in story.pools]


def job_bodies(story: Story) -> list[dict[str, Any]]:
    """What `jobs/list` says: jobs that were not deleted."""
    return [
        {"job_id": job.job_id, "created_time": job.changes[0][0], "settings": {"name": job.name, "tasks": []}}
        for job in story.jobs
        if not any(action == "delete" and at < story.until_ms for at, action in job.changes)
    ]


def price_file(story: Story) -> str:
    """The user's price file: nothing that is shipped is used, and some node types are not in it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for kind in dict.fromkeys(price.kind for price in story.prices):
        writer.writerow({"table": kind, "key": "*"})
    for price in story.prices:
        if price.listed:
            column = {NODE: "Compute_Contract_Price", PHOTON: "factor"}.get(price.kind, "contract_price")
            row = {"table": price.kind, "key": price.key, "activeFrom": price.since, "price_source": "a contract"}
            row |= {column: _decimal(price.amount), "Hourly_DBUs": _decimal(price.dbus)}
            writer.writerow(row | ({"vCPUs": 4} if price.kind == NODE else {}))
    writer.writerow({"table": "warehouse", "key": "*"})
    for size in story.sizes:
        if size.listed:
            cluster = {"driver_size": size.driver, "worker_size": size.worker, "worker_count": size.workers}
            row = {"table": "warehouse", "key": size.key, "activeFrom": size.since, "price_source": "a contract"}
            writer.writerow(row | cluster | {"total_dbus": size.dbus})
    return text.getvalue()


def _decimal(value: Fraction | None) -> str:
    return "" if value is None else f"{float(value):.12g}"


def _defined(definition: Definition) -> dict[str, Any]:
    said: dict[str, Any] = {
        "cluster_name": definition.name,
        "spark_version": definition.version,
        "autotermination_minutes": definition.idle_minutes,
        "custom_tags": dict(definition.tags),
        "runtime_engine": "PHOTON" if definition.photon else "STANDARD",
        "spark_conf": _SINGLE_NODE if definition.worker is None else {},
        **_size(definition),
    }
    if definition.pool_id:
        return said | {"instance_pool_id": definition.pool_id, "driver_instance_pool_id": definition.pool_id}
    return said | {"node_type_id": definition.worker or definition.driver, "driver_node_type_id": definition.driver}


def _size(definition: Definition) -> dict[str, Any]:
    if definition.least == definition.most:
        return {"num_workers": definition.least}
    return {"autoscale": {"min_workers": definition.least, "max_workers": definition.most}}


def _pool(pool: Pool) -> dict[str, Any]:
    return {"instance_pool_name": pool.name, "node_type_id": pool.node_type, "max_capacity": 20}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


__all__ = ["audit_files", "cluster_bodies", "cluster_events", "job_bodies", "pool_bodies", "price_file"]
