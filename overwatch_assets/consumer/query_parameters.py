"""Parameters of named queries: their types, what a value must be, and how it becomes a typed SQL literal.

Spark's own parameters (`:name` with `args`) fail on a JVM while Delta's SQL extension is on, so values are bound here:
each is checked by its type and written as a literal by the one escaping helper. Text is never pasted.
"""

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from overwatch_assets.errors import ConfigurationError
from overwatch_assets.storage.sql import literal

Kind = Literal["text", "texts", "int", "number", "day"]
Value = str | int | float | dt.date | tuple[str, ...] | None

FIRST_DAY, LAST_DAY = dt.date.min, dt.date.max
_LARGEST = 2**31 - 1  # of a LIMIT on both engines


@dataclass(frozen=True)
class Parameter:
    """One parameter of a query.

    Attributes:
        kind: text, texts (a list), int (whole, 0 or more), number, or day (a UTC day).
        default: what it is unless given; None: nothing, which its meaning explains.
        doc: what it does.
    """

    name: str
    kind: Kind
    default: Value
    doc: str

    def value(self, given: object) -> Value:
        """The value of what was given, as text or as Python has it.

        Raises:
            ConfigurationError: it is not of the type; the message begins with `must be`.
        """
        if given is None:
            return None
        try:
            return _READ[self.kind](given)
        except (ValueError, TypeError):
            shown = f"'{given}'" if isinstance(given, str) else repr(given)
            raise ConfigurationError(f"must be {_WANTED[self.kind]}, not {shown}") from None

    def literal(self, value: Value) -> str:
        """SQL of a checked value."""
        if value is None:
            return f"cast(null as {_SQL_TYPES[self.kind]})"
        if isinstance(value, tuple):
            return f"array({', '.join(map(literal, value))})"
        return f"cast('{value!r}' as double)" if isinstance(value, float) else literal(value)

    @property
    def shown_default(self) -> str:
        """The default as people read it."""
        named: dict[Value, str] = {FIRST_DAY: "the first day", LAST_DAY: "the last day", None: "none"}
        return named.get(self.default, str(self.default))


SHARED = {
    p.name: p
    for p in (
        Parameter("workspaces", "texts", None, "Names or ids of workspaces, commas between; all unless given."),
        Parameter("from", "day", FIRST_DAY, "First UTC day."),
        Parameter("until", "day", LAST_DAY, "UTC day after the last one."),
        Parameter("tag", "text", None, "Key of a tag; all tags unless given."),
        Parameter("depth", "int", 2, "How many folders of a notebook's path are kept."),
        Parameter("limit", "int", 100, "How many rows the answer has at most."),
    )
}
"""Parameters that mean the same in every query that has them."""


def _text(given: object) -> str:
    if not isinstance(given, str) or "\0" in given:
        raise TypeError
    return given


def _texts(given: object) -> tuple[str, ...]:
    listed = given.split(",") if isinstance(given, str) else given
    if not isinstance(listed, list | tuple):
        raise TypeError
    found = tuple(_text(item).strip() for item in listed)
    if not found or not all(found):
        raise ValueError
    return found


def _int(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise TypeError
    value = int(given)
    if not 0 <= value <= _LARGEST:
        raise ValueError
    return value


def _number(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise TypeError
    value = float(given)
    if not math.isfinite(value):
        raise ValueError
    return value


def _day(given: object) -> dt.date:
    if isinstance(given, str):
        return dt.datetime.strptime(given, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    if not isinstance(given, dt.date) or isinstance(given, dt.datetime):
        raise TypeError
    return given


_READ: dict[Kind, Callable[[object], Value]] = {
    "text": _text,
    "texts": _texts,
    "int": _int,
    "number": _number,
    "day": _day,
}
_WANTED: dict[Kind, str] = {
    "text": "text",
    "texts": "one or more names with commas between",
    "int": f"a whole number from 0 to {_LARGEST}",
    "number": "a number",
    "day": "a UTC day, YYYY-MM-DD",
}
_SQL_TYPES: dict[Kind, str] = {
    "text": "string",
    "texts": "array<string>",
    "int": "int",
    "number": "double",
    "day": "date",
}
