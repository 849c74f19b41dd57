"""Change records of new rows, one for each entity with all that its rows say, and of compared rows."""

import datetime as dt

import pyarrow as pa

from overwatch_assets.contract.registry import tables
from overwatch_assets.runner.difference import records, records_of_new, said_of
from overwatch_assets.runner.window import Window

WINDOW = Window(0, 1)
Times = tuple[int, int | None] | None
MAY_1, MAY_2 = dt.date(2024, 5, 1), dt.date(2024, 5, 2)


def test_rows_that_say_the_same_are_said_once() -> None:
    tasks = tables()["spark_tasks_silver"]
    assert said_of(tasks) == ["clusterId", "SparkContextID", "StageID", "StageAttemptID", "startDate"]
    rows = [("c", "app", 2, 0, MAY_2), ("c", "app", 1, 0, MAY_1), ("c", "app", 2, 0, MAY_1), ("c", "app", 2, 0, MAY_2)]
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    found = records_of_new(tasks, pa.table(columns, names=said_of(tasks)), WINDOW)
    assert [dict(keys) for keys in found.column("keys").to_pylist()] == [
        {
            "clusterId": ["c"],
            "SparkContextID": ["app"],
            "StageID": [stage],
            "StageAttemptID": ["0"],
            "startDate": days,
        }
        for stage, days in (("2", ["2024-05-02", "2024-05-01"]), ("1", ["2024-05-01"]))
    ]


def test_links_of_several_values_are_taken_apart() -> None:
    jobs = tables()["spark_jobs_silver"]
    names = ["clusterId", "SparkContextID", "JobID", "VouchesFor", "startDate"]
    assert said_of(jobs) == names
    rows = [("c", "app", 1, ["2:a", "3:b"], MAY_1), ("c", "app", 1, ["3:b", "4:c"], None), ("c", "app", 2, None, MAY_1)]
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    found = records_of_new(jobs, pa.table(columns, names=names), WINDOW).column("keys").to_pylist()
    assert [(keys["JobID"], keys["VouchesFor"], keys["startDate"]) for keys in map(dict, found)] == [
        (["1"], ["2:a", "3:b", "4:c"], ["2024-05-01"]),
        (["2"], [], ["2024-05-01"]),
    ]


def test_the_time_of_a_record_is_that_of_all_its_rows() -> None:
    states = tables()["cluster_state_detail_silver"]
    assert states.interval is not None
    names = said_of(states)
    first = dict.fromkeys(names) | {"cluster_id": "c", states.interval.start: 10, states.interval.end: 20}
    second = first | {states.interval.start: 20, states.interval.end: 25}
    (found,) = records_of_new(states, pa.Table.from_pylist([first, first, second]), WINDOW).to_pylist()
    assert (found["starts"], found["ends"]) == (10, 25)
    open_ended = second | {states.interval.end: None}
    (found,) = records_of_new(states, pa.Table.from_pylist([first, open_ended]), WINDOW).to_pylist()
    assert (found["starts"], found["ends"]) == (10, None)


def compared(before: Times, after: Times, *, same_head: bool) -> list[tuple[int, int | None]]:
    """Return the times of the change records of one state, stored as `before` and found as `after`."""
    states = tables()["cluster_state_detail_silver"]
    assert states.interval is not None
    columns = {
        "_old": pa.array([before and 1], pa.int64()),
        "_new": pa.array([after and 2], pa.int64()),
        "_same_head": pa.array([same_head]),
    }
    for side, times in enumerate((before, after)):
        start, end = times or (None, None)
        said = dict.fromkeys(said_of(states), pa.array(["c" if times else None], pa.string()))
        said |= {
            states.interval.start: pa.array([start], pa.int64()),
            str(states.interval.end): pa.array([end], pa.int64()),
        }
        columns |= {f"_c_{name}_{side}": values for name, values in said.items()}
    return [(r["starts"], r["ends"]) for r in records(states, pa.table(columns), WINDOW).to_pylist()]


def test_a_row_whose_end_moved_changed_from_there_on() -> None:
    assert compared((10, 20), (10, 25), same_head=True) == [(19, 25)]
    assert compared((10, 20), (10, 25), same_head=False) == [(10, 25)]
    assert compared((10, 20), (10, None), same_head=True) == [(10, None)]


def test_a_row_that_vanished_or_is_new_changed_as_a_whole() -> None:
    assert compared((10, 20), None, same_head=False) == [(10, 20)]
    assert compared(None, (10, 20), same_head=False) == [(10, 20)]
