"""What a job was after each of its events: a state machine over audit records and snapshots, in plain Python.

`create` and `reset` say the whole definition; `update` replaces and removes top-level settings, and tasks and job
clusters one by one; a snapshot is the definition at its time. Before the first of these that says it whole, only what
updates told is known, and of a first snapshot what no record before it told.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pyspark.sql import types as T

from overwatch_assets.rules.definitions import IMPUTED
from overwatch_assets.rules.json_values import object_of, shaper, unwrapped

SNAPSHOT = "snapshot"
IMPUTED_REQUEST = "-1"
ACTIONS = ("create", "reset", "update", "resetJobAcl", "changeJobAcl", "delete")
"""Actions of the service jobs that this is about, in the order in which those of one millisecond are taken."""

Settings = dict[str, Any]

_ORDER = (SNAPSHOT, *ACTIONS)
_DEFINING = ("create", "reset", "update")
_KEYED = {"tasks": "task_key", "job_clusters": "job_cluster_key"}  # arrays that an update merges
_OTHERS = """
    job_id jobId resourceId new_settings fields_to_remove access_control_list aclPermissionSet grants targetUserId
    job_type is_from_dlt run_as_user_name idempotency_token user_id userId organization_id orgId shardName workspaceId
    accountId version
"""
_NO_SETTINGS = frozenset(_OTHERS.split())
_TEXTS = frozenset({"name", "description", "format", "existing_cluster_id"})  # never JSON, whatever they look like
_long, _boolean = shaper(T.LongType()), shaper(T.BooleanType())
_TYPED = {
    **dict.fromkeys(("max_concurrent_runs", "max_retries", "timeout_seconds", "min_retry_interval_millis"), _long),
    "retry_on_timeout": _boolean,
}


@dataclass(frozen=True)
class JobEvent:
    """An audit record of a job, or a snapshot of it.

    Attributes:
        at: when it counts, epoch ms: its time, else its day's beginning.
        action: the record's action, or `SNAPSHOT`.
        said: the request's parameters, or the snapshot's object.
        timestamp: its time, epoch ms; None: the record states none.
        email: who did it.
        details: what else the record says.
        record: the whole record; orders events that nothing else tells apart.
    """

    at: int
    action: str
    said: Mapping[str, Any]
    timestamp: int | None = None
    request_id: str | None = None
    email: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    record: str = ""

    @property
    def order(self) -> tuple[Any, ...]:
        """Events of one row stand side by side, whatever came first."""
        row = (self.timestamp is not None, self.request_id is not None, self.request_id or "")
        return self.at, _ORDER.index(self.action), *row, self.record

    @property
    def whole(self) -> bool:
        """Whether it says the whole definition."""
        return self.action in (SNAPSHOT, "create", "reset")

    @cached_property
    def told(self) -> Settings:
        """Settings that it tells: parameters of the request, and those in its `new_settings`."""
        if self.action == SNAPSHOT:
            return _settings(object_of(self.said.get("settings")) or {})
        if self.action not in _DEFINING:
            return {}
        plain = {name: value for name, value in self.said.items() if name not in _NO_SETTINGS and value != ""}
        return _settings({**plain, **(object_of(self.said.get("new_settings")) or {})})

    @cached_property
    def removes(self) -> list[str]:
        """Settings that it removes: `schedule`, or one element as `tasks/its_key`."""
        names = unwrapped(self.said.get("fields_to_remove")) if self.action == "update" else None
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """What it says of the job beside its settings."""
        said, run_as = self.said, self.told.get("run_as")
        runner = run_as if isinstance(run_as, dict) else {}
        found = {
            "job_type": said.get("job_type"),
            "format": said.get("format") or self.told.get("format"),
            "is_from_dlt": said.get("is_from_dlt"),
            "run_as_user_name": said.get("run_as_user_name")
            or runner.get("user_name")
            or runner.get("service_principal_name"),
            "access_control_list": said.get("access_control_list") or self.told.get("access_control_list"),
        }
        return {name: value for name, value in found.items() if value not in (None, "")}


@dataclass(frozen=True)
class JobState:
    """A job after an event.

    Attributes:
        action: the event's, or `IMPUTED`.
        settings: the definition as far as it is known; None: nothing is.
        attributes: what is known of the job beside its settings.
        created: who made the job, and when, epoch ms; the same in all of its states.
        edited: who changed the definition last, and when; None: nobody that is known.
    """

    event: JobEvent
    action: str
    settings: Settings | None
    attributes: Mapping[str, Any]
    created: tuple[Any, Any]
    edited: tuple[str | None, int | None] | None


def job_states(events: Iterable[JobEvent]) -> list[JobState]:
    """States of one job: after each audit record, and at its first snapshot if no record before that defined it.

    Of records of one time, action and request the last state stands: they are one row.
    """
    ordered = sorted(events, key=lambda event: event.order)
    first = _imputed(ordered)
    created = _created(ordered)
    settings, partly = _before(ordered)
    attributes = _untold(ordered)
    edited: tuple[str | None, int | None] | None = None
    states: dict[tuple[Any, ...], JobState] = {}
    for event in ordered:
        attributes = attributes | event.attributes
        if event.whole:
            settings, partly = event.told or None, {}
        elif event.action == "update":
            arrays = {name.partition("/")[0] for name in (*event.told, *event.removes)}
            known = (settings or {}) | {name: partly.pop(name) for name in arrays & partly.keys()}
            settings = patched(without(known, event.removes), event.told) or None
        if event.action in ("update", "reset"):
            edited = (event.email, event.timestamp)
        if event.action != SNAPSHOT or event is first:
            action = IMPUTED if event.action == SNAPSHOT else event.action
            state = JobState(event, action, settings, attributes, created, edited)
            states[event.timestamp, action, event.request_id] = state
    return list(states.values())


def _imputed(ordered: Sequence[JobEvent]) -> JobEvent | None:
    """The first snapshot, if no record until then defines the job and no record at all creates it."""
    for event in ordered:
        if event.action == SNAPSHOT:
            return None if any(other.action == "create" or _defines(other, event.at) for other in ordered) else event
    return None


def _defines(event: JobEvent, until: int) -> bool:
    return event.action in (*_DEFINING, "delete") and event.at <= until


def without(settings: Settings, names: Iterable[str]) -> Settings:
    """Settings without some of them; an array goes with the last of its elements."""
    rest = dict(settings)
    for name in names:
        array, _, key = name.partition("/")
        if key and array in _KEYED and isinstance(rest.get(array), list):
            rest[array] = [element for element in rest[array] if _key(array, element) != key]
        if not key or rest.get(array) == []:
            rest.pop(array, None)
    return rest


def patched(settings: Settings, told: Settings) -> Settings:
    """Settings after an update: each takes the place of its own, a task or job cluster that of its key."""
    return settings | {name: _merged(name, settings.get(name), value) for name, value in told.items()}


def _merged(name: str, old: Any, new: Any) -> Any:
    if name not in _KEYED or not isinstance(old, list) or not isinstance(new, list):
        return new
    fresh = {_key(name, element): element for element in new}
    if None in fresh:
        return new
    return [*(fresh.pop(_key(name, element), element) for element in old), *fresh.values()]


def _key(array: str, element: Any) -> str | None:
    found = element.get(_KEYED[array]) if isinstance(element, dict) else None
    return found if isinstance(found, str) else None


def _settings(told: Mapping[str, Any]) -> Settings:
    """Settings with values of their types: delivered logs write all of them as text."""
    return {name: _typed(name, value) for name, value in told.items() if value is not None}


def _typed(name: str, value: Any) -> Any:
    if name in _TYPED:
        found = _TYPED[name](value)
        return value if found is None else found
    found = None if name in _TEXTS else unwrapped(value)
    return found if isinstance(found, dict | list) else value


def _created(ordered: Iterable[JobEvent]) -> tuple[Any, Any]:
    """Who made the job, and when: as its `create` says, else as its first snapshot does."""
    events = list(ordered)
    said = [(event.email, event.timestamp) for event in events if event.action == "create"]
    for event in events:
        if event.action == SNAPSHOT:
            said.append((event.said.get("creator_user_name"), event.said.get("created_time")))
            break
    by, at = ([pair[n] for pair in said if pair[n] is not None] for n in (0, 1))
    return next(iter(by), None), next(iter(at), None)


def _untold(ordered: Iterable[JobEvent]) -> dict[str, Any]:
    """Attributes that the first snapshot says and no record before it told: they were so from the start."""
    told: set[str] = set()
    for event in ordered:
        if event.action == SNAPSHOT:
            return {name: value for name, value in event.attributes.items() if name not in told}
        told.update(event.attributes)
    return {}


def _before(ordered: Iterable[JobEvent]) -> tuple[Settings | None, Settings]:
    """The definition before the first event, as a snapshot tells it that no create or reset precedes.

    Returns:
        Settings that no update before the snapshot touched, and arrays of which updates touched other elements: what
        the touched elements were is not known, so the array counts from the first such update on.
    """
    touched: list[str] = []
    for event in ordered:
        if event.action == SNAPSHOT:
            rest = without(event.told, touched)
            partly = {name: rest.pop(name) for name in {name.partition("/")[0] for name in touched} & rest.keys()}
            return rest or None, partly
        if event.whole:
            break
        touched += [*event.removes, *_names(event.told)]
    return None, {}


def _names(told: Settings) -> Iterator[str]:
    """Names of settings as `fields_to_remove` has them: arrays that an update merges by element."""
    for name, value in told.items():
        keys = [_key(name, element) for element in value] if name in _KEYED and isinstance(value, list) else [None]
        yield from [name] if None in keys else (f"{name}/{key}" for key in keys)
