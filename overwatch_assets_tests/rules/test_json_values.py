from typing import Any

import pyarrow as pa
import pytest

from overwatch_assets.contract.types import spark_type
from overwatch_assets.rules.json_values import arrow_of, parsed, shaper

BIG = 123456789012345678901234567890


@pytest.mark.parametrize(
    ("kind", "value", "shaped"),
    [
        ("string", "x", "x"),
        ("string", 2, "2"),
        ("string", BIG, str(BIG)),
        ("string", True, "true"),
        ("string", {"b": [1, None], "a": "é"}, '{"b":[1,null],"a":"é"}'),
        ("bigint", "2", 2),
        ("bigint", " -2 ", -2),
        ("bigint", "2.0", 2),
        ("bigint", 2.0, 2),
        ("bigint", 2.5, None),
        ("bigint", "2.5", None),
        ("bigint", True, None),
        ("bigint", "two", None),
        ("bigint", BIG, None),
        ("bigint", 9223372036854775807, 9223372036854775807),
        ("int", 2147483647, 2147483647),
        ("int", 2147483648, None),
        ("double", "1.5", 1.5),
        ("double", 2, 2.0),
        ("double", "nan", None),
        ("double", [1], None),
        ("boolean", "TRUE", True),
        ("boolean", "false", False),
        ("boolean", "1", None),
        ("boolean", True, True),
        ("struct<a:bigint,b:string>", {"a": "1", "c": 3}, {"a": 1}),
        ("struct<a:bigint>", {"A": "1"}, {"a": 1}),
        ("struct<a:bigint>", {"A": "1", "a": 2}, {"a": 2}),
        ("struct<a:bigint>", '{"a":1}', {"a": 1}),
        ("struct<a:bigint>", "text", None),
        ("struct<a:bigint>", [1], None),
        ("array<bigint>", ["1", "x", None], [1, None, None]),
        ("array<bigint>", "[1]", [1]),
        ("array<bigint>", {"a": 1}, None),
        ("map<string,string>", {"a b.c": 1, "d": None, "e": {"f": 2}}, [("ab_c", "1"), ("e", '{"f":2}')]),
        ("map<string,string>", {"a.b": "1", "a_b": "2", "c.d": "3"}, [("a.b", "1"), ("a_b", "2"), ("c_d", "3")]),
        ("map<string,string>", 5, None),
    ],
)
def test_shapes(kind: str, value: Any, shaped: Any) -> None:
    assert shaper(spark_type(kind))(value) == shaped


@pytest.mark.parametrize(
    "kind", ["string", "bigint", "double", "boolean", "struct<a:int>", "array<int>", "map<string,string>"]
)
def test_null_is_null(kind: str) -> None:
    assert shaper(spark_type(kind))(None) is None


def test_arrow_columns_of_structs_with_absent_fields_and_null_rows() -> None:
    kind = spark_type("struct<a:bigint,b:struct<c:string,d:int>,e:map<string,string>>")
    rows = [{"a": 1}, None, {"b": {"c": "x"}, "e": [("k", "v")]}, {}]
    assert arrow_of(rows, kind).to_pylist() == [
        {"a": 1, "b": None, "e": None},
        None,
        {"a": None, "b": {"c": "x", "d": None}, "e": [("k", "v")]},
        {"a": None, "b": None, "e": None},
    ]
    assert arrow_of([], kind).type == arrow_of(rows, kind).type
    assert arrow_of([None, None], kind).null_count == 2
    assert arrow_of(["x"], spark_type("string")).type == pa.string()


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    assert parsed(r'{"a\ud83d":["\ud83d\ude00","x\ude00"]}') == {"a\ufffd": ["\U0001f600", "x\ufffd"]}


@pytest.mark.parametrize("text", ['{"a":NaN}', '{"a":1} x', "", "{'a':1}", '{"a":1', "[" * 100_000])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(text)
