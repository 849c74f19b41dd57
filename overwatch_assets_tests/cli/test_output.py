"""Values as the command line prints them."""

import datetime as dt
import sys
from decimal import Decimal

import orjson
import pyarrow as pa
import pytest

from overwatch_assets.cli.output import Steps, plain_rows, print_csv, print_json, print_table, shortened

AT = dt.datetime(2024, 5, 1, 12, 30, 0, 7000, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (1234567, "1234567"),
        (1.5, "1.5"),
        (2.0, "2"),
        (0.12349, "0.123"),
        (AT, "2024-05-01 12:30:00.007"),
        (dt.date(2024, 5, 1), "2024-05-01"),
        ({"a": 1}, '{"a":1}'),
        ("two\n lines", "two lines"),
        ("x" * 61, "x" * 59 + "…"),
        ("x" * 60, "x" * 60),
    ],
)
def test_shortened(value: object, text: str) -> None:
    assert shortened(value) == text


def test_plain_rows_keep_every_column_and_turn_maps_into_objects() -> None:
    table = pa.Table.from_arrays(
        [
            pa.array([[("k", [1, 2])], None], pa.map_(pa.string(), pa.list_(pa.int64()))),
            pa.array([1, 2]),
            pa.array([3, 4]),
            pa.array([5, 6]),
            pa.array([{"m": [("x", 1)]}, None], pa.struct([("m", pa.map_(pa.string(), pa.int32()))])),
        ],
        names=["m", "a", "a", "a", "s"],
    )
    assert plain_rows(table) == [
        {"m": {"k": [1, 2]}, "a": 1, "a_2": 3, "a_3": 5, "s": {"m": {"x": 1}}},
        {"m": None, "a": 2, "a_2": 4, "a_3": 6, "s": None},
    ]


def test_json_of_every_kind_of_value(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(
        {"t": AT, "d": AT.date(), "b": b"\x00\xff", "n": Decimal("1.10"), "i": dt.timedelta(minutes=1), "f": None}
    )
    assert orjson.loads(capsys.readouterr().out) == {
        "t": "2024-05-01T12:30:00.007000+00:00",
        "d": "2024-05-01",
        "b": "AP8=",
        "n": "1.10",
        "i": 60.0,
        "f": None,
    }


def test_table_shows_values_that_look_like_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Title [x]", ("a", "b"), [("[red]", 1)], below="[/] below")
    out = capsys.readouterr().out
    assert "Title [x]" in out
    assert "│ [red] │ 1 │" in out
    assert out.endswith("[/] below\n")


def test_steps_are_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert not sys.stderr.isatty()
    with Steps(2) as steps:
        steps("a table", 1, 2)
        steps.finished("a table: SUCCESS")
    assert capsys.readouterr().err == "a table: SUCCESS\n"


def test_csv_has_empty_nulls_and_json_for_what_has_parts(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"a": None, "b": 'x,"y"', "c": 0.5, "d": dt.date(2024, 5, 1), "e": [1, 2], "f": True}
    print_csv(list(row), [row])
    assert capsys.readouterr().out == 'a,b,c,d,e,f\n,"x,""y""",0.5,2024-05-01,"[1,2]",true\n'
