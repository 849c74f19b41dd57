"""What a table reads, and how a change of an input finds the entities to rebuild.

A key is a tuple of the *input's* columns, in the order of the table's ``entity``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """Something outside the tables: files or an API, read by the reader of this name in ``sources/``."""


@dataclass(frozen=True)
class Events:
    """Rows of a bronze table: those in the window touch their entity, whose rows of all time are read.

    Attributes:
        key: the bronze columns that hold the entity.
        only: per bronze column the values that this table needs; other rows are not read.
        optional: the table loads without this input.
    """

    key: tuple[str, ...]
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optional: bool = False


@dataclass(frozen=True)
class Linked:
    """Rows of a derived table, found through its change records, before and after a change.

    Attributes:
        key: the input's columns that hold this table's entity: its own entity, or its links.
    """

    key: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True)
class AsOf:
    """A look-up: rows of a derived table that other entities' rows depend on.

    A changed look-up row touches every entity whose stored row used its key, whatever its day (docs/architecture.md).

    Attributes:
        key: the input's column with the key, or the array of keys, under which a row is found.
        stored: this table's array column that keeps the keys it asked for, found or not.
        uses: the input's own array column with the keys that an entity's own rows ask for, where a table looks into
            its own input; None: the transform gets the whole table, which is small.
        optional: the table loads without this input.
    """

    key: str
    stored: str
    uses: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Consulted:
    """A table that the reader of a bronze table's source looks into, to learn what to ask for.

    The transform does not take it; its rows do not become rows here.

    Attributes:
        optional: the table loads without it; what the source names by itself is read.
    """

    optional: bool = False


Role = Source | Events | Linked | AsOf | Consulted
