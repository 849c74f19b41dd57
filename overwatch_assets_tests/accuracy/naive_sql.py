"""Simpler rules for costs of SQL warehouses and notebook commands, and how wrong each is."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from overwatch_assets.sample.random_parts import Setting, Story, Turn
from overwatch_assets.sample.truth import Bill, Money, midnight, pieces
from overwatch_assets.sample.truth_commands import Part, key_of, parts, told, truth_of_commands
from overwatch_assets.sample.truth_warehouses import State, cost, states, truth_of_warehouses
from overwatch_assets_tests.accuracy.naive import Rules, Wrong, known, wrong

Keyed = dict[tuple[object, ...], Fraction]


def dollars(cost: Money) -> Fraction:
    """What is known of a cost, as bills have it."""
    bill = Bill()
    bill.add(cost)
    return bill.total or Fraction(0)


def _of_states(story: Story, rule: Callable[[State], Money]) -> Wrong:
    found: Keyed = {state.key: dollars(rule(state)) for state in states(story)}
    return wrong(found, known(truth_of_warehouses(story).warehouse_states))


def _as(story: Story, state: State, *, turn: Turn | None = None, setting: Setting | None = None) -> Money:
    return cost(story, turn or state.turn, setting or state.setting, state.end - state.turn.at)


def first_size(story: Story) -> Wrong:
    """A warehouse has the size that it had first."""
    return _of_states(story, lambda s: _as(story, s, setting=replace(s.setting, size=s.warehouse.settings[0].size)))


def next_definition(story: Story) -> Wrong:
    """A state has the definition that came after its start; the last if none did."""

    def following(state: State) -> Setting:
        settings = state.warehouse.settings
        return next((s for s in settings if s.at > state.turn.at), settings[-1])

    return _of_states(story, lambda s: _as(story, s, setting=following(s)))


def one_cluster(story: Story) -> Wrong:
    """DBUs and nodes are those of one cluster, however many run."""
    return _of_states(story, lambda s: _as(story, s, turn=replace(s.turn, clusters=min(s.turn.clusters, 1))))


def one_rate(story: Story) -> Wrong:
    """Every warehouse is paid as a classic one."""
    return _of_states(story, lambda s: _as(story, s, setting=replace(s.setting, kind="CLASSIC", kind_told=True)))


def warehouse_unknown_is_nothing(story: Story) -> Wrong:
    """What nobody lists costs nothing, and no row says so. Compared with the prices that there really are."""
    real = {state.key: dollars(state.cost) for state in states(story, listed=False)}
    return wrong(known(truth_of_warehouses(story).warehouse_states), real)


def each_moment(story: Story) -> Wrong:
    """A state is cut where a price or the definition changes: no simpler rule, but another one."""

    def cut(state: State) -> Money:
        changes = {*(s.at for s in state.warehouse.settings), *(midnight(p) for p in (*story.prices, *story.sizes))}
        times = sorted({state.turn.at, state.end, *(ms for ms in changes if state.turn.at < ms < state.end)})
        bill = Bill()
        for a, b in pairwise(times):
            bill.add(cost(story, replace(state.turn, at=a), state.warehouse.setting(a), b - a))
        return {"all": bill.total}

    return _of_states(story, cut)


WAREHOUSE_RULES: Rules = (
    ("first size", first_size),
    ("next definition", next_definition),
    ("one cluster", one_cluster),
    ("one rate", one_rate),
    ("unknown is 0", warehouse_unknown_is_nothing),
    ("of each moment", each_moment),
)


def _of_parts(story: Story, rule: Callable[[Part], Fraction]) -> Wrong:
    found: Keyed = defaultdict(Fraction)
    for part in parts(story):
        for command in part.commands:
            found[key_of(command)] += rule(part)
    return wrong(found, known(truth_of_commands(story)))


def not_shared(story: Story) -> Wrong:
    """Each command pays all of the cluster while it runs."""
    return _of_parts(story, lambda part: dollars(part.cost))


def whole_states(story: Story) -> Wrong:
    """A command pays all of each state that it meets."""
    whole: Keyed = defaultdict(Fraction)
    for piece in pieces(story):
        whole[piece.cluster.cluster_id, piece.moment.at] += dollars(piece.cost)
    met = {
        (key_of(command), part.piece.cluster.cluster_id, part.piece.moment.at)
        for part in parts(story)
        for command in part.commands
    }
    found: Keyed = defaultdict(Fraction)
    for key, *state in met:
        found[key] += whole[tuple(state)]
    return wrong(found, known(truth_of_commands(story)))


def mean_of_the_cluster(story: Story) -> Wrong:
    """A command pays its time at the mean of all that its cluster ever cost."""
    cost_of: dict[str, Fraction] = defaultdict(Fraction)
    lasted: dict[str, int] = defaultdict(int)
    for piece in pieces(story):
        cost_of[piece.cluster.cluster_id] += dollars(piece.cost)
        lasted[piece.cluster.cluster_id] += piece.end - piece.start
    found = {
        key_of(c): cost_of[c.cluster_id] * (c.end - c.start) / lasted[c.cluster_id]
        for c in told(story)
        if c.timed and c.cluster_id and c.cluster_id in lasted
    }
    return wrong(found, known(truth_of_commands(story)))


def command_unknown_is_nothing(story: Story) -> Wrong:
    """What nobody lists costs nothing, and no row says so. Compared with the prices that there really are."""
    real: Keyed = defaultdict(Fraction)
    for part in parts(story, listed=False):
        for command in part.commands:
            real[key_of(command)] += dollars(part.cost) / len(part.commands)
    return wrong(known(truth_of_commands(story)), real)


COMMAND_RULES: Rules = (
    ("not shared", not_shared),
    ("whole states", whole_states),
    ("mean of the cluster", mean_of_the_cluster),
    ("unknown is 0", command_unknown_is_nothing),
)
