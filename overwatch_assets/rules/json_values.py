"""Parsed JSON as values of declared Spark types.

In Python and not with `from_json`, because engines differ in what they make of a value of another type, of nested
objects as text, of big numbers and of half a surrogate pair (docs/internals.md, "Engines").
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import pyarrow as pa
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_type

_INTEGER = re.compile(r"\s*([+-]?\d{1,20})(?:\.0*)?\s*")

Shaper = Callable[[Any], Any]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def parsed(text: str) -> Any:
    """Return the value of a JSON text; halves of surrogate pairs, which no storage takes, become U+FFFD.

    Raises:
        ValueError: it is no JSON (RFC 8259: no NaN, nothing after the value), or nested beyond Python's depth.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return _whole(value) if "\\ud" in text or "\\uD" in text else value


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_whole(name): _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return value


def text_of(value: Any) -> str:
    """Return a JSON value as compact JSON text."""
    return _ENCODER.encode(value)


def object_of(value: Any) -> dict[str, Any] | None:
    """Return an object, also one that is written as text; None: it is none."""
    value = unwrapped(value)
    return value if isinstance(value, dict) else None


def shaper(kind: T.DataType) -> Shaper:
    """Return a function from a JSON value to a value of a Spark type, as `pyarrow` takes it; None if it cannot be one.

    - text: itself; anything else as JSON text
    - integers and doubles: numbers, and numbers written as text; out of range is null
    - booleans: true and false, also written as text
    - structs: fields by name, else by name in another case; an object written as text is taken too
    - arrays: each element; an array written as text is taken too
    - maps of text: names as Overwatch scrubbed them, without null values; two that would become one stay as they are
    """
    if isinstance(kind, T.StructType):
        return _struct({f.name: shaper(f.dataType) for f in kind.fields})
    if isinstance(kind, T.ArrayType):
        return _array(shaper(kind.elementType))
    return _SHAPERS[type(kind)]


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else text_of(value)


def _integer(value: Any, bits: int) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    elif isinstance(value, str) and (match := _INTEGER.fullmatch(value)):
        value = int(match[1])
    return value if isinstance(value, int) and -(1 << bits) <= value < 1 << bits else None


def _double(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).strip().lower())


def unwrapped(value: Any) -> Any:
    """Return a value, of text the JSON value that it is; None if it is none."""
    if not isinstance(value, str):
        return value
    try:
        return parsed(value)
    except ValueError:
        return None


def _struct(fields: Mapping[str, Shaper]) -> Shaper:
    folded = {name.lower(): name for name in fields}

    def shape(value: Any) -> dict[str, Any] | None:
        value = unwrapped(value)
        if not isinstance(value, dict):
            return None
        shaped: dict[str, Any] = {}
        for name, inner in value.items():
            if name in fields:
                shaped[name] = fields[name](inner)
            elif (same := folded.get(name.lower())) is not None and same not in value:
                shaped.setdefault(same, fields[same](inner))
        return shaped

    return shape


def _array(element: Shaper) -> Shaper:
    def shape(value: Any) -> list[Any] | None:
        value = unwrapped(value)
        return [element(inner) for inner in value] if isinstance(value, list) else None

    return shape


def scrubbed_name(name: str) -> str:
    """Return a name without white space and with other characters than letters and digits as ``_``."""
    return re.sub("[^A-Za-z0-9]", "_", re.sub(r"\s", "", name))


def _map(value: Any) -> list[tuple[str, str]] | None:
    value = unwrapped(value)
    if not isinstance(value, dict):
        return None
    scrubbed = [scrubbed_name(name) for name in value]
    times = Counter(scrubbed)
    return [
        (short if times[short] == 1 else name, inner if isinstance(inner, str) else text_of(inner))
        for (name, inner), short in zip(value.items(), scrubbed, strict=True)
        if inner is not None
    ]


_SHAPERS: Mapping[type[T.DataType], Shaper] = {
    T.StringType: _text,
    T.LongType: partial(_integer, bits=63),
    T.IntegerType: partial(_integer, bits=31),
    T.DoubleType: _double,
    T.BooleanType: _boolean,
    T.MapType: _map,
}


def arrow_of(values: Sequence[Any], kind: T.DataType) -> pa.Array:
    """Return shaped values as an Arrow array of a Spark type."""
    if not isinstance(kind, T.StructType):
        return pa.array(values, to_arrow_type(kind))
    # By column, and only those that occur: of a hundred declared fields a record has ten.
    present = set().union(*(value for value in values if value is not None))
    return pa.StructArray.from_arrays(
        [
            arrow_of([None if value is None else value.get(f.name) for value in values], f.dataType)
            if f.name in present
            else pa.nulls(len(values), to_arrow_type(f.dataType))
            for f in kind.fields
        ],
        fields=list(to_arrow_type(kind)),
        mask=pa.array([value is None for value in values], pa.bool_()),
    )
