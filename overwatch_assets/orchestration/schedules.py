"""The daily schedule: what is missing, failed or stale first, then the three newest days, for each workspace.

Of the oldest of these only events are read again: those that came more than an hour late. What they change below is
stale, and the next tick's. To load the tables below for nothing costs what it cost the first time.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from itertools import groupby

import dagster as dg

from overwatch_assets.config.deployment import Deployment, Workspace
from overwatch_assets.contract.rebuild import Insert
from overwatch_assets.contract.registry import modules
from overwatch_assets.errors import OverwatchError
from overwatch_assets.orchestration import settings
from overwatch_assets.orchestration.partitions import range_tags
from overwatch_assets.orchestration.state import state_of
from overwatch_assets.rules.days import day_start_ms
from overwatch_assets.runner.staleness import State, needed

_DAY = dt.timedelta(days=1)
_EVENTS = {t.name for t in modules() if isinstance(t.rebuild, Insert) and not t.rebuild.replaces}
"""Tables of what happened. Others are of what is now, and say nothing new of a day that is over."""


def daily(deployment: Deployment) -> dg.ScheduleDefinition:
    """Make the schedule of a deployment, at 01:00 UTC; switch it on in the web UI."""

    @dg.schedule(
        name="daily",
        cron_schedule="0 1 * * *",
        execution_timezone="UTC",
        target=dg.AssetSelection.groups("bronze", "silver", "gold"),
        description="For each workspace: holes, failed and stale days first, then what came late of the day before "
        "yesterday, then yesterday and today.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        moment = settings.now()
        for workspace in deployment.active_workspaces:
            try:
                state = state_of(deployment, workspace.workspace_id)
            except OverwatchError as error:  # one workspace's storage must not keep the others from being loaded
                context.log.warning(f"workspace {workspace.workspace_id}: {error}")  # noqa: G004 - shown with the tick
                state = State()  # its newest days are asked for: they are loaded, or their run says what is wrong
            yield from requests(workspace, state, moment.date(), key=context.scheduled_execution_time.isoformat())

    return tick


def requests(workspace: Workspace, state: State, today: dt.date, *, key: str) -> Iterator[dg.RunRequest]:
    """Request what one workspace needs: ranges of at most its `max_days`, oldest first, then the three newest days.

    Args:
        workspace: the workspace.
        state: what is loaded.
        today: the day that is not over.
        key: tells this tick from others.
    """
    owed = needed(state, modules(), day_start_ms(today - _DAY))
    owed = {day: names for day, names in owed.items() if day >= workspace.primordial_date}
    again = today - 2 * _DAY
    late = owed.pop(again, set())
    for days in _ranges(owed, workspace.max_days):
        yield _request(workspace, days, key, set().union(*(owed[day] for day in days)))
    if state.report and again >= workspace.primordial_date:
        yield _request(workspace, [again], key, late | _EVENTS)
    newest = [day for day in (today - _DAY, today) if day >= workspace.primordial_date]
    if newest:
        yield _request(workspace, newest, key, None)


def _request(workspace: Workspace, days: list[dt.date], key: str, names: set[str] | None) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{workspace.workspace_id}|{days[0]}|{days[-1]}|{key}",
        asset_selection=None if names is None else [dg.AssetKey(t.name) for t in modules() if t.name in names],
        tags=range_tags(workspace.workspace_id, days[0], days[-1]),
    )


def _ranges(owed: Mapping[dt.date, set[str]], most: int) -> Iterator[list[dt.date]]:
    """Consecutive days, cut at ``most``."""
    numbered = enumerate(sorted(owed))
    for _, run in groupby(numbered, key=lambda item: item[1] - item[0] * _DAY):
        days = [day for _, day in run]
        for start in range(0, len(days), most):
            yield days[start : start + most]
