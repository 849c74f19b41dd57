"""Audit events of a job run, folded into its task runs.

In Python, because it is a story of a few events with many exceptions: they come in no particular order and at least
once, the submission may be missing, start and end may not have come yet, and requests name the job's run or a task's.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa

from overwatch_assets.bronze.jobs_snapshot_bronze import LIBRARY, SETTINGS, TASK
from overwatch_assets.contract.types import spark_type
from overwatch_assets.rules.api_bodies import CLUSTER_DEFINITION
from overwatch_assets.rules.audit_records import IDENTITY, RESPONSE, parameters
from overwatch_assets.rules.json_values import arrow_of, object_of, shaper

RUN_NOW, SUBMIT_RUN, RUN_TRIGGERED = "runNow", "submitRun", "runTriggered"
RUN_START, RUN_SUCCEEDED, RUN_FAILED = "runStart", "runSucceeded", "runFailed"
CANCEL, REPAIR_RUN = "cancel", "repairRun"
RUN_ACTIONS = (RUN_NOW, SUBMIT_RUN, RUN_TRIGGERED, RUN_START, RUN_SUCCEEDED, RUN_FAILED, CANCEL, REPAIR_RUN)
REQUESTS = (CANCEL, REPAIR_RUN)
"""Actions that may name a task's run, and then stand in the log under that."""


def _struct(members: dict[str, str]) -> str:
    return f"struct<{','.join(f'{name}:{kind}' for name, kind in members.items())}>"


def _kinds(ddl: str) -> dict[str, str]:
    return {f.name: f.dataType.simpleString() for f in spark_type(ddl).fields}  # type: ignore[attr-defined]


LEGACY_TASKS = (
    *("notebook_task", "spark_python_task", "python_wheel_task", "spark_jar_task", "spark_submit_task"),
    *("shell_command_task", "pipeline_task"),
)
TASK_DETAILS = (*LEGACY_TASKS, "sql_task")
_OF_TASK, _OF_JOB = _kinds(TASK), _kinds(SETTINGS)
TASKS, JOB_CLUSTERS, LIBRARIES = f"array<{TASK}>", _OF_JOB["job_clusters"], f"array<{LIBRARY}>"
TASK_DETAIL = _struct({name: _OF_TASK[name] for name in TASK_DETAILS})
TASK_DETAIL_LEGACY = _struct({name: _OF_JOB[name] for name in LEGACY_TASKS})
_LISTS = ("jar_params", "python_params", "spark_submit_params")
_MAPS = ("notebook_params", "python_named_params", "sql_params", "pipeline_params")
_SUBMITTED = {
    "existing_cluster_id": "string",
    "new_cluster": CLUSTER_DEFINITION,
    "tasks": TASKS,
    "job_clusters": JOB_CLUSTERS,
    "libraries": LIBRARIES,
    "access_control_list": (
        "array<struct<user_name:string,group_name:string,service_principal_name:string,permission_level:string>>"
    ),
    "git_source": _OF_JOB["git_source"],
    "sql_task": _OF_TASK["sql_task"],
}


_LIST, _MAP = "array<string>", "map<string,string>"
SUBMIT_RUN_DETAILS = _struct(_SUBMITTED)
MANUAL_OVERRIDE_PARAMS = _struct(dict.fromkeys(_LISTS, _LIST) | dict.fromkeys(_MAPS, _MAP) | {"dbt_commands": _LIST})
REPAIR_DETAILS = "array<{}>".format(
    _struct(
        {
            "repair_timestamp": "bigint",
            "rerun_tasks": "string",
            "latest_repair_id": "string",
            "repair_params": _struct(dict.fromkeys(_LISTS, _LIST) | {"notebook_params": _MAP}),
            "repair_response": RESPONSE,
            "repairedBy": IDENTITY,
            "repairUserAgent": "string",
            "repairRequestId": "string",
        }
    )
)
REQUEST_DETAILS = _struct(
    {
        "submissionRequest": _struct(
            {
                "submitRequestId": "string",
                "submitResponse": RESPONSE,
                "submitSessionId": "string",
                "submitSourceIP": "string",
                "submitUserAgent": "string",
                "submittedBy": IDENTITY,
            }
        ),
        "cancellationRequest": _struct(
            {
                "cancellationRequestId": "string",
                "cancellationResponse": RESPONSE,
                "cancellationSessionId": "string",
                "cancellationSourceIP": "string",
                "cancelledUserAgent": "string",
                "cancelledBy": IDENTITY,
            }
        ),
        "completionRequest": _struct({"completionRequestId": "string", "completionResponse": RESPONSE}),
        "startRequest": _struct({"startRequestId": "string"}),
    }
)
RUN = {
    "jobId": "bigint",
    "jobRunId": "bigint",
    "taskRunId": "bigint",
    "runId": "bigint",
    "multitaskParentRunId": "bigint",
    "parentRunId": "bigint",
    "taskKey": "string",
    "taskDependencies": _LIST,
    "repairId": "bigint",
    "repair_details": REPAIR_DETAILS,
    "startTime": "bigint",
    "endTime": "bigint",
    "submissionTime": "bigint",
    "definedTime": "bigint",
    "cancellationTime": "bigint",
    "completionTime": "bigint",
    "is_open": "boolean",
    "run_name": "string",
    "clusterType": "string",
    "taskType": "string",
    "jobTriggerType": "string",
    "terminalState": "string",
    "clusterId": "string",
    "timeout_seconds": "bigint",
    "task_detail_legacy": TASK_DETAIL_LEGACY,
    "submitRun_details": SUBMIT_RUN_DETAILS,
    "manual_override_params": MANUAL_OVERRIDE_PARAMS,
    "workflow_context": "string",
    "idempotency_token": "string",
    "requestDetails": REQUEST_DETAILS,
}
"""What `job_runs` says of a run. `endTime` is its completion, else the cancellation that ended it.

`definedTime` is when the job's run, or the repair that it belongs to, was asked for; null: it has not started.
"""

PARAMS = (
    *("runId", "run_id", "multitaskParentRunId", "parentRunId", "taskKey", "taskDependencies", "repairId"),
    *("jobClusterType", "jobTaskType", "jobTriggerType", "jobTerminalState", "clusterId", "workflow_context"),
    *("run_name", "timeout_seconds", "idempotency_token", "rerun_tasks", "latest_repair_id", "dbt_commands"),
    *(*_LISTS, *_MAPS, *LEGACY_TASKS, *(name for name in _SUBMITTED if name != "sql_task")),
)
"""Request parameters that an event must bring."""

FACTS = (
    *("timestamp", "lineHash", "actionName", "requestId", "sessionId", "sourceIPAddress", "userAgent", "userIdentity"),
    *("response", "event_job_id"),
)
"""Columns of `audit_log_bronze` that an event must bring, besides its parameters and, as `line`, its text."""

RUNS = ", ".join(f"{name} {kind}" for name, kind in RUN.items())
_KINDS = {name: spark_type(kind) for name, kind in RUN.items()}
_number, _list, _map = (shaper(spark_type(kind)) for kind in ("bigint", _LIST, _MAP))
_shape_submitted = shaper(spark_type(SUBMIT_RUN_DETAILS))
_shape_legacy = shaper(spark_type(TASK_DETAIL_LEGACY))

Event = dict[str, Any]


def job_runs(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For `mapInArrow` over job runs (jobRunId, events): yields `RUNS`."""
    for batch in batches:
        pairs = zip(batch.column("jobRunId").to_pylist(), batch.column("events").to_pylist(), strict=True)
        runs = [run for job_run_id, events in pairs for run in runs_of(job_run_id, events)]
        yield pa.RecordBatch.from_pydict(
            {name: arrow_of([run.get(name) for run in runs], kind) for name, kind in _KINDS.items()}
        )


def runs_of(job_run_id: int, events: Sequence[Event]) -> list[dict[str, Any]]:
    """The task runs of one job run. None if nothing but requests about it is known: they make no run."""
    job = _Job(job_run_id, sorted(events, key=_place))
    attempts = [attempt for run_id in job.run_ids for attempt in _attempts(run_id, job.of_run(run_id))]
    if not attempts and job.asked is not None:
        attempts = [_Attempt(job_run_id, None, None, None, is_first=True)]
    return [_run(job, attempt) for attempt in attempts]


def _place(event: Event) -> tuple[Any, ...]:
    """In order of time, starts before ends; what is then equal has an order too, though it hardly matters."""
    at, action = event["timestamp"], event["actionName"]
    return (at is None, at, action != RUN_START, event["requestId"] or "", event["lineHash"])


class _Job:
    """Everything that is known of one job run."""

    def __init__(self, job_run_id: int, events: Sequence[Event]) -> None:
        self.job_run_id = job_run_id
        self.events = events
        self.launched, self.submitted, self.triggered = (
            self._first(action) for action in (RUN_NOW, SUBMIT_RUN, RUN_TRIGGERED)
        )
        self.asked = self.launched or self.submitted or self.triggered
        times = [e["timestamp"] for e in (self.launched, self.submitted, self.triggered) if e is not None]
        self.submission_time = min((at for at in times if at is not None), default=None)
        self.cancels = [e for e in events if e["actionName"] == CANCEL and _was_granted(e)]
        self._lives: dict[int, list[Event]] = defaultdict(list)
        self.first_starts: dict[int | None, int] = {}
        """Of the first tries, None, and of each repair."""
        for e in (e for e in events if e["actionName"] in (RUN_START, RUN_SUCCEEDED, RUN_FAILED)):
            self._lives[self._run_id(e)].append(e)
            if e["actionName"] == RUN_START and e["timestamp"] is not None:
                repair_id = _number(e["repairId"])
                self.first_starts[repair_id] = min(self.first_starts.get(repair_id, e["timestamp"]), e["timestamp"])

    def _first(self, action: str) -> Event | None:
        return next((e for e in self.events if e["actionName"] == action), None)

    @property
    def run_ids(self) -> list[int]:
        """Runs of its tasks. The job's own run is one only if no task has one: else it is the run of them all."""
        return sorted(self._lives.keys() - {self.job_run_id}) or sorted(self._lives)

    def of_run(self, run_id: int) -> list[Event]:
        """Starts and ends of a run."""
        return self._lives.get(run_id, [])

    def _run_id(self, event: Event) -> int:
        return self.job_run_id if event["runId"] is None else int(event["runId"])

    def repairs(self, run_id: int, repair_id: int | None) -> list[dict[str, Any]] | None:
        """The repair that a run belongs to: it named the run, or the job's run."""
        if repair_id is None:
            return None
        told = [
            e
            for e in self.events
            if e["actionName"] == REPAIR_RUN
            and _asked_about(e) in (run_id, self.job_run_id)
            and _answer(e).get("repair_id") == repair_id
        ]
        by_run = sorted(told, key=lambda e: int(_asked_about(e) or 0))
        firsts = [next(same) for _, same in groupby(by_run, key=_asked_about)]
        return [_repair(e) for e in sorted(firsts, key=_place)] or None


@dataclass(frozen=True)
class _Attempt:
    """One life of a run, from its start to its end."""

    run_id: int
    start: Event | None
    completion: Event | None
    next_start: int | None
    is_first: bool

    @property
    def began(self) -> int | None:
        return None if self.start is None else self.start["timestamp"]

    @property
    def completed(self) -> int | None:
        return None if self.completion is None else self.completion["timestamp"]


def _attempts(run_id: int, events: Sequence[Event]) -> list[_Attempt]:
    """Lives of a run. It is started again only after an end; of repeated starts and ends the first counts.

    An end without a start is that of the start that was logged after it, unless that has an end of its own.
    """
    lives: list[tuple[Event | None, Event | None]] = []
    ends = [e for e in events if e["actionName"] != RUN_START]
    for _, moment in groupby(events, key=lambda e: e["timestamp"]):
        goes_on = bool(lives) and lives[-1][1] is None  # it ends before it begins again
        for event in sorted(moment, key=lambda e: goes_on and e["actionName"] == RUN_START):
            start, completion = lives[-1] if lives else (None, None)
            if event["actionName"] != RUN_START:
                if not lives:
                    lives.append((None, event))
                elif completion is None:
                    lives[-1] = (start, event)
            elif lives and start is None and _place(ends[-1]) < _place(event):
                lives[-1] = (event, completion)
            elif not lives or completion is not None:
                lives.append((event, None))
    nexts = [None if s is None else s["timestamp"] for s, _ in lives[1:]]
    return [
        _Attempt(run_id, start, completion, following, is_first=n == 0)
        for n, ((start, completion), following) in enumerate(zip(lives, [*nexts, None], strict=True))
    ]


def _cancel_of(job: _Job, life: _Attempt) -> tuple[Event | None, bool]:
    """The cancellation that is about a life, and whether it came before its end.

    One that names the run is about it whenever it came; one that names the job's run only while the life went on: tasks
    that had ended, and those that a later repair started, were not cancelled.
    """

    def after_start(at: int | None) -> bool:
        return at is None or life.began is None or at >= life.began

    def before_end(at: int | None) -> bool:
        return life.completion is None or (at is not None and life.completed is not None and at <= life.completed)

    own = [
        c
        for c in job.cancels
        if _asked_about(c) == life.run_id
        and (life.is_first or after_start(c["timestamp"]))
        and (life.next_start is None or c["timestamp"] is None or c["timestamp"] < life.next_start)
    ]
    whole = [
        c
        for c in job.cancels
        if _asked_about(c) == job.job_run_id and after_start(c["timestamp"]) and before_end(c["timestamp"])
    ]
    cancel = next(iter([*own, *whole]), None)
    return cancel, cancel is not None and before_end(cancel["timestamp"])


def _defined(job: _Job, life: _Attempt, repair_id: int | None, repairs: list[dict[str, Any]] | None) -> int | None:
    """When its job's run, or its repair, was asked for, else first started: edits of the job are for later ones."""
    if life.began is None:
        return None
    asked = [job.submission_time] if repair_id is None else [r["repair_timestamp"] for r in repairs or ()]
    told: list[int | None] = [*asked, job.first_starts.get(repair_id), life.began]
    return min(at for at in told if at is not None)


def _run(job: _Job, life: _Attempt) -> dict[str, Any]:
    start, end, asked = life.start or {}, life.completion or {}, job.asked or {}
    known = life.start is not None or life.completion is not None
    cancel, cancelled = _cancel_of(job, life)
    cancelled_at = None if cancel is None else cancel["timestamp"]
    ended = life.completed
    if life.completion is None and cancelled_at is not None:
        ended = cancelled_at if life.began is None else max(cancelled_at, life.began)
    elif ended is not None and life.began is not None:
        ended = max(ended, life.began)
    launched, submitted = job.launched or {}, job.submitted or {}

    def either(name: str) -> Any:
        return next((e[name] for e in (start, end) if e.get(name) not in (None, "")), None)

    repair_id = _number(either("repairId"))
    repairs = job.repairs(life.run_id, repair_id)
    state = end.get("jobTerminalState") or {RUN_SUCCEEDED: "Succeeded", RUN_FAILED: "Failed"}.get(
        end.get("actionName", "")
    )
    trigger = (job.triggered or {}).get("jobTriggerType") or either("jobTriggerType")
    return {
        "jobId": next((i for i in (either("event_job_id"), *_job_ids(job)) if i is not None), None),
        "jobRunId": job.job_run_id,
        "taskRunId": life.run_id if known else None,
        "runId": life.run_id,
        "multitaskParentRunId": _number(either("multitaskParentRunId")),
        "parentRunId": _number(either("parentRunId")),
        "taskKey": either("taskKey"),
        "taskDependencies": _list(either("taskDependencies")),
        "repairId": repair_id,
        "repair_details": repairs,
        "startTime": life.began,
        "endTime": ended,
        "submissionTime": job.submission_time,
        "definedTime": _defined(job, life, repair_id, repairs),
        "cancellationTime": cancelled_at,
        "completionTime": life.completed,
        "is_open": life.start is not None and life.completion is None and not cancelled,
        "run_name": submitted.get("run_name") or None,
        "clusterType": either("jobClusterType"),
        "taskType": either("jobTaskType"),
        "jobTriggerType": trigger or ("manual" if launched or submitted else None),
        "terminalState": "Cancelled" if cancelled else state,
        "clusterId": either("clusterId"),
        "timeout_seconds": submitted.get("timeout_seconds"),
        "task_detail_legacy": _given(_shape_legacy(submitted)),
        "submitRun_details": _submitted(submitted),
        "manual_override_params": _given(
            {name: _list(launched.get(name)) for name in (*_LISTS, "dbt_commands")}
            | {name: _map(launched.get(name)) for name in _MAPS}
        ),
        "workflow_context": launched.get("workflow_context") or submitted.get("workflow_context"),
        "idempotency_token": launched.get("idempotency_token") or submitted.get("idempotency_token"),
        "requestDetails": {
            "submissionRequest": _request(
                asked,
                submitRequestId="requestId",
                submitResponse="response",
                submitSessionId="sessionId",
                submitSourceIP="sourceIPAddress",
                submitUserAgent="userAgent",
                submittedBy="userIdentity",
            ),
            "cancellationRequest": _request(
                cancel or {},
                cancellationRequestId="requestId",
                cancellationResponse="response",
                cancellationSessionId="sessionId",
                cancellationSourceIP="sourceIPAddress",
                cancelledUserAgent="userAgent",
                cancelledBy="userIdentity",
            ),
            "completionRequest": _request(end, completionRequestId="requestId", completionResponse="response"),
            "startRequest": _request(start, startRequestId="requestId"),
        },
    }


def _job_ids(job: _Job) -> list[int | None]:
    return [e["event_job_id"] for e in (job.launched, job.triggered, job.submitted) if e is not None]


def _request(event: Event, **members: str) -> dict[str, Any] | None:
    return {name: event.get(column) for name, column in members.items()} if event else None


def _given(values: dict[str, Any] | None) -> dict[str, Any] | None:
    return values if values and any(value is not None for value in values.values()) else None


def _submitted(event: Event) -> dict[str, Any] | None:
    if not event:
        return None
    # `sql_task` is the only parameter without a column of its own in bronze.
    params = {name: event.get(name) for name in _SUBMITTED} | {"sql_task": parameters(event["line"]).get("sql_task")}
    return _given(_shape_submitted(params))


def _repair(event: Event) -> dict[str, Any]:
    params = {name: _list(event[name]) for name in _LISTS} | {"notebook_params": _map(event["notebook_params"])}
    return {
        "repair_timestamp": event["timestamp"],
        "rerun_tasks": event["rerun_tasks"],
        "latest_repair_id": event["latest_repair_id"],
        "repair_params": _given(params),
        "repair_response": event["response"],
        "repairedBy": event["userIdentity"],
        "repairUserAgent": event["userAgent"],
        "repairRequestId": event["requestId"],
    }


def _asked_about(event: Event) -> int | None:
    """The run that a request names."""
    found: int | None = event["run_id"] if event["run_id"] is not None else event["runId"]
    return found


def _was_granted(event: Event) -> bool:
    """A request that was refused did nothing."""
    return (event["response"] or {}).get("statusCode") in (None, 200)


def _answer(event: Event) -> dict[str, Any]:
    found = object_of((event["response"] or {}).get("result")) or {}
    return found | {"repair_id": _number(found.get("repair_id"))}
