"""Column names of payloads, as Overwatch scrubbed them, and property names that must not be stored."""

import re

from pyspark.sql import Column, functions as F, types as T

from overwatch_assets.contract.types import spark_type

SECRET_NAME = (
    r"token|secret|passw|passphrase|credential|(?:access|account|private|encryption|api)[._-]?key|shared[._-]?access"  # noqa: S105 - a pattern of names, no secret
    r"|\.sas\."
)
"""What a property's name contains when its value is a secret. Without look-around, which Sail has not."""

_PAIR = rf'"[^"\\]*(?i:{SECRET_NAME})[^"\\]*"\s*:\s*"(?:[^"\\]|\\.)*"'
_PAIR_AND_COMMA = rf"(?:,\s*{_PAIR})|(?:{_PAIR}\s*,)|(?:{_PAIR})"


def scrubbed(ddl: str) -> str:
    """A struct's DDL with Overwatch's names: white space deleted, other characters than letters and digits to ``_``."""
    return re.sub(r"`([^`]+)`", lambda m: re.sub(r"[^A-Za-z0-9]", "_", re.sub(r"\s", "", m.group(1))), ddl)


def renamed(value: Column, ddl: str) -> Column:
    """A value of this type under Overwatch's names.

    Sail casts a struct by position where its own names change; where they don't, by name all the way down, and members
    whose names change further down become null. So such a struct is made anew, and its members are cast.
    """
    return _renamed(value, spark_type(ddl), spark_type(scrubbed(ddl)))


def _renamed(value: Column, written: T.DataType, target: T.DataType) -> Column:
    if written == target:
        return value
    if isinstance(written, T.StructType) and isinstance(target, T.StructType) and written.names == target.names:
        members = [
            _renamed(value[w.name], w.dataType, t.dataType).alias(t.name)
            for w, t in zip(written.fields, target.fields, strict=True)
        ]
        return F.when(value.isNotNull(), F.struct(*members))
    return value.cast(target)


def without_secrets(json: Column) -> Column:
    """JSON text without the pairs whose name is a secret's and whose value is text; still valid JSON."""
    return F.regexp_replace(json, _PAIR_AND_COMMA, "")


def is_secret(name: Column) -> Column:
    """Whether a property of this name is dropped."""
    return name.rlike(f"(?i){SECRET_NAME}")


def spark_properties(properties: Column) -> Column:
    """Spark properties as bronze keeps them: no secrets, names without white space and dots, the rest to ``_``."""
    kept = F.filter(F.map_entries(properties), lambda e: ~is_secret(e["key"]))
    return F.map_from_entries(
        F.transform(
            kept,
            lambda e: F.struct(
                F.regexp_replace(F.regexp_replace(e["key"], r"[\s.]", ""), "[^A-Za-z0-9]", "_").alias("key"),
                e["value"].alias("value"),
            ),
        )
    )
