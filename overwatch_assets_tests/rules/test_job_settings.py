"""The definition of a job as the Jobs API would have it, against a workspace that simply does what requests say."""

import copy
import itertools
from typing import Any

import pytest
from hypothesis import given, settings as tries, strategies as st

from overwatch_assets.rules.definitions import IMPUTED
from overwatch_assets.rules.job_settings import SNAPSHOT, JobEvent, job_states, patched, without

NAMES = ("name", "tags", "timeout_seconds")
KEYS = ("a", "b", "c")


class Api:
    """A job's definition: plain settings, and tasks by their key."""

    def __init__(self) -> None:
        self.plain: dict[str, Any] = {}
        self.tasks: dict[str, Any] = {}

    def create(self, new: dict[str, Any]) -> None:
        self.plain = {n: v for n, v in new.items() if n != "tasks"}
        self.tasks = {t["task_key"]: t for t in new.get("tasks", [])}

    reset = create

    def update(self, new: dict[str, Any], remove: list[str]) -> None:
        for name in remove:
            if name.startswith("tasks/"):
                self.tasks.pop(name.removeprefix("tasks/"), None)
            elif name == "tasks":
                self.tasks.clear()
            else:
                self.plain.pop(name, None)
        self.plain |= {n: v for n, v in new.items() if n != "tasks"}
        self.tasks |= {t["task_key"]: t for t in new.get("tasks", [])}

    def got(self) -> dict[str, Any]:
        return copy.deepcopy({**self.plain, "tasks": list(self.tasks.values())} if self.tasks else self.plain)


_tasks = st.lists(
    st.builds(lambda k, n: {"task_key": k, "timeout_seconds": n}, st.sampled_from(KEYS), st.integers(0, 3)),
    min_size=1,
    max_size=3,
    unique_by=lambda t: str(t["task_key"]),
)
_new = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["x", "y"]),
        "tags": st.just({"t": "1"}),
        "timeout_seconds": st.integers(0, 2),
        "tasks": _tasks,
    },
)
_remove = st.lists(st.sampled_from([*NAMES, "tasks", *(f"tasks/{k}" for k in KEYS)]), max_size=2, unique=True)
_step = st.one_of(
    st.tuples(st.just("update"), _new, _remove),
    st.tuples(st.just("reset"), _new, st.just([])),
    st.tuples(st.just(SNAPSHOT), st.just({}), st.just([])),
    st.tuples(st.just("changeJobAcl"), st.just({}), st.just([])),
)


def lived(
    first: dict[str, Any], steps: list[tuple[str, dict[str, Any], list[str]]]
) -> tuple[list[JobEvent], list[dict[str, Any]]]:
    """What was logged of a job's life, its snapshots included, and its definition after each step."""
    job = Api()
    job.create(first)
    events = [JobEvent(0, "create", first, 0, "r0", "ana")]
    truth = [job.got()]
    for at, (action, new, remove) in enumerate(steps, 1):
        said: dict[str, Any] = {"new_settings": new, "fields_to_remove": remove}
        if action == "update":
            job.update(new, remove)
        elif action == "reset":
            job.reset(new)
        elif action == SNAPSHOT:
            said = {"settings": job.got(), "creator_user_name": "ana", "created_time": 0}
        events.append(JobEvent(at, action, said, at, f"r{at}", f"user{at}"))
        truth.append(job.got())
    return events, truth


@given(_new, st.lists(_step, max_size=8), st.randoms(use_true_random=False))
@tries(max_examples=300, deadline=None)
def test_a_job_whose_whole_life_was_logged_is_known(first: dict[str, Any], steps: list[Any], rng: Any) -> None:
    events, truth = lived(first, steps)
    shuffled = list(events)
    rng.shuffle(shuffled)
    states = job_states(shuffled)
    assert [s.action for s in states] == [e.action for e in events if e.action != SNAPSHOT]
    for state in states:
        assert (state.settings or {}) == truth[state.event.at], "tasks in their order too"
        assert state.created == ("ana", 0)


@given(_new, st.lists(_step, max_size=8), st.integers(1, 8))
@tries(max_examples=300, deadline=None)
def test_of_a_job_older_than_the_logs_nothing_wrong_is_known(first: dict[str, Any], steps: list[Any], cut: int) -> None:
    """Every setting that a state has is the true one; of tasks, every task. From the first snapshot on all are known."""
    events, truth = lived(first, steps)
    kept = [e for e in events if e.at >= cut]
    whole = min((e.at for e in kept if e.action == SNAPSHOT or (e.action == "reset" and e.told)), default=None)
    for state in job_states(kept):
        at, found = state.event.at, state.settings or {}
        if whole is not None and at >= whole:
            assert found == truth[at] or (not truth[at] and not found)
            continue
        for name, value in found.items():
            if name == "tasks":
                assert all(task in truth[at]["tasks"] for task in value)
            else:
                assert truth[at][name] == value


@given(_new, st.lists(_step, max_size=8), st.integers(0, 8))
@tries(max_examples=200, deadline=None)
def test_an_imputed_state_is_the_first_snapshot_s(first: dict[str, Any], steps: list[Any], cut: int) -> None:
    events, _ = lived(first, steps)
    kept = [e for e in events if e.at >= cut]
    snapshots = [e for e in kept if e.action == SNAPSHOT]
    imputed = [s for s in job_states(kept) if s.action == IMPUTED]
    until = snapshots[0].at if snapshots else -1
    known = cut == 0 or any(e.action in ("update", "reset") for e in kept if e.at <= until)
    assert [s.event.at for s in imputed] == ([until] if snapshots and not known else [])


def test_ties_end_in_the_same_states_whatever_came_first() -> None:
    events = [
        JobEvent(5, "create", {"name": "a"}, 5, "r"),
        JobEvent(5, SNAPSHOT, {"settings": {"name": "s"}}, 5, "-1"),
        JobEvent(5, "update", {"new_settings": {"name": "b"}}, 5, "r1", record="1"),
        JobEvent(5, "update", {"new_settings": {"name": "c"}}, 5, "r1", record="2"),
        JobEvent(5, "update", {"new_settings": {"max_retries": 1}}, 5, None),
    ]
    found = [
        {(s.action, s.event.request_id): s.settings for s in job_states(order)}
        for order in itertools.permutations(events)
    ]
    assert all(
        states
        == {
            ("create", "r"): {"name": "a"},
            ("update", None): {"name": "a", "max_retries": 1},
            ("update", "r1"): {"name": "c", "max_retries": 1},
        }
        for states in found
    )


@pytest.mark.parametrize(
    ("before", "names", "after"),
    [
        ({"a": 1, "b": 2}, ["a", "z"], {"b": 2}),
        ({"tasks": [{"task_key": "a"}, {"task_key": "b"}]}, ["tasks/a"], {"tasks": [{"task_key": "b"}]}),
        ({"tasks": [{"task_key": "a"}]}, ["tasks/a"], {}),
        ({"tasks": [{"task_key": "a"}]}, ["tasks"], {}),
        ({"tasks": "cut off"}, ["tasks/a"], {"tasks": "cut off"}),
        ({"schedule": {"x": 1}}, ["schedule/x"], {"schedule": {"x": 1}}),
    ],
)
def test_removal(before: dict[str, Any], names: list[str], after: dict[str, Any]) -> None:
    kept = copy.deepcopy(before)
    assert without(before, names) == after
    assert before == kept, "the state before is a state still"


@pytest.mark.parametrize(
    ("old", "new", "after"),
    [
        ([{"task_key": "a", "x": 1}, {"task_key": "b"}], [{"task_key": "a"}], [{"task_key": "a"}, {"task_key": "b"}]),
        ([{"task_key": "a"}], [], [{"task_key": "a"}]),
        ([{"task_key": "a"}], [{"x": 1}, {"x": 2}], [{"x": 1}, {"x": 2}]),
        (["junk", {"task_key": ["a"]}], [{"task_key": "a"}], ["junk", {"task_key": ["a"]}, {"task_key": "a"}]),
        ("cut off", [{"task_key": "a"}], [{"task_key": "a"}]),
    ],
)
def test_merged_tasks(old: Any, new: Any, after: Any) -> None:
    assert patched({"tasks": old}, {"tasks": new}) == {"tasks": after}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            {"job_id": "7", "name": "a", "max_retries": "2", "retry_on_timeout": "true"},
            {"name": "a", "max_retries": 2, "retry_on_timeout": True},
        ),
        ({"new_settings": '{"name":"b","tags":null}', "name": "a", "description": ""}, {"name": "b"}),
        ({"new_settings": {"description": ""}}, {"description": ""}),
        (
            {"tags": '{"a":"1"}', "name": "{}", "budget_policy_id": "5"},
            {"tags": {"a": "1"}, "name": "{}", "budget_policy_id": "5"},
        ),
        ({"new_settings": "[1]", "max_retries": "many"}, {"max_retries": "many"}),
    ],
)
def test_what_a_request_tells(said: dict[str, Any], told: dict[str, Any]) -> None:
    assert JobEvent(0, "update", said).told == told
