"""What notebook commands cost: the parts of a cluster's states that they overlap, shared by those that ran at once.

Each of the k commands that run at a moment pays a k-th part of it, the odd trillionths go to the first of them. So all
commands together never cost more than the cluster, and exactly as much while at least one of them runs. It is a second
view on the cluster's cost beside that of job runs: never to be added to it.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from overwatch_assets.rules.cost_segments import AMOUNTS, NO_STATE, NO_STATE_FOR_ALL, PRICED, Amounts, kth_part


@dataclass(frozen=True)
class Piece:
    """A part of a state within which what it costs is in proportion to time, `[start, end)`; pieces do not overlap.

    Attributes:
        state: start of the state.
    """

    start: int
    end: int
    state: int
    amounts: Amounts
    cost_status: str


@dataclass(frozen=True, order=True)
class Command:
    """A command, `[start, end)`; of those of one time the key decides which is the first."""

    start: int
    end: int
    key: int


@dataclass(frozen=True)
class Run:
    """A job's run on the cluster; end None: it goes on."""

    run_id: int
    start: int
    end: int | None


@dataclass
class Charge:
    """What a command comes to.

    Attributes:
        known: per name what is known of an amount, in units; a name of which nothing is known is left out.
        unknown: names of which a part is not known.
        said: the cost status of each of its parts.
        covered: milliseconds of it for which a state is known.
        states: milliseconds that it ran in each state, by the state's start.
        most: how many ran at once at most, itself among them.
        run_ids: jobs' runs that were on the cluster meanwhile.
    """

    known: dict[str, int] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    covered: int = 0
    states: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    most: int = 1
    run_ids: set[int] = field(default_factory=set)

    def whole(self, name: str) -> int | None:
        """An amount; None: not all of it is known."""
        return None if name in self.unknown else self.known.get(name)

    def cost_status(self, lasted: int) -> str:
        """`priced`, or what is missing."""
        gap = NO_STATE if not self.covered else NO_STATE_FOR_ALL if self.covered < lasted else None
        return "; ".join([*sorted(self.said - {PRICED}), *([gap] if gap else [])]) or PRICED

    @property
    def longest(self) -> int | None:
        """The state that it ran in for the longest time, the first of them; None: none is known."""
        return min(self.states, key=lambda s: (-self.states[s], s), default=None)


def charges(pieces: Iterable[Piece], commands: Iterable[Command], runs: Iterable[Run] = ()) -> dict[Command, Charge]:
    """What each of a cluster's commands comes to; those of no length are left out.

    Args:
        pieces: of its states.
        commands: all that ran on it while those did of which the answer is wanted.
        runs: jobs' runs on it.
    """
    present = sorted(c for c in set(commands) if c.end > c.start)
    found = {c: Charge() for c in present}
    begun, over = defaultdict(list), defaultdict(list)
    for command in present:
        begun[command.start].append(command)
        over[command.end].append(command)
    ordered = sorted((p for p in pieces if p.end > p.start), key=lambda p: p.start)
    active: set[Command] = set()
    at = 0
    for begin, end in pairwise(sorted({*begun, *over, *(ms for p in ordered for ms in (p.start, p.end))})):
        active = active.difference(over[begin]).union(begun[begin])
        while at < len(ordered) and ordered[at].end <= begin:
            at += 1
        if active:
            piece = ordered[at] if at < len(ordered) and ordered[at].start <= begin else None
            _charge(found, sorted(active), piece, begin, end)
    _meet(found, present, runs)
    return found


def _charge(
    found: Mapping[Command, Charge], active: Sequence[Command], piece: Piece | None, begin: int, end: int
) -> None:
    """Give each of the active commands its part of a time in which nothing changes."""
    amounts = {} if piece is None else {n: _of_time(getattr(piece.amounts, n), piece, begin, end) for n in AMOUNTS}
    for nth, command in enumerate(active):
        charge = found[command]
        charge.most = max(charge.most, len(active))
        if piece is None:
            continue
        charge.covered += end - begin
        charge.states[piece.state] += end - begin
        charge.said.add(piece.cost_status)
        for name, amount in amounts.items():
            mine = kth_part(amount, nth, len(active))
            if mine is None:
                charge.unknown.add(name)
            else:
                charge.known[name] = charge.known.get(name, 0) + mine


def _of_time(amount: int | None, piece: Piece, begin: int, end: int) -> int | None:
    """What a time within a piece comes to: the times that a piece is cut into come to the piece."""
    if amount is None:
        return None
    lasts = piece.end - piece.start
    return amount * (end - piece.start) // lasts - amount * (begin - piece.start) // lasts


def _meet(found: Mapping[Command, Charge], commands: Sequence[Command], runs: Iterable[Run]) -> None:
    """Say of each command, which are in order, the runs that it met."""
    ordered = sorted((r for r in runs if r.end is None or r.end > r.start), key=lambda r: r.start)
    starts = [r.start for r in ordered]
    there: list[Run] = []
    at = 0
    for command in commands:
        now = bisect_right(starts, command.start, at)
        there = [r for r in (*there, *ordered[at:now]) if r.end is None or r.end > command.start]
        at = now
        met = (*there, *ordered[now : bisect_left(starts, command.end, now)])
        found[command].run_ids.update(r.run_id for r in met)
