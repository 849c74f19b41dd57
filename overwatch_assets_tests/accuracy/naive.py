"""Simpler rules for costs, each a few lines over what really happened, and how wrong each is."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from overwatch_assets.sample.random_parts import Story
from overwatch_assets.sample.truth import Bills, Piece, pieces, truth

Costs = Mapping[tuple[object, ...], Fraction]

_CENT = Fraction(1, 100)


@dataclass(frozen=True)
class Wrong:
    """How wrong costs are.

    Attributes:
        overall: the differences of all rows, too much and too little, as a part of all dollars.
        worst: the largest relative error of what cost a cent or more.
    """

    overall: float
    worst: float


def wrong(found: Costs, real: Costs) -> Wrong:
    """Compare costs with the real ones; a key that is not there is 0."""
    off = {key: abs(found.get(key, Fraction(0)) - real.get(key, Fraction(0))) for key in found.keys() | real.keys()}
    whole = sum(real.values())
    worst = max((off[key] / cost for key, cost in real.items() if cost >= _CENT), default=Fraction(0))
    return Wrong(float(sum(off.values()) / whole), float(worst))


def known(bills: Bills) -> Costs:
    """What is known of some bills."""
    return {key: bill.total or Fraction(0) for key, bill in bills.items()}


def dollars(piece: Piece) -> Fraction:
    """What is known of a piece's cost."""
    return sum((part for part in piece.cost.values() if part is not None), Fraction(0))


def whole_first_state(story: Story) -> Wrong:
    """Each run pays all of the state that it started in, whoever else is there, and its share of the later ones."""
    real = truth(story)
    state_of: dict[tuple[int, int], tuple[str, int]] = {}
    found: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    states: dict[tuple[str, int], Fraction] = defaultdict(Fraction)
    for piece in pieces(story):
        state = (piece.cluster.cluster_id, piece.moment.at)
        states[state] += dollars(piece)
        for run in (*piece.payers, *(guest for guest, _ in piece.guests)):
            if state_of.setdefault((run.run_id, run.start), state) != state and run in piece.payers:
                found[run.run_id, run.start] += dollars(piece) / len(piece.payers)
    for key, state in state_of.items():
        found[key] += states[state]
    return wrong(found, known(real.runs))


def all_on_the_first_day(story: Story) -> Wrong:
    """All of a run's cost is on the day that it started."""
    found: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    real = known(truth(story).run_days)
    first: dict[object, int] = {}
    for key in sorted(real, key=lambda k: int(str(k[3]))):
        first.setdefault(key[:3], int(str(key[3])))
    for key, cost in real.items():
        found[*key[:3], first[key[:3]]] += cost
    return wrong(found, real)


def unknown_is_nothing(story: Story) -> Wrong:
    """What nobody lists costs nothing, and no row says so. Compared with the prices that there really are."""
    real: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    for piece in pieces(story, listed=False):
        real[piece.cluster.cluster_id, piece.day] += dollars(piece)
    return wrong(known(truth(story).cluster_days), real)


def a_millisecond_less(story: Story) -> Wrong:
    """A state lasts to the millisecond before the next one."""
    found: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    real: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    told = list(pieces(story))
    for piece, after in zip(told, [*told[1:], None], strict=True):
        lasted = Fraction(piece.end - piece.start)
        is_last = after is None or after.moment is not piece.moment
        state = (piece.cluster.cluster_id, piece.moment.at)
        real[state] += dollars(piece)
        found[state] += dollars(piece) * (lasted - is_last) / lasted
    return wrong(found, real)


def children_pay_too(story: Story) -> Wrong:
    """A run that another one started is charged beside it."""
    found = dict(known(truth(story).runs))
    for piece in pieces(story):
        for run, _ in piece.guests:
            found[run.run_id, run.start] += dollars(piece) / len(piece.payers)
    return wrong(found, known(truth(story).runs))


Rules = Sequence[tuple[str, Callable[[Story], Wrong]]]

RULES: Rules = (
    ("whole first state", whole_first_state),
    ("all on the first day", all_on_the_first_day),
    ("unknown is 0", unknown_is_nothing),
    ("1 ms less", a_millisecond_less),
    ("children pay too", children_pay_too),
)
