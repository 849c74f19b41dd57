"""SQL warehouses of a random story, their sizes and their rates.

What is told badly, and what is true then:

| what | how it is told | what is true |
|---|---|---|
| a stop | no event; a request, a snapshot of that moment | the moment |
| a stop before another start | not at all | it stopped after its idle minutes since it was last heard of |
| a snapshot between two events of one that runs (`lies`) | it says that it is stopped | it runs |
| clusters of a start | no count | the least that it has |
| a new size or type of one that runs; a new price | at the moment | from its next event on: a state has one price |
| the type of a pro one (`kind_told`) | nobody says whether it is serverless | what it costs is unknown |
| nodes or price of a size (`Size`) | in no price file | what depends on it is unknown |
"""

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from overwatch_assets.sample.random_parts import (
    OFF,
    SECOND,
    STARTING,
    WORKING,
    Setting,
    Turn,
    Warehouse,
)
from overwatch_assets.sample.random_prices import KINDS, PRO, SERVERLESS, SIZES
from overwatch_assets.sample.story import DAY, FIRST_MS, HOUR, MINUTE

HEARD_MS = FIRST_MS - DAY
"""Events before that are in no table: system tables are read a day before the first one."""
UNHEARD, GONE = "STOPPING_IMPUTED", "PERMENANT_DELETE"


def looks(seed: int, days: Sequence[dt.date], until: int) -> tuple[int, ...]:
    """When warehouses are looked at: once a day."""
    rng = random.Random(f"looks {seed}")  # noqa: S311 - a story, not a secret
    return (*(FIRST_MS + n * DAY + rng.randint(6 * HOUR, 23 * HOUR) for n in range(len(days) - 1)), until)


def warehouses(seed: int, until: int, seen: Sequence[int]) -> tuple[Warehouse, ...]:
    """All of them.

    Args:
        seed: of all that is random in them.
        until: when the story is looked at.
        seen: when snapshots are taken.
    """
    return tuple(_Plot(random.Random(f"warehouses {seed}"), until, seen).warehouses())  # noqa: S311 - as above


class _Draft:
    """A warehouse in the making: its time goes on with each thing that happens to it."""

    def __init__(self, rng: random.Random, setting: Setting, *, logged: bool) -> None:
        self.rng, self.logged, self.at = rng, logged, setting.at
        self.settings = [setting]
        self.turns: list[Turn] = []
        self.stop_requests: list[int] = []
        self.refused: list[int] = []

    @property
    def setting(self) -> Setting:
        return self.settings[-1]

    @property
    def is_on(self) -> bool:
        return bool(self.turns) and self.turns[-1].phase != OFF

    def after(self, least: int, most: int) -> int:
        return self.at + self.rng.randint(least, most)

    def happens(self, at: int, kind: str, phase: str, clusters: int = 0, **how: bool) -> None:
        self.turns.append(Turn(at, kind, phase, clusters, **how))
        self.at = at

    def begins(self, at: int, *, told: bool = True) -> None:
        """It starts; of some starts the first event is lost."""
        least = self.setting.least
        if told:
            counted = self.rng.random() < 0.7
            self.happens(at, "STARTING", STARTING, 0 if counted else least, counted=counted)
            if self.rng.random() < 0.1:
                self.happens(self.after(1, 30 * SECOND), "STARTING", STARTING, self.turns[-1].clusters)
            at = self.after(2 * SECOND, 6 * MINUTE)
        self.happens(at, "RUNNING", WORKING, least, counted=self.rng.random() < 0.7)

    def lives(self, until: int) -> None:
        """It scales until a time."""
        while (at := self.after(SECOND, 7 * HOUR)) < until:
            there, setting = self.turns[-1].clusters, self.setting
            sizes = [n for n in range(setting.least, setting.most + 1) if n != there]
            if not sizes or self.rng.random() < 0.1:
                self.happens(at, "RUNNING", WORKING, there, counted=self.rng.random() < 0.5)
            else:
                clusters = self.rng.choice(sizes)
                self.happens(at, "SCALED_UP" if clusters > there else "SCALED_DOWN", WORKING, clusters)

    def ends(self, at: int) -> None:
        """It stops, as events tell in one way or another."""
        rng, there = self.rng, self.turns[-1].clusters
        if rng.random() < 0.3:
            self.stop_requests.append(rng.randint(max(self.at, at - 5 * SECOND), at))
        how = rng.random()
        if how < 0.15:
            self.happens(at, "SCALED_DOWN", WORKING, 0)
            at = self.after(1, MINUTE)
        if how < 0.7:
            self.happens(at, "STOPPING", OFF, 0, counted=there > 0)
            if rng.random() < 0.2:
                self.happens(self.after(1, 30 * SECOND), "SCALED_DOWN", OFF)
            at = self.at if rng.random() < 0.2 else self.after(1, MINUTE)
        self.happens(at, "STOPPED", OFF)

    def is_edited(self, at: int, **what: object) -> None:
        """Somebody edits it, and states all of it, or what changes."""
        said = frozenset(what) if self.rng.random() < 0.5 else frozenset()
        self.settings.append(replace(self.setting, at=at, **{**what, "said": said}))  # type: ignore[arg-type]
        self.at = max(self.at, at)
        if self.rng.random() < 0.3:
            self.refused.append(at + 1)

    def warehouse(self, *, deleted: int | None = None, lies: Sequence[int] = ()) -> Warehouse:
        if deleted is not None:
            self.happens(deleted, GONE, OFF, told=False)
            self.happens(deleted + 1, "STOPPED", OFF)  # of which nobody wants to know
        letters = "".join(self.rng.choices("0123456789abcdef", k=16))
        first = next((n for n, turn in enumerate(self.turns) if turn.at >= HEARD_MS), 0)
        heard = replace(self.turns[first], counted=True)  # nobody could tell what it was before
        return Warehouse(
            letters,
            tuple(self.settings),
            (*self.turns[:first], heard, *self.turns[first + 1 :]),
            self.logged,
            deleted,
            tuple(self.stop_requests),
            tuple(self.refused),
            tuple(lies),
        )


class _Plot:
    """Makes the warehouses of one story from one stream of random numbers."""

    def __init__(self, rng: random.Random, until: int, seen: Sequence[int]) -> None:
        self.rng, self.until, self.seen = rng, until, seen

    def warehouses(self) -> Iterator[Warehouse]:
        """Tell of each."""
        yield self._old()
        yield self._edited()
        yield self._edited()
        yield self._sized("5X-Large")
        yield self._sized(self.rng.choice(["Large", "X-Large", "2X-Large"]))
        yield self._forgotten()
        yield self._forgotten()
        yield self._deleted()
        yield self._brief()
        yield self._endless()

    def _draft(self, name: str, at: int, *, logged: bool = True, **more: object) -> _Draft:
        rng = self.rng
        least = rng.randint(1, 2)
        chosen: dict[str, object] = {
            "name": name,
            "size": rng.choice(SIZES),
            "kind": rng.choice(KINDS),
            "least": least,
            "most": least + rng.randint(0, 4),
            "idle_minutes": rng.choice([10, 45, 120]),
            **more,
        }
        return _Draft(rng, Setting(at, **chosen), logged=logged)  # type: ignore[arg-type]

    def _up_and_down(self, draft: _Draft, at: int, hours: tuple[int, int] = (1, 20)) -> None:
        while at < self.until:
            draft.begins(at, told=self.rng.random() < 0.85)
            draft.lives(draft.after(hours[0] * HOUR, hours[1] * HOUR))
            draft.ends(draft.after(1, 5 * HOUR))
            if self.rng.random() < 0.3:
                draft.stop_requests.append(draft.after(1, MINUTE))  # somebody else, a moment too late
            at = draft.after(2 * MINUTE, 14 * HOUR)

    def _lies(self, draft: _Draft) -> list[int]:
        """Snapshots while it runs of which the next event says that it did."""
        found = []
        for look in self.seen:
            last = next((t for t in reversed(draft.turns) if t.at < look), None)
            following = next((t for t in draft.turns if t.at > look), None)
            if last and last.phase == WORKING and following and following.kind.startswith(("SCALED", "STOP")):
                found.append(look)
        return [look for look in found if self.rng.random() < 0.5]

    def _old(self) -> Warehouse:
        """It was there before the first day, and on; no log tells of its creation."""
        at = FIRST_MS - self.rng.randint(2 * HOUR, 3 * DAY)
        draft = self._draft("shared", at, logged=False)
        self._up_and_down(draft, at, (20, 50))
        lies = self._lies(draft)
        draft.at = self.seen[0]
        while (edited := draft.after(1, 2 * DAY)) < self.until:  # a snapshot has told by then what it was
            draft.is_edited(edited, size=self.rng.choice(SIZES), name=f"shared since {edited}")
        return draft.warehouse(lies=lies)

    def _edited(self) -> Warehouse:
        """Its size, type and clusters change while it is off and while it is on."""
        at = FIRST_MS + self.rng.randint(0, 12 * HOUR)
        draft = self._draft("team's", at)
        while draft.at < self.until:
            if self.rng.random() < 0.7:
                least = self.rng.randint(1, 3)
                changes = {
                    "size": self.rng.choice(SIZES),
                    "kind": self.rng.choice(KINDS),
                    "least": least,
                    "most": least + self.rng.randint(0, 3),
                    "name": f"team's {draft.at}",
                    "idle_minutes": self.rng.choice([0, 20]),
                }
                chosen = self.rng.sample(sorted(changes), self.rng.randint(1, 4))
                chosen += ["most"] * ("least" in chosen and "most" not in chosen)
                chosen += ["least"] * ("most" in chosen and "least" not in chosen)
                draft.is_edited(draft.after(1, 3 * HOUR), **{name: changes[name] for name in chosen})
            if not draft.is_on:
                draft.begins(draft.after(1, 9 * HOUR), told=self.rng.random() < 0.8)
            elif self.rng.random() < 0.5:
                draft.lives(draft.after(HOUR, 9 * HOUR))
            else:
                draft.ends(draft.after(MINUTE, 6 * HOUR))
        return draft.warehouse(lies=self._lies(draft))

    def _sized(self, size: str) -> Warehouse:
        """Of its size not everything is known."""
        at = FIRST_MS + self.rng.randint(0, DAY)
        draft = self._draft(f"of {size}", at, size=size)
        self._up_and_down(draft, draft.after(1, HOUR))
        return draft.warehouse()

    def _forgotten(self) -> Warehouse:
        """No event tells of its stops."""
        at = FIRST_MS + self.rng.randint(0, 20 * HOUR)
        draft = self._draft("forgotten", at)
        draft.begins(draft.after(1, HOUR))
        while draft.at < self.until:
            draft.lives(draft.after(HOUR, 9 * HOUR))
            look = next((s for s in self.seen if s > draft.at), self.until)
            idle = draft.at + draft.setting.idle_minutes * MINUTE
            asked = draft.after(1, 5 * HOUR)
            again_told = self.rng.random() < 0.6
            if self.rng.random() < 0.4 and draft.turns[-1].kind != "STARTING" and idle + MINUTE < look:
                draft.happens(idle, UNHEARD, OFF, told=False)
                draft.begins(self.rng.randint(idle + 1, min(look, idle + 9 * HOUR) - 1))
                continue
            if asked < look:
                draft.stop_requests.append(asked)
            draft.happens(min(asked, look), UNHEARD, OFF, told=False)
            if self.rng.random() < 0.25:
                break  # it is not heard of again
            draft.begins(draft.after(1, 9 * HOUR), told=again_told)
        return draft.warehouse()

    def _deleted(self) -> Warehouse:
        """Somebody deletes it, on or off."""
        at = FIRST_MS + self.rng.randint(0, 9 * HOUR)
        draft = self._draft("deleted", at)
        draft.begins(draft.after(1, HOUR))
        draft.lives(draft.after(HOUR, 9 * HOUR))
        if self.rng.random() < 0.5:
            draft.ends(draft.after(1, HOUR))
        return draft.warehouse(deleted=draft.after(1, 3 * HOUR))

    def _brief(self) -> Warehouse:
        """Made and deleted between two looks; nobody says whether it is serverless."""
        at = self.seen[0] + 1
        draft = self._draft("brief", at, kind=self.rng.choice([PRO, SERVERLESS]), kind_told=False)
        span = (self.seen[1] - at) // 4
        draft.begins(draft.after(1, span), told=span > 7 * MINUTE)
        draft.ends(draft.after(1, span))
        return draft.warehouse(deleted=min(draft.after(1, span), self.seen[1] - 1))

    def _endless(self) -> Warehouse:
        """On and scaling over all midnights, and open at the end; it starts long before it is heard of."""
        at = HEARD_MS - self.rng.randint(1, 9) * DAY
        draft = self._draft("endless", at, logged=False, most=5)
        draft.begins(at)
        draft.lives(self.until + DAY)
        return draft.warehouse()
