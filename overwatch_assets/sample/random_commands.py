"""Notebooks of a random story, and the commands that people run in them."""

import random
from collections.abc import Iterator, Sequence

from overwatch_assets.sample.random_parts import OFF, SECOND, Cluster, Command, Notebook
from overwatch_assets.sample.story import DAY, FIRST_MS, HOUR, MINUTE

NOBODY = "0101-000000-nobodys1"
_STATES = ("finished", "finished", "finished", "failed", "cancelled")


def notebooks_and_commands(
    seed: int, clusters: Sequence[Cluster], until: int
) -> tuple[tuple[Notebook, ...], tuple[Command, ...]]:
    """All of them.

    Args:
        seed: of all that is random in them.
        clusters: where they run.
        until: when the story is looked at.
    """
    plot = _Plot(random.Random(f"commands {seed}"), clusters, until)  # noqa: S311 - a story, not a secret
    return tuple(plot.notebooks()), tuple(plot.commands())


class _Plot:
    """Makes the notebooks and commands of one story from one stream of random numbers."""

    def __init__(self, rng: random.Random, clusters: Sequence[Cluster], until: int) -> None:
        self.rng, self.clusters, self.until = rng, clusters, until
        self.count = 0
        self.told: set[tuple[int, int, int]] = set()

    def notebooks(self) -> Iterator[Notebook]:
        """Notebooks that are made, renamed, moved and deleted; of the last one nothing is told."""
        rng = self.rng
        for number in range(6):
            folder, name = "/Users/eve", f"draft {number}"
            at = FIRST_MS + rng.randint(0, DAY)
            changes = [(at, "createNotebook", f"{folder}/{name}")] if number % 2 else []
            for _ in range(rng.randrange(4)):
                at += rng.randint(1, DAY)
                if rng.random() < 0.5:
                    name = f"report {number} of {at}"
                    changes.append((at, "renameNotebook", f"{folder}/{name}"))
                else:
                    folder = rng.choice(["/Shared", "/Shared/finance", "/Users/eve"])
                    changes.append((at, "moveNotebook", f"{folder}/{name}"))
            if rng.random() < 0.4:
                changes.append((at + rng.randint(1, DAY), "deleteNotebook", f"{folder}/{name}"))
            yield Notebook(4_400 + number, tuple(changes))

    def commands(self) -> Iterator[Command]:
        """Commands one after another, many at once, and some of which little is told."""
        for cluster in self.clusters:
            for begun, ended in self._uptimes(cluster):
                if self.rng.random() < 0.7:
                    yield from self._session(cluster.cluster_id, begun, ended)
        yield from self._odd()

    def _uptimes(self, cluster: Cluster) -> Iterator[tuple[int, int]]:
        begun: int | None = None
        for moment in cluster.moments:
            if moment.phase == OFF and begun is not None:
                yield begun, moment.at
                begun = None
            elif moment.phase != OFF and begun is None:
                begun = moment.at
        if begun is not None and begun < self.until:
            yield begun, self.until + HOUR

    def _session(self, cluster_id: str, begun: int, ended: int) -> Iterator[Command]:
        """Commands while a cluster is on, of which some begin before it is and some end after it."""
        rng = self.rng
        for _ in range(rng.randint(1, 3)):
            at = rng.randint(begun - 20 * SECOND, max(ended - 1, begun))
            for _ in range(rng.choice([1, 1, 2, 3, 5])):  # at once
                start = at + rng.randint(0, 30 * MINUTE) * rng.choice([0, 1])
                end = start + rng.randint(0, rng.choice([SECOND, 10 * MINUTE, 2 * HOUR, 20 * HOUR]))
                yield self._command(cluster_id, start, end if rng.random() < 0.1 else max(start, min(end, ended)))

    def _command(self, cluster_id: str | None, start: int, end: int, **how: bool) -> Command:
        self.count += 1
        rng = self.rng
        # Who runs a cell again runs the command again.
        number = self.count if self.count < 3 or rng.random() < 0.8 else self.count - 2
        if (number, start, end) in self.told:
            number = self.count
        self.told.add((number, start, end))
        return Command(
            f"command-{number}", 4_400 + rng.randrange(7), cluster_id, start, end, rng.choice(_STATES), **how
        )

    def _odd(self) -> Iterator[Command]:
        """Commands on no cluster or one that nobody knows, whose time nobody tells, that nobody allowed."""
        rng = self.rng
        on = rng.choice(self.clusters).cluster_id
        for cluster_id, how in (
            (None, {}),
            (NOBODY, {}),
            (NOBODY, {}),
            (on, {"timed": False}),
            (on, {"granted": False}),
            (self.clusters[0].cluster_id, {"granted": False}),
        ):
            start = rng.randint(FIRST_MS, self.until)
            yield self._command(cluster_id, start, start + rng.randint(1, 3 * HOUR), **how)
        start = rng.randint(FIRST_MS, FIRST_MS + HOUR)  # begun on the day before the first
        yield self._command(self.clusters[0].cluster_id, start - 2 * HOUR, start)
