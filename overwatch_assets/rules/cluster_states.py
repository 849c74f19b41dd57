"""What state a cluster was in: its events, and what closes it where an event is missing.

Events of a cluster are told by its own API and may be lost, late or doubled. The rules:

| event | the cluster |
|---|---|
| `CREATING`, `STARTING` | is on from here; what was carried (workers, uptime) begins anew |
| `TERMINATING`, a permanent deletion | is off from here |
| any other | stays what it was: an `EXPANDED_DISK` after the end does not switch it on |

Before its first switch a cluster was on if that switch is an end, or if one of the events there comes of running
clusters only.

A cluster that is on, and of which no end is known before its next start or the end of what is loaded, is closed by a
`TERMINATING_IMPUTED`, which vanishes when a real event comes: at the time that the audit logs say that somebody ended
it; else where the last sign of life is, an event or the end of a run (plus its auto-termination time before another
start; after an hour of silence if it was made for runs that have all ended; after ``longest_ms`` for any other).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from overwatch_assets.rules.dated import held_at, in_order

CREATING, STARTING, RESTARTING = "CREATING", "STARTING", "RESTARTING"
TERMINATING, IMPUTED = "TERMINATING", "TERMINATING_IMPUTED"
DELETED = "PERMENANT_DELETE"  # sic: the documented spelling

SWITCHES_ON = frozenset({CREATING, STARTING})
SWITCHES_OFF = frozenset({TERMINATING, IMPUTED, DELETED})
_RUNNING = frozenset({"RUNNING", "INIT_SCRIPTS_STARTED", "RESIZING", "UPSIZE_COMPLETED", "DRIVER_HEALTHY", RESTARTING})
_WITHOUT_DBUS = frozenset(
    {CREATING, STARTING, RESTARTING, "INIT_SCRIPTS_STARTED", "INIT_SCRIPTS_FINISHED"} | SWITCHES_OFF
)
_RESETS = frozenset({TERMINATING, IMPUTED, DELETED, RESTARTING, "EDITED"})
_SIZED = SWITCHES_ON | {RESTARTING, "EDITED"}
"""Events whose `cluster_size` is the size that the cluster then has; others state its definition's."""
_SILENCE_MS = 3_600_000


class Event(NamedTuple):
    """An event of a cluster, with the sizes that it states.

    Attributes:
        ms: when, epoch ms.
        size: fixed number of workers, else the least of an autoscaling cluster.
        content: tells two events of one type and ms apart.
    """

    ms: int
    type: str
    current: int | None = None
    target: int | None = None
    size: int | None = None
    content: int = 0
    imputed: bool = False

    @property
    def place(self) -> tuple[int, int, str, int]:
        """Order of events: those of one ms as an end, then a start, then the rest."""
        return (
            self.ms,
            0 if self.type in SWITCHES_OFF else 1 if self.type in SWITCHES_ON else 2,
            self.type,
            self.content,
        )


class Run(NamedTuple):
    """A run on the cluster; end None: it has not ended yet."""

    start: int
    end: int | None


class Spec(NamedTuple):
    """A definition of the cluster from its time on; the first serves earlier times too, the last of one time counts."""

    ms: int
    sequence: int = 0
    workers: int | None = None
    autotermination_minutes: int | None = None
    automated: bool | None = None


@dataclass(frozen=True)
class Before:
    """The state with which the events of a cluster begin, where what was before it is known and stands.

    Attributes:
        restart: when the cluster was last started.
        reset: as of `State`.
    """

    type: str
    start: int
    running: bool
    current: int | None
    target: int | None
    reset: bool
    restart: int


@dataclass(frozen=True)
class Cluster:
    """All that is known of one cluster.

    Attributes:
        events: from the first one, or those after the start of ``before``.
        ended: times at which the audit logs say that somebody ended it.
        deleted: times at which it was deleted for good.
        loaded_until: how far its events are loaded.
        longest_ms: how long a cluster may be silent, without an open run, until it is taken to have ended.
        runs: its runs, but for those that ended until the start of ``before``.
        was_used: a run was on it until the start of ``before``.
    """

    events: Sequence[Event]
    loaded_until: int
    longest_ms: int
    runs: Sequence[Run] = ()
    specs: Sequence[Spec] = ()
    ended: Sequence[int] = ()
    deleted: Sequence[int] = ()
    was_used: bool = False
    before: Before | None = None

    @cached_property
    def _specs(self) -> list[Spec]:
        return in_order(self.specs)

    def spec(self, ms: int) -> Spec:
        """The definition at a time: the last one until then, else the first."""
        return held_at(self._specs, ms)[0] or Spec(ms)


class State(NamedTuple):
    """One state, `[start, end)`.

    Attributes:
        is_open: it ends where the events are loaded to, because nothing later is known.
        restart: when the cluster was last started, or its first event.
        current: workers at its start; None: no event and no definition says.
        since_restart_ms: how long it was on since the restart, at the end of the state; 0 for the first state after an
            end, an edit or `RESTARTING`, and while it is off.
        was_used: a run was on the cluster until its start.
    """

    type: str
    start: int
    end: int
    is_open: bool
    imputed: bool
    running: bool
    current: int | None
    target: int | None
    reset: bool
    restart: int
    since_restart_ms: int
    was_used: bool

    @property
    def dbu_billable(self) -> bool:
        """Whether it costs DBUs."""
        return self.running and self.type not in _WITHOUT_DBUS


def states(cluster: Cluster) -> list[State]:
    """Every state of a cluster, in order, without gap or overlap, from ``before`` on.

    An event that another one follows in its millisecond begins none, but what it says of sizes holds.
    """
    cycles = list(_closed(cluster, list(_cycles(cluster))))
    events = [(event, on) for cycle in cycles for event, on in zip(cycle, _on(cluster, cycle), strict=True)]
    found: list[State] = []
    workers: int | None = None
    target: int | None = None
    restart = 0
    used_at = min((run.start for run in cluster.runs), default=None)
    for at, (event, on) in enumerate(events):
        before = found[-1] if found else None
        reset = before is not None and (before.type in _RESETS or not before.running)
        if before is None and cluster.before is not None:
            reset, restart = cluster.before.reset, cluster.before.restart
        elif event.type in SWITCHES_ON or before is None or before.type == RESTARTING:
            workers, target, restart = None, None, event.ms
        size = event.size if event.type in _SIZED else None
        if event.current is not None or size is not None:
            workers = event.current if event.current is not None else size
            target = workers
        elif workers is None:
            workers = target = cluster.spec(event.ms).workers
        if (aimed := size if event.type == CREATING else event.target) is not None:
            target = aimed
        last = at + 1 == len(events)
        # An end of a cluster that was made for its runs, and a deletion, are final: nothing more is waited for.
        final = event.type == DELETED or (not on and bool(cluster.spec(event.ms).automated))
        end = events[at + 1][0].ms if not last else event.ms if final else max(cluster.loaded_until, event.ms)
        found.append(
            State(
                type=event.type,
                start=event.ms,
                end=end,
                is_open=last and not final,
                imputed=event.imputed,
                running=on,
                current=workers if on else 0,
                target=target if on else 0,
                reset=reset,
                restart=restart,
                since_restart_ms=end - restart if on and not reset else 0,
                was_used=cluster.was_used or (used_at is not None and used_at <= event.ms),
            )
        )
    return [state for state in found if state.end > state.start or state is found[-1]]


def _cycles(cluster: Cluster) -> Iterator[list[Event]]:
    """Events in order, each once, cut before each start; one within an hour of another, or of a restart, is that."""
    once: dict[tuple[int, str], Event] = {}
    if (first := cluster.before) is not None:
        size = first.target if first.type == CREATING else None
        once[first.start, first.type] = Event(first.start, first.type, first.current, first.target, size)
    known = [*cluster.events, *(Event(ms, DELETED) for ms in cluster.deleted)]
    for event in sorted(known, key=lambda e: e.place):
        once.setdefault((event.ms, event.type), event)
    cycle: list[Event] = []
    for event in once.values():
        if cycle and event.type in SWITCHES_ON:
            is_start = cycle[-1].type in SWITCHES_ON | {RESTARTING} and event.ms - cycle[-1].ms <= _SILENCE_MS
            if not (is_start and _on(cluster, cycle)[-1]):
                yield cycle
                cycle = []
        cycle.append(event)
    if cycle:
        yield cycle


def _on(cluster: Cluster, cycle: Sequence[Event]) -> list[bool]:
    """Whether the cluster is on from each event of a cycle."""
    if cluster.before is not None and cycle[0].ms == cluster.before.start:
        return _switched(cycle, on=cluster.before.running)
    first = next((e.type for e in cycle if e.type in SWITCHES_ON | SWITCHES_OFF), None)
    if first is None or first in SWITCHES_ON:
        on = any(e.type in _RUNNING for e in cycle)
    else:
        on = cycle[0].type not in SWITCHES_OFF
    return _switched(cycle, on=on)


def _switched(cycle: Sequence[Event], *, on: bool) -> list[bool]:
    found = []
    for event in cycle:
        on = event.type in SWITCHES_ON or (on and event.type not in SWITCHES_OFF)
        found.append(on)
    return found


def _closed(cluster: Cluster, cycles: Sequence[list[Event]]) -> Iterator[list[Event]]:
    """Cycles, with an imputed end where a cluster that is on has none."""
    for at, cycle in enumerate(cycles):
        on = _on(cluster, cycle)
        if not on[-1]:
            yield list(_ended_before_deletion(cluster, cycle, on))
            continue
        following = cycles[at + 1][0].ms if at + 1 < len(cycles) else None
        stop = _stop(cluster, cycle, following)
        yield cycle if stop is None else [*cycle, Event(stop, IMPUTED, imputed=True)]


def _ended_before_deletion(cluster: Cluster, cycle: Sequence[Event], on: Sequence[bool]) -> Iterator[Event]:
    """A cycle, with an imputed end before its deletion if it was still on and the audit logs know of one."""
    for at, event in enumerate(cycle):
        if at and event.type == DELETED and on[at - 1]:
            said = min((ms for ms in cluster.ended if cycle[at - 1].ms < ms < event.ms), default=None)
            if said is not None:
                yield Event(said, IMPUTED, imputed=True)
        yield event


def _stop(cluster: Cluster, cycle: Sequence[Event], following: int | None) -> int | None:
    """When a cluster ended that was on at the end of a cycle; None: it did not."""
    last = cycle[-1].ms
    horizon = cluster.loaded_until if following is None else following
    if (said := min((ms for ms in cluster.ended if last < ms < horizon), default=None)) is not None:
        return said
    spec = cluster.spec(last)
    runs = [r for r in cluster.runs if following is None or r.start < following]
    alive = max([last, *(horizon if r.end is None else min(r.end, horizon) for r in runs)])
    if spec.automated and (following is not None or cluster.runs or cluster.was_used):
        stop, silence = max(alive, last + 1), _SILENCE_MS if following is None else 1
    else:
        minutes = 0 if following is None else spec.autotermination_minutes or 0
        stop, silence = alive + (minutes * 60_000 or cluster.longest_ms), 1
    return stop if stop + silence <= horizon else None


STANDS_ON, STANDS_OFF = tuple(sorted(_RUNNING | SWITCHES_ON)), (TERMINATING, DELETED)
"""Types of events from which on it is certain that a cluster is on, if it is, and that it is off."""

__all__ = ["STANDS_OFF", "STANDS_ON", "Before", "Cluster", "Event", "Run", "Spec", "State", "states"]
