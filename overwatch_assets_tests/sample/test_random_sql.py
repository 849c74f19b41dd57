"""Warehouses, notebooks and commands of random stories have all that makes their costs hard."""

from collections.abc import Iterator
from itertools import pairwise

from overwatch_assets.sample.random_parts import OFF, STARTING, WORKING, Story, Warehouse
from overwatch_assets.sample.random_story import random_story
from overwatch_assets.sample.random_warehouses import GONE, HEARD_MS, UNHEARD
from overwatch_assets.sample.story import DAY, FIRST_MS
from overwatch_assets.sample.truth_commands import company, parts, told
from overwatch_assets.sample.truth_warehouses import states, truth_of_warehouses


def _of_warehouse(warehouse: Warehouse, story: Story) -> Iterator[str]:
    last = warehouse.deleted_ms or story.until_ms
    turns = [t for t in warehouse.turns if HEARD_MS <= t.at < story.until_ms and t.at <= last]
    yield from (setting.kind for setting in warehouse.settings)
    yield from (turn.kind for turn in turns)
    for a, b in pairwise(warehouse.settings):
        on = next((t.phase for t in reversed(turns) if t.at <= b.at), OFF) != OFF
        changed = [name for name in ("size", "kind", "most") if getattr(a, name) != getattr(b, name)]
        yield from (f"{name} changes while it is {'on' if on else 'off'}" for name in changed if b.at < story.until_ms)
        if b.said:
            yield "an edit that states what changes"
    for a, b in pairwise(turns):
        if b.kind == UNHEARD and b.at in warehouse.stop_requests:
            yield "a stop that a request tells"
        elif b.kind == UNHEARD and b.at in story.looks:
            yield "a stop that a snapshot tells"
        elif b.kind == UNHEARD:
            yield "a stop that nobody tells"
        if a.phase == OFF and b.kind == "RUNNING":
            yield "a start of which an event is lost"
        if a.at == b.at:
            yield "two events at once"
        if a.phase != OFF and (a.at - FIRST_MS) // DAY < (b.at - FIRST_MS) // DAY:
            yield "on over midnight"
    for turn in turns:
        if not turn.counted:
            yield "no count"
        if turn.phase == STARTING and turn.clusters:
            yield "nodes of a start"
        if turn.phase == WORKING and not turn.clusters:
            yield "on without a cluster"
    if turns and turns[-1].phase != OFF:
        yield "open at the end"
    if turns[-1].kind == GONE:
        yield "deleted while it is on" if turns[-2].phase != OFF else "deleted while it is off"
    if not warehouse.settings[0].kind_told:
        yield "nobody tells its type"
    if warehouse.lies:
        yield "a snapshot that is wrong"
    if warehouse.refused:
        yield "a request that is refused"
    if not warehouse.logged and warehouse.turns[0].at < HEARD_MS:
        yield "on before anybody hears of it"


def _of_commands(story: Story) -> Iterator[str]:
    every = told(story)
    for command in every:
        yield command.status
        if command.timed and command.start < command.end:
            if (command.start - FIRST_MS) // DAY < (command.end - FIRST_MS) // DAY:
                yield "a command over midnight"
        elif command.timed:
            yield "a command that takes no time"
        else:
            yield "a command of unknown time"
        if command.cluster_id is None:
            yield "a command on no cluster"
    if len({c.command_id for c in every}) < len(every):
        yield "a command that is run again"
    if len(every) < len(story.commands):
        yield "a command that is refused, or runs at the end"
    known = company(story)
    yield from {"three at once" for c in known.values() if (c.others or 0) > 1}
    yield from {"beside a job's run" for c in known.values() if c.runs}
    yield from {"a notebook that nobody names" for c in known.values() if c.path is None}
    moments: dict[object, set[int]] = {}
    for part in parts(story):
        yield f"on a cluster that is {part.piece.moment.phase}"
        if None in part.cost.values():
            yield "on nodes of unknown price"
        for command in part.commands:
            moments.setdefault(command, set()).add(part.piece.moment.at)
    if any(len(found) > 1 for found in moments.values()):
        yield "over states of its cluster"
    for notebook in story.notebooks:
        yield from (action for ms, action, _ in notebook.changes if ms < story.until_ms)


def kinds(story: Story) -> set[str]:
    """What is in a story of that."""
    found = set(_of_commands(story))
    for warehouse in story.warehouses:
        found |= set(_of_warehouse(warehouse, story))
    changed = [s.key for s in story.sizes if s.since > story.days[0]]
    changed += [p.key for p in story.prices if p.since > story.days[0] and p.key.startswith("sql")]
    on = [s for s in states(story) if s.turn.phase == WORKING and s.setting.kind_told]
    unknown = {f"unknown: {s.setting.size}" for s in on if None in s.cost.values()}
    return found | unknown | ({"a price that changes"} if changed else set())


def test_stories_have_all_that_makes_costs_hard() -> None:
    in_stories = [kinds(random_story(seed)) for seed in range(16)]
    every = set().union(*in_stories)
    assert len(every) >= 59, sorted(every)
    rare = {k for k in every if sum(k in found for found in in_stories) < 2}
    assert rare == set()


def test_a_warehouse_costs_what_its_states_do() -> None:
    for seed in range(5):
        found = truth_of_warehouses(random_story(seed))
        whole = sum(bill.total or 0 for bill in found.warehouses.values())
        assert whole == sum(bill.total or 0 for bill in found.warehouse_states.values()) > 0
