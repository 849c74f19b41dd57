"""Clusters of a random story in the making."""

import random

from overwatch_assets.sample.random_parts import OFF, SECOND, STARTING, WORKING, Cluster, Definition, Moment
from overwatch_assets.sample.story import DAY, HOUR, MINUTE


class Draft:
    """A cluster in the making: its time goes on with each thing that happens to it."""

    def __init__(self, rng: random.Random, cluster_id: str, definition: Definition, *, logged: bool) -> None:
        self.rng, self.cluster_id, self.logged = rng, cluster_id, logged
        self.definitions: list[tuple[int, Definition]] = []
        self.definition = definition
        self.moments: list[Moment] = []
        self.uptimes: list[tuple[int, int]] = []
        self.end_requests: list[int] = []
        self.there = 0
        self.at = 0
        self.begun = 0

    def after(self, least: int, most: int) -> int:
        """A moment later than all so far."""
        return self.at + self.rng.randint(least, most)

    def happens(self, at: int, kind: str, phase: str, aimed: int | None = None, *, told: bool = True) -> None:
        """Its time goes on to something that happens."""
        on = phase != OFF
        self.moments.append(
            Moment(at, kind, phase, self.there * on, (self.there if aimed is None else aimed) * on, told)
        )
        self.at = at

    def begins(self, at: int) -> None:
        """It is started, and works some minutes later."""
        first = not self.moments
        if first:
            self.definitions.append((at, self.definition))
        self.begun, self.there = at, self.definition.least
        self.happens(at, "CREATING" if first else "STARTING", STARTING)
        self._gets_ready()

    def _gets_ready(self) -> None:
        if self.rng.random() < 0.7:
            self.happens(self.after(1, 90 * SECOND), "INIT_SCRIPTS_STARTED", STARTING)
            self.happens(self.after(1, 60 * SECOND), "INIT_SCRIPTS_FINISHED", STARTING)
        if self.rng.random() < 0.5:
            self.happens(self.after(1, 60 * SECOND), "DRIVER_HEALTHY", WORKING)
        self.happens(self.after(1, 120 * SECOND), "RUNNING", WORKING)

    def lives(self, until: int, *, restarts: bool = True) -> None:
        """Things happen to it until a time."""
        while (at := self.after(MINUTE, 9 * HOUR)) < until - 20 * MINUTE:
            midnight = (self.at // DAY + 1) * DAY
            over_midnight = self.rng.randint(1, 4 * MINUTE)
            if self.definition.least < self.definition.most:
                if self.at < midnight - over_midnight < at + 4 * HOUR and midnight + 20 * MINUTE < until:
                    at = midnight - over_midnight
                self._scales(at, self.rng.randint(over_midnight, 12 * MINUTE))
            elif restarts and self.rng.random() < 0.3:
                self.happens(at, "RESTARTING", STARTING)
                self._gets_ready()
            else:
                self.happens(at, "EXPANDED_DISK", WORKING)

    def _scales(self, at: int, takes: int) -> None:
        sizes = [n for n in range(self.definition.least, self.definition.most + 1) if n != self.there]
        aimed = self.rng.choice(sizes)
        self.happens(at, "RESIZING", WORKING, aimed)
        kind = "UPSIZE_COMPLETED" if aimed > self.there else "RUNNING"
        self.there = aimed
        self.happens(at + takes, kind, WORKING)

    def is_edited(self, at: int, definition: Definition) -> None:
        """Somebody edits it; it is restarted if it is on."""
        self.definition = definition
        self.definitions.append((at, definition))
        self.there = definition.least
        if self.moments[-1].phase == OFF:
            self.happens(at, "EDITED", OFF)
            return
        self.happens(at, "EDITED", WORKING)
        self.happens(self.after(1, 5 * SECOND), "RESTARTING", STARTING)
        self._gets_ready()

    def ends(self, at: int, *, told: bool = True, requested: bool = True, disk: bool = False) -> None:
        """It is off from then on; its last disk may report afterwards."""
        self.happens(at, "TERMINATING" if told else "TERMINATING_IMPUTED", OFF, told=told)
        self.uptimes.append((self.begun, at))
        if requested:
            self.end_requests.append(at - self.rng.randrange(5 * SECOND) if told else at)
        if disk:
            self.happens(self.after(1, 60 * SECOND), "EXPANDED_DISK", OFF)

    def cluster(self, *, comes_back: bool = True, deleted: int | None = None) -> Cluster:
        """What was made."""
        if deleted is not None:
            self.happens(deleted, "PERMENANT_DELETE", OFF, told=False)
        return Cluster(
            self.cluster_id,
            tuple(self.definitions),
            tuple(self.moments),
            self.logged,
            comes_back,
            deleted,
            tuple(self.end_requests),
        )
