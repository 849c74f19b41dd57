"""Overwatch's documented views, read from `documented_views.yaml`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import deltalake
import yaml
from pyspark.sql import types as T

from overwatch_assets.contract.types import spark_type

FIXTURE = Path(__file__).with_name("documented_views.yaml")


@dataclass(frozen=True)
class Documented:
    """One view.

    Attributes:
        columns: types by name, in order; a struct has the members that are documented.
        key: what names a row beside `organization_id`.
        further: what our key has besides.
        instead: our key, where it is another one.
    """

    name: str
    table: str
    columns: Mapping[str, T.DataType]
    key: tuple[str, ...]
    further: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    database: str = field(default="consumer")


@cache
def documented() -> dict[str, Documented]:
    """All of them, by name."""
    told = yaml.safe_load(FIXTURE.read_text("utf-8"))
    return {
        name: Documented(
            name,
            view["table"],
            {column: _type(kind, told["types"]) for column, kind in view["columns"].items()},
            tuple(view["key"]),
            tuple(view.get("further", ())),
            tuple(view.get("instead", ())),
            view.get("database", "consumer"),
        )
        for name, view in told["views"].items()
    }


def _type(told: Any, named: Mapping[str, Any]) -> T.DataType:
    match told:
        case dict():
            return T.StructType([T.StructField(name, _type(kind, named)) for name, kind in told.items()])
        case [element]:
            return T.ArrayType(_type(element, named))
        case str() if told in named:
            return _type(named[told], named)
        case _:
            return spark_type(told)


def twice(key: Iterable[str], path: str) -> list[str]:
    """Keys that several rows of a table of one workspace have."""
    rows = deltalake.DeltaTable(path).to_pyarrow_table(columns=list(key)).to_pylist()
    return [key for key, times in Counter(str(tuple(row.values())) for row in rows).items() if times > 1]


def has(ours: T.DataType, theirs: T.DataType) -> bool:
    """Whether a type is the documented one; a struct may have more members than are documented."""
    if isinstance(ours, T.StructType) and isinstance(theirs, T.StructType):
        members = {f.name: f.dataType for f in ours.fields}
        return all(f.name in members and has(members[f.name], f.dataType) for f in theirs.fields)
    if isinstance(ours, T.ArrayType) and isinstance(theirs, T.ArrayType):
        return has(ours.elementType, theirs.elementType)
    return ours == theirs
