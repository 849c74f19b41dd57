"""An audit record taken apart: what it says as typed values, and the record without its secrets.

Documented fields and their types: `audit_log_bronze` of Overwatch 0.8. Delivered logs write nearly all parameters as
text, also numbers, booleans and nested objects.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
from pyspark.sql import Column, functions as F, types as T

from overwatch_assets.contract.types import spark_type
from overwatch_assets.rules.audit_shapes import event_and_delivery, sorted_text
from overwatch_assets.rules.days import DAY_MS, day_start_ms
from overwatch_assets.rules.json_secrets import cut_secrets
from overwatch_assets.rules.json_values import arrow_of, object_of, parsed, shaper
from overwatch_assets.rules.warehouses import CREATES, DEFINES, DELETES, STOPS
from overwatch_assets.sources.event_logs.events import event_time_ms

_TEXTS = """
    clusterId cluster_id clusterName cluster_name clusterState dataSourceId dashboardId alertId jobTaskType job_type
    format tags multitaskParentRunId parentRunId taskKey repairId rerun_tasks latest_repair_id jar_params python_params
    spark_submit_params notebook_params python_named_params pipeline_params sql_params dbt_commands tasks
    access_control_list git_source taskDependencies jobClusterType jobTerminalState jobTriggerType workflow_context
    libraries run_name name schedule email_notifications notebook_task spark_python_task spark_jar_task
    python_wheel_task spark_submit_task shell_command_task pipeline_task new_settings existing_cluster_id job_clusters
    new_cluster run_as_user_name aclPermissionSet grants targetUserId aws_attributes azure_attributes gcp_attributes
    instanceId port publicKey containerId userName user email endpoint targetUserName targetGroupName targetGroupId
    notebookId notebookName path oldName oldPath newName newPath parentPath driver_node_type_id node_type_id autoscale
    clusterWorkers clusterOwnerUserId cluster_log_conf init_scripts custom_tags cluster_source spark_env_vars
    spark_conf acl_path_prefix driver_instance_pool_id instance_pool_id instance_pool_name preloaded_spark_versions
    spark_version cluster_creator idempotency_token user_id ssh_public_keys single_user_name cluster_size
    spot_instance_policy channel warehouse_type effective_spark_version runtime_engine fields_to_remove commandText
    commandId status
"""
_LONGS = """
    jobId job_id runId run_id idInJob timeout_seconds max_concurrent_runs max_retries min_retry_interval_millis
    idle_instance_autotermination_minutes max_capacity min_idle_instances resourceId min_num_clusters max_num_clusters
    auto_stop_mins
"""
_INTS = "num_workers autotermination_minutes"
_BOOLEANS = """
    is_from_dlt retry_on_timeout enable_elastic_disk start_cluster enable_photon enable_serverless_compute
"""
_DOUBLES = "executionTime"
_KINDS = {"string": _TEXTS, "bigint": _LONGS, "int": _INTS, "boolean": _BOOLEANS, "double": _DOUBLES}

REQUEST_PARAMS = f"struct<{','.join(f'{name}:{kind}' for kind, names in _KINDS.items() for name in names.split())}>"
"""The documented request parameters. Nested objects are JSON text; any other parameter stays in the line."""

RESPONSE = "struct<errorMessage:string,result:string,statusCode:bigint>"
IDENTITY = "struct<email:string,subjectName:string>"

FIELDS: tuple[tuple[str, str, str], ...] = (
    ("timestamp", "bigint", "Time of the event, epoch ms UTC."),
    ("serviceName", "string", "Service that logged the event."),
    ("actionName", "string", "What was done."),
    ("requestId", "string", "Id of the request."),
    ("sessionId", "string", "Id of the session."),
    ("sourceIPAddress", "string", "Address that the request came from."),
    ("userAgent", "string", "Client that sent the request."),
    ("userIdentity", IDENTITY, "Who did it."),
    ("requestParams", REQUEST_PARAMS, "Documented parameters of the request; all of them are in `value`."),
    ("response", RESPONSE, "Answer; `result` is JSON text."),
)
"""Columns of a record: name, type, meaning."""

PRINCIPAL = (
    "the user's name in lower case, else the user's id, else the group's name, else its id; `?`: nobody is named"
)
DELIVERY: tuple[tuple[str, str, str], ...] = (
    ("version", "string", "Version of the record's format; of the operation's, if it came through an Event Hub."),
    ("auditLevel", "string", "WORKSPACE_LEVEL or ACCOUNT_LEVEL; null if it came through an Event Hub."),
    ("accountId", "string", "Id of the Databricks account; null if it came through an Event Hub."),
    ("workspaceId", "string", "Id of the workspace, as the record says it; 0 for the account."),
    ("eventId", "string", "Id of the event in `system.access.audit`, if it came from there."),
    ("category", "string", "Category of the diagnostic log, if it came through an Event Hub."),
)
"""Columns of what not every delivery of an event says: it is of the delivery that came first."""

ABOUT: tuple[tuple[str, str, str], ...] = (
    ("event_cluster_id", "string", "Cluster that an event of the service clusters is about."),
    ("event_pool_id", "string", "Pool that an event of the service instancePools is about."),
    ("event_job_id", "bigint", "Job that an event of the service jobs is about."),
    (
        "event_principal",
        "string",
        f"Whom a change of the service accounts is about: {PRINCIPAL}.",
    ),
    ("event_warehouse_id", "string", "SQL warehouse that an event of the service databrickssql is about."),
    ("event_run_id", "bigint", "Run that an event of the service jobs is about: of a task's run the whole job's."),
    ("event_command_cluster_id", "string", "Cluster that a notebook's command ran on; empty: its record names none."),
)
"""Columns with what a record is about, wherever its action says so: in a parameter, or in the answer."""

ACCOUNT_CHANGES = (
    "add",
    "addPrincipalToGroup",
    "removePrincipalFromGroup",
    "setAdmin",
    "removeAdmin",
    "updateUser",
    "delete",
)
"""Actions of the service accounts that change who is in the workspace, and in which groups."""

_RECORD = T.StructType([T.StructField(name, spark_type(kind)) for name, kind, _ in FIELDS])
_DELIVERY = T.StructType([T.StructField(name, spark_type(kind)) for name, kind, _ in DELIVERY])
_ABOUT = T.StructType([T.StructField(name, spark_type(kind)) for name, kind, _ in ABOUT])
_shape, _shape_delivery, _shape_about = shaper(_RECORD), shaper(_DELIVERY), shaper(_ABOUT)
_NO_SECRETS = frozenset({"idempotency_token"})  # documented: a caller's own name for a request

_ON_WAREHOUSES = frozenset((*DEFINES, *DELETES, *STOPS))
_ANSWERED = {"create", "runNow", "submitRun", *CREATES}  # actions whose answer names what they made
# Some actions write these with a capital first letter, beside others that do not.
_CAPITAL = {"dataSourceId": "DataSourceId", "dashboardId": "DashboardId", "alertId": "AlertId"}
_REFRESH_SCHEDULES = {"createRefreshSchedule", "deleteRefreshSchedule", "updateRefreshSchedule"}

RECORDS = ", ".join(
    [
        "file string",
        "line bigint",
        "pos bigint",
        "day date",
        *(f"{name} {kind}" for name, kind, _ in (*FIELDS, *DELIVERY, *ABOUT)),
        "paramsText string",
        "droppedProperties int",
        "delivery string",
        "value string",
    ]
)
"""DDL of what `audit_records` yields. `paramsText`: all request parameters as JSON text, ordered by name."""

_OBJECTS = ("userIdentity", "requestParams", "response")
_OBJECTS_LOWER = tuple(name.lower() for name in _OBJECTS)
_MAKING = {"clusters", "instancePools", "jobs", "databrickssql"}  # services whose answers say what was made
_FLAT = 200  # objects and lists in a line that no parser finds too deep


_Object = Mapping[str, Any]


@dataclass(frozen=True)
class AuditRecord:
    """One record: its fields, its parameters, its event and what its delivery says as JSON text, the secrets cut.

    Attributes:
        unread: fields that say something which is not what they should be; they are null, and are in `value`.
    """

    fields: dict[str, Any]
    params_text: str | None
    value: str
    delivery: str | None
    dropped: int
    unread: tuple[str, ...]


def audit_record(line: str, day: dt.date | None = None) -> AuditRecord | str:
    """Take a delivered record apart, or say why it is none.

    `requestParams`, `response` and `userIdentity` may be objects or JSON text. A number as text is a number.

    Args:
        line: the record as JSON text, in the shape of delivered logs.
        day: the day that it was delivered, if that is known; what happened more than a day later can't be in there.
    """
    try:
        found = parsed(line)
    except ValueError as error:
        return f"not JSON: {error}"
    if not isinstance(found, dict):
        return "not a JSON object"
    stated = found.get("timestamp")
    found, delivered = event_and_delivery(found)
    for name in ("serviceName", "actionName"):
        if not isinstance(found.get(name), str) or not found[name].strip():
            return f"no {name}"
    at = event_time_ms({"timestamp": found.get("timestamp")})
    if (wrong := _no_time(stated, at, day)) is not None:
        return wrong
    if at is None and day is None:
        return "no timestamp, and no day of its delivery"
    found, dropped = cut_secrets(found, _NO_SECRETS)
    delivered, also_dropped = cut_secrets(delivered, _NO_SECRETS)
    params = object_of(found.get("requestParams"))
    fields: dict[str, Any] = _shape({**found, "requestParams": _one_spelling(params, found["actionName"])})
    fields["timestamp"] = at
    fields |= _shape_delivery(delivered)
    fields |= _shape_about(_about(found, params or {}))
    params_text = None if params is None else sorted_text(params)
    delivery = sorted_text(delivered) if delivered else None
    unread = tuple(_unread(found, at))
    return AuditRecord(fields, params_text, sorted_text(found), delivery, dropped + also_dropped, unread)


def plainly_a_record(line: str, day: dt.date | None) -> bool:
    """Whether a line certainly is an audit record, all of it, told in a tenth of the time.

    If not, `audit_record` knows.
    """
    if day is None or line.count("{") + line.count("[") > _FLAT:
        return False
    try:
        found = orjson.loads(line)
    except ValueError:
        return False
    if not isinstance(found, dict) or type(at := found.get("timestamp")) is not int:
        return False
    names = (found.get("serviceName"), found.get("actionName"))
    if not (0 < at < _after(day) and all(isinstance(name, str) and name.strip() for name in names)):
        return False
    parts: list[dict[str, Any] | None] = [found.get(name) for name in _OBJECTS]
    if not all(type(part) is dict for part in parts):
        named = {name.lower(): value for name, value in found.items()}
        parts = [_plain_object(named.get(name)) for name in _OBJECTS_LOWER]
        if len(named) < len(found) or None in parts:
            return False
    return names[1] not in _ANSWERED or _plain_object((parts[-1] or {}).get("result")) is not None


def _plain_object(value: Any) -> dict[str, Any] | None:
    """An object, also one that is written as text, or an empty one of nothing; None: perhaps it is none."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else {} if value is None else None


def _unread(event: _Object, at: int | None) -> Iterator[str]:
    """The fields of an event that say something else than they should."""
    if at is None and event.get("timestamp") is not None:
        yield "timestamp"
    for name in _OBJECTS:
        said = event.get(name)
        if said is not None and not isinstance(said, dict) and str(said).strip():
            yield name
    answer = event.get("response")
    if isinstance(answer, dict) and _says_what_it_made(event) and object_of(answer.get("result")) is None:
        yield "response.result"


def _says_what_it_made(event: _Object) -> bool:
    """Whether the answer to a request for a new thing has a result."""
    answer = event["response"]
    worked = answer.get("statusCode", 200) == 200 and str(answer.get("result") or "").strip()
    return bool(worked) and event["actionName"] in _ANSWERED and event["serviceName"] in _MAKING


def _after(day: dt.date) -> int:
    """The first time that cannot have been delivered on a day, epoch ms: clocks may differ by a day."""
    return day_start_ms(day) + 2 * DAY_MS


def _no_time(stated: Any, at: int | None, day: dt.date | None) -> str | None:
    """Why a stated time can't be; None: it can, or none is stated."""
    if isinstance(stated, str) and re.fullmatch(r"[+-]?\d{1,30}", stated.strip()):
        stated = int(stated)
    ms = at if type(stated) is not int else stated
    if ms is None:
        return None
    if ms <= 0:
        return "timestamp not after 1970"
    if day is not None and ms >= _after(day):
        return "timestamp after the day of its delivery"
    return None


def _about(record: _Object, params: _Object) -> dict[str, Any]:
    """What `ABOUT` names, as the record has it."""
    action, about = record["actionName"], _ABOUT_BY_SERVICE.get(record["serviceName"])
    if about is None:
        return {}
    answer = (object_of(record.get("response")) or {}).get("result") if action in _ANSWERED else None
    return about(action, params, object_of(answer) or {})


def _first(*values: Any) -> Any:
    return next((v for v in values if v not in (None, "")), None)


def _of_clusters(action: str, params: _Object, result: _Object) -> dict[str, Any]:
    created = result.get("cluster_id") if action == "create" else None
    return {"event_cluster_id": _first(created, params.get("cluster_id"), params.get("clusterId"))}


def _of_pools(action: str, params: _Object, result: _Object) -> dict[str, Any]:
    created = result.get("instance_pool_id") if action == "create" else None
    return {"event_pool_id": _first(created, params.get("instance_pool_id"))}


def _of_jobs(action: str, params: _Object, result: _Object) -> dict[str, Any]:
    made = result.get("job_id") if action == "create" else None
    shared = params.get("resourceId") if action == "changeJobAcl" else None
    begun = result.get("run_id") if action in ("runNow", "submitRun") else None
    return {
        "event_job_id": _first(made, shared, params.get("job_id"), params.get("jobId")),
        "event_run_id": _first(begun, params.get("multitaskParentRunId"), params.get("runId"), params.get("run_id")),
    }


def _of_warehouses(action: str, params: _Object, result: _Object) -> dict[str, Any]:
    if action not in _ON_WAREHOUSES:
        return {}
    return {"event_warehouse_id": _first(result.get("id") if action in CREATES else None, params.get("id"))}


def _of_accounts(action: str, params: _Object, _: _Object) -> dict[str, Any]:
    return {"event_principal": principal_of(params)} if action in ACCOUNT_CHANGES else {}


def _of_notebooks(action: str, params: _Object, _: _Object) -> dict[str, Any]:
    return {"event_command_cluster_id": params.get("clusterId") or ""} if action == "runCommand" else {}


_ABOUT_BY_SERVICE = {
    "clusters": _of_clusters,
    "instancePools": _of_pools,
    "jobs": _of_jobs,
    "databrickssql": _of_warehouses,
    "accounts": _of_accounts,
    "notebook": _of_notebooks,
}


def principal_of(params: Mapping[str, Any]) -> str:
    """Whom a change of accounts is about, as `PRINCIPAL` says. Services write one address in different cases."""
    user, group = params.get("targetUserName"), params.get("targetGroupName")
    named = (user and str(user).strip().lower(), params.get("targetUserId"), group, params.get("targetGroupId"))
    return next((str(name) for name in named if name), "?")


def parameters(line: str) -> dict[str, Any]:
    """Return all request parameters of a record as bronze keeps it, also those that are not documented."""
    return object_of(parsed(line).get("requestParams")) or {}


def _one_spelling(params: dict[str, Any] | None, action: str) -> dict[str, Any] | None:
    """Merge the parameters that are known to come with a capital letter too; the documented name is the lower one.

    `dataSourceId` is the capital one of `executeFastQuery`, the lower one of `executeAdhocQuery`, and of no other
    action; the other two are the capital ones of the refresh-schedule actions, else the lower ones.
    """
    if params is None or params.keys().isdisjoint((*_CAPITAL, *_CAPITAL.values())):
        return params
    kept = {name: value for name, value in params.items() if name not in _CAPITAL and name not in _CAPITAL.values()}
    source = {"executeFastQuery": "DataSourceId", "executeAdhocQuery": "dataSourceId"}.get(action)
    kept["dataSourceId"] = params.get(source) if source else None
    for name in ("dashboardId", "alertId"):
        kept[name] = params.get(_CAPITAL[name] if action in _REFRESH_SCHEDULES else name)
    return kept


def audit_records(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For `mapInArrow` over lines (file, line, pos, day, value): yields `RECORDS`, of records only."""
    for batch in batches:
        lines = zip(batch.column("value").to_pylist(), batch.column("day").to_pylist(), strict=True)
        found = [audit_record(text, day) for text, day in lines]
        records = [record for record in found if isinstance(record, AuditRecord)]
        at = pa.array([index for index, record in enumerate(found) if isinstance(record, AuditRecord)], pa.int64())
        columns = {name: batch.column(name).take(at) for name in ("file", "line", "pos", "day")}
        for field in (*_RECORD.fields, *_DELIVERY.fields, *_ABOUT.fields):
            columns[field.name] = arrow_of([record.fields.get(field.name) for record in records], field.dataType)
        columns["paramsText"] = pa.array([record.params_text for record in records], pa.string())
        columns["droppedProperties"] = pa.array([record.dropped for record in records], pa.int32())
        columns["delivery"] = pa.array([record.delivery for record in records], pa.string())
        columns["value"] = pa.array([record.value for record in records], pa.string())
        yield pa.RecordBatch.from_pydict(columns)


def cluster_id_of(*, jobs: bool) -> Column:
    """Cluster that a row of `audit_log_bronze` is about; null: none.

    | service | action | cluster id |
    |---|---|---|
    | clusters | any that ends with `Result` | `requestParams.clusterId` |
    | clusters | `create` | `cluster_id` of `response.result` |
    | jobs, if `jobs` | any | `requestParams.clusterId` |
    | any other | | `requestParams.cluster_id` |
    """
    service, action, params = F.col("serviceName"), F.col("actionName"), F.col("requestParams")
    on_clusters = service == "clusters"
    of_params = on_clusters & action.endswith("Result")
    if jobs:
        of_params = of_params | (service == "jobs")
    result = F.from_json(F.col("response")["result"], "cluster_id string")
    return (
        F.when(of_params, params["clusterId"])
        .when(on_clusters & (action == "create"), result["cluster_id"])
        .otherwise(params["cluster_id"])
    )
