"""Runs of a workspace's jobs as its API describes them now."""

import json
import logging
from typing import Any

from pyspark.sql import functions as F, types as T

from overwatch_assets.rules.json_values import shaper
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading, Reject
from overwatch_assets.runner.window import to_ms
from overwatch_assets.sources.registry import Reader
from overwatch_assets.sources.workspace import ApiFactory, api_reader, parts, rejected, rows_schema
from overwatch_assets.sources.workspace_api import ApiFailure, WorkspaceApi

logger = logging.getLogger(__name__)

_ROW = rows_schema(
    {"run_id": "bigint", "body": "string", "fetched_ms": "bigint", "is_gone": "boolean", "dropped_before": "int"}
)
_as_number = shaper(T.LongType())


def reader(api_factory: ApiFactory | None) -> Reader:
    """Return a reader of `workspace_job_runs`, for workspaces whose deployment asks for it.

    Rows of run_id, body (JSON), fetched_ms (epoch ms), is_gone and dropped_before: runs that started in the window, and
    those that had not ended when they were last described. Of those that the workspace knows no more the body is the
    one that is stored, which lacks `dropped_before` properties.

    Args:
        api_factory: connects to the workspace; None: its API is not configured.
    """
    asked = api_reader(api_factory, "jobs", _read, as_of_now=False)

    def checked(load: Load) -> Reading:
        if not load.workspace.job_runs_snapshot:
            return Reading(empty="source not configured: the workspace has no job_runs_snapshot: true")
        return asked(load)

    return checked


def _read(load: Load, api: WorkspaceApi) -> Reading:
    now_ms = to_ms(load.now)
    rows: dict[int, tuple[object, ...]] = {}
    rejects: list[Reject] = []
    for body in api.list_runs(load.window.from_ms, load.window.until_ms):
        wrong = _why_no_run(body)
        if wrong is None:
            run_id = _as_number(body["run_id"])
            rows[run_id] = (run_id, json.dumps(body, sort_keys=True), now_ms, False, 0)
        else:
            rejects.append(rejected(f"list of {load.table.name}", None, wrong, body))
    before = {run_id: told for run_id, told in _open(load).items() if run_id not in rows}
    unread = 0
    for (run_id, told), answer in zip(sorted(before.items()), api.get_runs(sorted(before)), strict=True):
        if isinstance(answer, ApiFailure) and answer.says_gone:
            rows[run_id] = (run_id, told["value"], now_ms, True, told["droppedProperties"])
            continue
        wrong = answer.message if isinstance(answer, ApiFailure) else _why_no_run(answer)
        if wrong is None:
            rows[run_id] = (run_id, json.dumps(answer, sort_keys=True), now_ms, False, 0)
        else:
            logger.warning("%s: the run %s was not described again: %s", load.table.name, run_id, wrong)
            unread += 1
    frames = [load.store.frame(part, _ROW) for part in parts(rows.values())]
    return Reading(
        frames=frames,
        rejects=rejects,
        notes={"runs asked again": len(before), "runs not described again": unread},
        empty="" if frames else f"no runs started in {load.window}",
    )


def _why_no_run(body: Any) -> str | None:
    if not isinstance(body, dict):
        return "not a JSON object"
    if _as_number(body.get("run_id")) is None:
        return "no run_id"
    started = _as_number(body.get("start_time"))
    return None if started is not None and started > 0 else "no start_time"


def _open(load: Load) -> dict[int, dict[str, Any]]:
    """Stored runs of before the window's end that had not ended when they were last described, by their id."""
    if not load.store.exists(load.table):
        return {}
    rows = load.store.read(load.table).where(F.col("is_open") & (F.col("start_time") < load.window.until_ms))
    found = load.store.arrow(rows.select("run_id", "value", "droppedProperties")).to_pylist()
    return {row["run_id"]: row for row in found}
