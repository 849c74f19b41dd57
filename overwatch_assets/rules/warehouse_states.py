"""What state a SQL warehouse was in: the events of `system.compute.warehouse_events`, and what closes it without one.

| event | was off | was on | nothing known |
|---|---|---|---|
| `STARTING` | on, a new start | on, a new start: its stop was lost | on |
| `RUNNING` | on, a new start: its `STARTING` was lost | on; a new start if something says that it stopped | on |
| `SCALED_UP` | on, a new start | on | on |
| `SCALED_DOWN` | off: the last clusters go | on | on |
| `STOPPING`, `STOPPED`, `PERMENANT_DELETE` | off | off | off |
| any other | off | on | on, if the next of the above is a stop; else off |

Events of one millisecond are taken in the order in which a warehouse lives; if it is on, a `STARTING` among them comes
after the stops. An event that another one follows in its millisecond is no state, because it has no length, and nothing
that is told of a warehouse after its deletion is one.

A warehouse that is on, and of which no stop is known before its next start or the end of what is loaded, is closed by a
`STOPPING_IMPUTED`, which vanishes when a real event comes: where an audit record says that somebody stopped or deleted
it, or a snapshot that it does not run, whichever is first; else, before another start, after its auto-stop time; else
after ``longest_ms`` of silence.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

from overwatch_assets.rules.dated import held_at, in_order

STARTING, RUNNING, SCALED_UP, SCALED_DOWN = "STARTING", "RUNNING", "SCALED_UP", "SCALED_DOWN"
STOPPING, STOPPED, IMPUTED = "STOPPING", "STOPPED", "STOPPING_IMPUTED"
DELETED = "PERMENANT_DELETE"  # sic: the documented spelling

ON, OFF = frozenset({STARTING, RUNNING, SCALED_UP}), frozenset({STOPPING, STOPPED, IMPUTED, DELETED})
TRANSITIONS: dict[str, dict[bool | None, bool]] = {
    **{kind: {False: True, True: True, None: True} for kind in ON},
    SCALED_DOWN: {False: False, True: True, None: True},
    **{kind: {False: False, True: False, None: False} for kind in OFF},
}
"""By type of an event, and whether the warehouse was on before it (None: not known): whether it is on from there."""

_LIFE = (STARTING, RUNNING, SCALED_UP, SCALED_DOWN, STOPPING, IMPUTED, STOPPED, DELETED)
_RUNS = frozenset({"STARTING", "RUNNING"})  # states of a snapshot that don't say that it has stopped
_WITHOUT_DBUS = frozenset({STARTING})


@dataclass(frozen=True)
class Event:
    """An event; ``clusters``: how many run since then."""

    ms: int
    type: str
    clusters: int | None = None
    imputed: bool = False


@dataclass(frozen=True)
class Spec:
    """A definition of the warehouse from its time on; the first serves earlier times too."""

    ms: int
    sequence: int = 0
    least: int | None = None
    most: int | None = None
    auto_stop_minutes: int | None = None


@dataclass(frozen=True)
class Before:
    """The state with which the events of a warehouse begin, where what was before it is known and stands."""

    type: str
    start: int
    running: bool
    current: int | None
    restart: int
    first_after_stop: bool


@dataclass(frozen=True)
class Warehouse:
    """All that is known of one warehouse.

    Attributes:
        events: from the first one, or those after the start of ``before``.
        loaded_until: how far its events are loaded.
        longest_ms: how long it may be silent until it is taken to have stopped.
        stopped: times at which an audit record or a snapshot says that it is off.
        deleted: times at which it was deleted.
    """

    events: Sequence[Event]
    loaded_until: int
    longest_ms: int
    specs: Sequence[Spec] = ()
    stopped: Sequence[int] = ()
    deleted: Sequence[int] = ()
    before: Before | None = None

    @cached_property
    def _specs(self) -> list[Spec]:
        return in_order(self.specs)

    def spec(self, ms: int) -> Spec:
        """The definition at a time: the last one until then, else the first."""
        return held_at(self._specs, ms)[0] or Spec(ms)


@dataclass(frozen=True)
class State:
    """One state, `[start, end)`.

    Attributes:
        is_open: it ends where the events are loaded to, because nothing later is known.
        current: clusters that run; None: no event and no definition says.
        target: clusters that it may have.
        restart: when it was last started, or its first event.
        first_after_stop: it is the first state after a stop.
        since_restart_ms: how long it was on since the restart, at the end of the state; 0 for the first state
            after a stop, and while it is off.
    """

    type: str
    start: int
    end: int
    is_open: bool
    imputed: bool
    running: bool
    current: int | None
    target: int | None
    restart: int
    first_after_stop: bool
    since_restart_ms: int

    @property
    def dbu_billable(self) -> bool:
        """Whether it costs DBUs."""
        return self.running and self.type not in _WITHOUT_DBUS


@dataclass
class _Lived:
    """Events in order, each with whether the warehouse is on from there and whether it begins a new start."""

    told: list[tuple[Event, bool, bool]] = field(default_factory=list)

    @property
    def on(self) -> bool | None:
        """Whether the warehouse is on; None: nothing is known yet."""
        return self.told[-1][1] if self.told else None

    def close(self, at: int | None) -> None:
        """Stop the warehouse at a time; None: it did not stop."""
        if at is not None:
            self.add(Event(at, IMPUTED, imputed=True), on=False)

    def add(self, event: Event, *, on: bool) -> None:
        """Take what comes next."""
        started = event.type == STARTING and (self.on is not True or self.told[-1][0].type != STARTING)
        self.told.append((event, on, started or (on and not self.on)))


def states(warehouse: Warehouse) -> list[State]:
    """Every state of a warehouse, in order, without gap or overlap, from ``before`` on."""
    lived = _closed(warehouse)
    found: list[State] = []
    clusters: int | None = None
    restart = 0
    for at, (event, on, starts) in enumerate(lived):
        previous = found[-1] if found else None
        after_stop = previous is not None and not previous.running
        if previous is None and warehouse.before is not None:
            restart, after_stop = warehouse.before.restart, warehouse.before.first_after_stop
        elif starts or previous is None:
            clusters, restart = None, event.ms
        spec = warehouse.spec(event.ms)
        if event.clusters is not None:
            clusters = event.clusters
        elif not clusters:
            clusters = spec.least
        most = spec.least if event.type == STARTING else spec.most
        last = at + 1 == len(lived)
        final = event.type == DELETED
        following = lived[at + 1][0].ms if not last else None
        end = following if following is not None else event.ms if final else max(warehouse.loaded_until, event.ms)
        found.append(
            State(
                type=event.type,
                start=event.ms,
                end=end,
                is_open=last and not final,
                imputed=event.imputed,
                running=on,
                current=clusters if on else 0,
                target=(clusters if most is None else most) if on else 0,
                restart=restart,
                first_after_stop=after_stop,
                since_restart_ms=end - restart if on and not after_stop else 0,
            )
        )
    return [s for s in found if s.end > s.start or s is found[-1]]


def _closed(warehouse: Warehouse) -> list[tuple[Event, bool, bool]]:
    """All events in order, with an imputed stop where a warehouse that is on has none."""
    lived = _Lived()
    for event, on in _ordered(warehouse):
        if lived.on:
            last = lived.told[-1][0]
            if event.type == STARTING and last.type != STARTING:
                lived.close(_stop(warehouse, last, event.ms))
            elif event.type == DELETED or (event.type == RUNNING and last.type != STARTING):
                lived.close(_said_stopped(warehouse, last.ms, event.ms))
        lived.add(event, on=on)
    if lived.on:
        lived.close(_stop(warehouse, lived.told[-1][0], None))
    return lived.told


def _ordered(warehouse: Warehouse) -> Iterator[tuple[Event, bool]]:
    """Events in order, each once, with whether the warehouse is on from there."""
    known = [*warehouse.events, *(Event(ms, DELETED) for ms in warehouse.deleted)]
    on: bool | None = None
    if (first := warehouse.before) is not None:
        on = first.running
        yield Event(first.start, first.type, first.current), on
    by_ms = [list(group) for _, group in groupby(sorted(known, key=_place), key=lambda e: e.ms)]
    for at, group in enumerate(by_ms):
        for event in _of_one_ms(group, on=on):
            change = TRANSITIONS.get(event.type)
            if change is not None:
                on = change[on]
            elif on is None:
                on = _stops_first(by_ms[at:])
            yield event, on
            if event.type == DELETED:
                return


def _place(event: Event) -> tuple[int, int, str, int]:
    order = _LIFE.index(event.type) if event.type in _LIFE else _LIFE.index(STOPPING)
    return event.ms, order, event.type, -1 if event.clusters is None else event.clusters


def _of_one_ms(group: Iterable[Event], *, on: bool | None) -> list[Event]:
    """Events of a millisecond, those of a type once: of counts the last that there was, as far as one can tell."""
    once: dict[str, Event] = {}
    for event in group:  # in the order of their counts
        if event.type != SCALED_DOWN or event.type not in once:
            once[event.type] = event
    events = list(once.values())
    if on and STARTING in once:
        events.sort(key=lambda e: e.type not in OFF)
    return events


def _stops_first(groups: Iterable[Iterable[Event]]) -> bool:
    """Whether the first event that decides is a stop, so that the warehouse was on before."""
    for group in groups:
        for event in group:
            if event.type in TRANSITIONS:
                return event.type in OFF
    return False


def _said_stopped(warehouse: Warehouse, since: int, until: int) -> int | None:
    return min((ms for ms in warehouse.stopped if since < ms < until), default=None)


def _stop(warehouse: Warehouse, last: Event, following: int | None) -> int | None:
    """When a warehouse stopped that was on since an event; None: it did not, as far as is known."""
    horizon = warehouse.loaded_until if following is None else following
    if (said := _said_stopped(warehouse, last.ms, horizon)) is not None:
        return said
    if following is not None:
        idle = (warehouse.spec(last.ms).auto_stop_minutes or 0) * 60_000
        return last.ms + idle if idle and last.ms + idle < following else None
    return last.ms + warehouse.longest_ms if last.ms + warehouse.longest_ms < horizon else None


def says_stopped(state: str | None) -> bool:
    """Whether the state of a snapshot says that a warehouse is off."""
    return bool(state) and str(state).upper() not in _RUNS


STANDS_ON, STANDS_OFF = tuple(sorted(ON)), (DELETED, STOPPED, STOPPING)
"""Types of events from which on it is certain that a warehouse is on, if it is, and that it is off."""

__all__ = ["STANDS_OFF", "STANDS_ON", "Before", "Event", "Spec", "State", "Warehouse", "says_stopped", "states"]
