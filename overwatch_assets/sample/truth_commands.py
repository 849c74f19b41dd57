"""What the notebook commands of a random story really cost: exact fractions, by code that no table shares.

Those that run on a cluster at once share what it costs meanwhile. What a command began and ended in the middle of is
looked at piece by piece, as the cluster's own cost is.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from overwatch_assets.sample.random_parts import Command, Notebook, Story
from overwatch_assets.sample.story import FIRST_MS
from overwatch_assets.sample.truth import NOTHING, Bill, Bills, Money, Piece, end_of, is_known, pieces

Key = tuple[str, int, int]


@dataclass(frozen=True)
class Part:
    """A part of a piece of a cluster's cost, with the commands that share it."""

    piece: Piece
    start: int
    end: int
    cost: Money
    commands: tuple[Command, ...]


@dataclass(frozen=True)
class Company:
    """What is known of a command besides its cost.

    Attributes:
        path: where its notebook lay; None: nobody told ever.
        others: how many others ran at once at most; None: it took no time, or ran on no cluster.
        runs: jobs' runs that were on the cluster meanwhile.
    """

    path: str | None
    others: int | None
    runs: tuple[int, ...]


def told(story: Story) -> list[Command]:
    """Commands that have run, as far as anybody tells: their record is written when they have."""
    return [c for c in story.commands if c.granted and FIRST_MS <= c.end < story.until_ms]


def key_of(command: Command) -> Key:
    """A command, its start, which is that of its record if nobody says how long it ran, and its end."""
    return command.command_id, command.start if command.timed else command.end, command.end


def truth_of_commands(story: Story) -> Bills:
    """Add up what commands cost, by command, start and end."""
    found: Bills = defaultdict(Bill)
    for command in told(story):
        found[key_of(command)].add(NOTHING if command.timed and command.start == command.end else {})
    for part in parts(story):
        for command in part.commands:
            found[key_of(command)].add(part.cost, len(part.commands))
    return found


def parts(story: Story, *, listed: bool = True) -> Iterator[Part]:
    """The parts of all clusters' costs during which a command ran."""
    running = _running(story)
    for piece in pieces(story, listed=listed):
        there = [c for c in running[piece.cluster.cluster_id] if c.start < piece.end and c.end > piece.start]
        causes = {piece.start, piece.end, *(ms for c in there for ms in (c.start, c.end))}
        for a, b in pairwise(sorted(ms for ms in causes if piece.start <= ms <= piece.end)):
            active = tuple(c for c in there if c.start <= a and b <= c.end)
            share = Fraction(b - a, piece.end - piece.start)
            cost = {name: None if dollars is None else dollars * share for name, dollars in piece.cost.items()}
            if active:
                yield Part(piece, a, b, cost, active)


def _running(story: Story) -> dict[str, list[Command]]:
    found: dict[str, list[Command]] = defaultdict(list)
    for command in told(story):
        if command.timed and command.cluster_id and command.start < command.end:
            found[command.cluster_id].append(command)
    return found


def company(story: Story) -> dict[Key, Company]:
    """What is known of each command besides its cost."""
    notebooks = {n.notebook_id: n for n in story.notebooks}
    running = _running(story)
    found = {}
    for command in told(story):
        path = _path(notebooks.get(command.notebook_id), command.end, story)
        beside = running.get(command.cluster_id or "", [])
        others, runs = None, set()
        if command in beside:
            begins = {command.start, *(c.start for c in beside if command.start <= c.start < command.end)}
            others = max(sum(c.start <= ms < c.end for c in beside) for ms in begins) - 1
            runs = {
                r.run_id
                for r in story.runs
                if r.cluster_id == command.cluster_id and is_known(r, story)
                if r.start < command.end and command.start < end_of(r, story) > r.start
            }
        found[key_of(command)] = Company(path, others, tuple(sorted(runs)))
    return found


def _path(notebook: Notebook | None, at: int, story: Story) -> str | None:
    """Where a notebook lay at a time; before anything is told of it, where it lay then."""
    changes = [c for c in notebook.changes if FIRST_MS <= c[0] < story.until_ms] if notebook else []
    before = [path for ms, _, path in changes if ms <= at]
    return before[-1] if before else changes[0][2] if changes else None
