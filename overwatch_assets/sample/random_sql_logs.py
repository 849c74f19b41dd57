"""What Databricks tells of a random story's SQL warehouses, notebooks and commands.

Field names: Databricks' references of audit logs and of its REST API.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from overwatch_assets.sample.random_parts import OFF, Command, Notebook, Setting, Story, Warehouse
from overwatch_assets.sample.random_prices import CLASSIC, SERVERLESS

_FIELDS = {
    "name": "name",
    "size": "cluster_size",
    "least": "min_num_clusters",
    "most": "max_num_clusters",
    "idle_minutes": "auto_stop_mins",
}
_EVERY = 5
_SPELLED = {"2X-Small": "XXSMALL", "X-Small": "X_SMALL"}


class Told(NamedTuple):
    """A request as audit logs have it."""

    at: int
    service: str
    action: str
    parameters: Mapping[str, Any]
    result: Mapping[str, Any] | None = None
    status: int = 200


def requests(story: Story) -> Iterator[Told]:
    """All requests for warehouses, notebooks and commands."""
    for warehouse in story.warehouses:
        yield from _of_warehouse(warehouse)
    for notebook in story.notebooks:
        yield from _of_notebook(notebook)
    for number, command in enumerate(story.commands):
        yield _of_command(command)
        yield from _not_a_command(number, command)


def _of_warehouse(warehouse: Warehouse) -> Iterator[Told]:
    by_id = {"id": warehouse.warehouse_id}
    # A warehouse was called an endpoint before.
    called = "Endpoint" if warehouse.warehouse_id < "8" else "Warehouse"
    first, *edits = warehouse.settings
    if warehouse.logged:
        yield Told(first.at, "databrickssql", f"create{called}", _defined(first), by_id)
    for setting in edits:
        yield Told(setting.at, "databrickssql", f"edit{called}", by_id | _defined(setting))
    for at in warehouse.stop_requests:
        yield Told(at, "databrickssql", f"stop{called}", by_id)
    for at in warehouse.refused:
        yield Told(at, "databrickssql", f"stop{called}", by_id, status=403)
        yield Told(at, "databrickssql", f"edit{called}", by_id | {"cluster_size": "4X-Large"}, status=400)
    if warehouse.deleted_ms is not None:
        yield Told(warehouse.deleted_ms, "databrickssql", f"delete{called}", by_id)


def _defined(setting: Setting) -> dict[str, Any]:
    """What a request states: numbers and booleans too are text in audit logs."""
    said = setting.said or {*_FIELDS, "kind"}
    found = {theirs: str(getattr(setting, ours)) for ours, theirs in _FIELDS.items() if ours in said}
    if "cluster_size" in found and setting.at % 2:
        found["cluster_size"] = _SPELLED.get(setting.size, setting.size)
    if "kind" in said:
        found["warehouse_type"] = "CLASSIC" if setting.kind == CLASSIC else "PRO"
        if setting.kind_told:
            found["enable_serverless_compute"] = "true" if setting.kind == SERVERLESS else "false"
    return found


def _of_notebook(notebook: Notebook) -> Iterator[Told]:
    by_id = {"notebookId": str(notebook.notebook_id)}
    before = "/Users/eve/before"
    for at, action, path in notebook.changes:
        folder, name = path.rsplit("/", 1)
        said = {
            "renameNotebook": {"oldName": before.rsplit("/", 1)[-1], "newName": name, "parentPath": folder},
            "moveNotebook": {"oldPath": before, "newPath": path},
        }.get(action, {"path": path})
        yield Told(at, "notebook", action, by_id | said)
        before = path


def _of_command(command: Command) -> Told:
    said = {
        "notebookId": str(command.notebook_id),
        "commandId": command.command_id,
        "commandText": f"print({command.command_id!r})",
        "status": command.status,
    }
    if command.cluster_id is not None:
        said["clusterId"] = command.cluster_id
    if command.timed:
        said["executionTime"] = f"{(command.end - command.start) / 1000:.3f}"
    return Told(command.end, "notebook", "runCommand", said, status=200 if command.granted else 403)


def _not_a_command(number: int, command: Command) -> Iterator[Told]:
    """Verbose records of other services that look like it: of a query on a warehouse, of a job's notebook."""
    said = {"commandId": f"query-{number}", "commandText": "SELECT 1", "executionTime": "9.5"}
    if number % _EVERY == 0:
        yield Told(command.start, "databrickssql", "commandSubmit", said | {"warehouseId": "0"})
        yield Told(command.end, "databrickssql", "commandFinish", said | {"warehouseId": "0"})
    if number % _EVERY == 1:
        own = {"clusterId": command.cluster_id} if command.cluster_id else {}
        yield Told(command.end, "jobs", "runCommand", said | own | {"notebookId": str(command.notebook_id)})


def queries(story: Story) -> list[dict[str, Any]]:
    """What `sql/history/queries` says at the story's end of the queries that audit logs tell of."""
    return [
        {
            "query_id": f"query-{number}",
            "warehouse_id": story.warehouses[0].warehouse_id,
            "query_text": "SELECT 1",
            "query_start_time_ms": command.start,
            "status": "FINISHED" if command.end < story.until_ms else "RUNNING",
            "is_final": command.end < story.until_ms,
            "duration": min(command.end, story.until_ms) - command.start,
        }
        for number, command in enumerate(story.commands)
        if number % _EVERY == 0 and command.start < story.until_ms
    ]


def warehouse_events(story: Story) -> list[tuple[str, int, str, int | None]]:
    """Rows of `system.compute.warehouse_events` at the story's end: warehouse, time, type, clusters."""
    return [
        (warehouse.warehouse_id, turn.at, turn.kind, turn.clusters if turn.counted else None)
        for warehouse in story.warehouses
        for turn in warehouse.turns
        if turn.told and turn.at < story.until_ms
    ]


def warehouse_bodies(story: Story, at: int) -> list[dict[str, Any]]:
    """What `sql/warehouses` says at a moment."""
    return [
        _body(warehouse, at)
        for warehouse in story.warehouses
        if warehouse.settings[0].at <= at and (warehouse.deleted_ms is None or at < warehouse.deleted_ms)
    ]


def _body(warehouse: Warehouse, at: int) -> dict[str, Any]:
    last = next((t for t in reversed(warehouse.turns) if t.at <= at), None)
    runs = last is not None and last.phase != OFF and at not in warehouse.lies
    setting = warehouse.setting(at)
    return {
        "id": warehouse.warehouse_id,
        "name": setting.name,
        "cluster_size": setting.size,
        "min_num_clusters": setting.least,
        "max_num_clusters": setting.most,
        "auto_stop_mins": setting.idle_minutes,
        "warehouse_type": "CLASSIC" if setting.kind == CLASSIC else "PRO",
        "enable_serverless_compute": setting.kind == SERVERLESS,
        "state": "RUNNING" if runs else "STOPPED",
        "num_clusters": last.clusters if runs and last else 0,
        "creator_name": "platform@example.com",
    }
