"""Change records of new rows: one for each entity, with all that its rows say."""

import datetime as dt

import pyarrow as pa

from overwatch_assets.contract.registry import tables
from overwatch_assets.runner.difference import records_of_new, said_of
from overwatch_assets.runner.window import Window

WINDOW = Window(0, 1)
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
