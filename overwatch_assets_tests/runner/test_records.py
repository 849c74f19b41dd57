"""Change records: what agrees is one record, with all that its rows say."""

import datetime as dt

import pyarrow as pa
from hypothesis import given, strategies as st

from overwatch_assets.runner.records import FOR_EVER, FROM_EVER, RECORD, change_records, merged
from overwatch_assets.runner.window import Window

WINDOW = Window(3, 7)
DAY_MS = 86_400_000
MAY_1 = dt.date(2024, 5, 1)
MAY_1_MS = 1_714_521_600_000


def test_rows_of_the_same_keys_are_one() -> None:
    rows = pa.table({"b": ["x", "y", "x"], "a": [1, None, 1]})
    assert change_records(rows, ("b", "a"), WINDOW).to_pylist() == [
        {"fromTS": 3, "untilTS": 7, "keys": [("a", ["1"]), ("b", ["x"])], "starts": None, "ends": None},
        {"fromTS": 3, "untilTS": 7, "keys": [("a", []), ("b", ["y"])], "starts": None, "ends": None},
    ]


def test_lists_are_told_apart_by_their_values() -> None:
    lists = [["1", "2"], ["1,2"], [None, "1", "2"], [], None, ["2", "1"]]
    rows = pa.table({"a": pa.array(lists, pa.list_(pa.string()))})
    assert [dict(keys)["a"] for keys in change_records(rows, ("a",), WINDOW).column("keys").to_pylist()] == [
        ["1", "2"],
        ["1,2"],
        [],
        ["2", "1"],
    ]


def test_each_day_is_a_window_of_its_own() -> None:
    rows = pa.table({"day": [MAY_1, MAY_1 + dt.timedelta(1), MAY_1], "a": ["x", "x", "x"]})
    found = change_records(rows, ("a",), "day")
    assert [(r["fromTS"], r["untilTS"]) for r in found.to_pylist()] == [
        (MAY_1_MS, MAY_1_MS + DAY_MS),
        (MAY_1_MS + DAY_MS, MAY_1_MS + 2 * DAY_MS),
    ]
    (alone,) = change_records(rows.slice(0, 1), (), "day").to_pylist()
    assert (alone["fromTS"], alone["keys"]) == (MAY_1_MS, [])


def test_time_is_from_the_first_start_to_the_last_end() -> None:
    rows = pa.table({"a": ["x", "x", "y", "y"], "s": [5, 2, FROM_EVER, 4], "e": [9, 3, 8, FOR_EVER]})
    assert [(r["starts"], r["ends"]) for r in change_records(rows, ("a",), WINDOW, times=("s", "e")).to_pylist()] == [
        (2, 9),
        (None, None),
    ]


def test_records_of_the_same_keys_are_one() -> None:
    rows = pa.table({"a": ["x", "y"], "l": [["1", "2"], []], "s": [5, 6], "e": [9, FOR_EVER]})
    told = [change_records(rows, ("a", "l"), WINDOW, times=("s", "e")), change_records(rows, ("a", "l"), WINDOW)]
    assert merged(told[:1]) == told[0]
    assert [(dict(r["keys"]), r["starts"], r["ends"]) for r in merged(told).to_pylist()] == [
        ({"a": ["x"], "l": ["1", "2"]}, None, None),
        ({"a": ["y"], "l": []}, None, None),
    ]
    assert merged([RECORD.empty_table()]) == RECORD.empty_table()


def test_no_rows_are_no_records() -> None:
    assert change_records(pa.table({"a": pa.array([], pa.string())}), ("a",), WINDOW) == RECORD.empty_table()


_TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "b", "a,b"]))
_ROW = st.fixed_dictionaries(
    {
        "k": _TEXTS,
        "n": st.one_of(st.none(), st.integers(-2, 2)),
        "l": st.one_of(st.none(), st.lists(_TEXTS, max_size=3)),
    }
)


@given(st.lists(_ROW, min_size=1, max_size=8))
def test_nothing_that_rows_say_is_lost(rows: list[dict[str, object]]) -> None:
    """Against the same rule written for one row at a time."""
    expected: dict[object, dict[str, list[str]]] = {}
    for row in rows:
        said = expected.setdefault((row["k"], row["n"]), {"k": [], "l": [], "n": []})
        for name, value in row.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None and str(one) not in said[name]:
                    said[name].append(str(one))
    schema = pa.schema([("k", pa.string()), ("n", pa.int64()), ("l", pa.list_(pa.string()))])
    found = change_records(pa.Table.from_pylist(rows, schema=schema), ("k", "n", "l"), WINDOW, per=("k", "n"))
    assert [dict(keys) for keys in found.column("keys").to_pylist()] == list(expected.values())
