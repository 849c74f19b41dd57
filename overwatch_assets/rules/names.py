"""Column names of payloads, as Overwatch scrubbed them."""

import re

from pyspark.sql import Column, functions as F, types as T

from overwatch_assets.contract.types import spark_type


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


def member(value: Column, *names: str) -> Column:
    """A member of a struct, or of a struct in it; null where one of them is null.

    Where Python or a CASE made a struct null, Sail gives what its members hold underneath: an empty text, or 0.
    """
    for name in names:
        value = F.when(value.isNotNull(), value[name])
    return value


def spark_properties(properties: Column) -> Column:
    """Spark properties as bronze keeps them: names without white space and dots, the rest to ``_``."""
    return F.map_from_entries(
        F.transform(
            F.map_entries(properties),
            lambda e: F.struct(
                F.regexp_replace(F.regexp_replace(e["key"], r"[\s.]", ""), "[^A-Za-z0-9]", "_").alias("key"),
                e["value"].alias("value"),
            ),
        )
    )
