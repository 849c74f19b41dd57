"""SQL text for the few statements that have no DataFrame call, with every literal escaped in one place."""

import datetime as dt
from collections.abc import Iterable


def name(identifier: str) -> str:
    """A quoted identifier or path."""
    return "`" + identifier.replace("`", "``") + "`"


def quoted(identifier: str) -> str:
    """A quoted identifier, as `deltalake` has them."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: str | int | dt.date) -> str:
    """A literal: text, whole number or date.

    Spark puts the value of a setting in place of `${name}` before it reads a statement, in text too.
    """
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dt.date):
        return f"DATE'{value.isoformat()}'"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("${", "$\\{")
    return f"'{escaped}'"


def one_of(column: str, values: Iterable[str | int | dt.date]) -> str:
    """``column IN (…)``; false for no values."""
    rendered = ", ".join(literal(v) for v in values)
    return f"{column} IN ({rendered})" if rendered else "false"
