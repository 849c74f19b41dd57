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
        key: the input's columns that hold this table's entity: its own entity, or its links; one may be an array.
        open: the input's boolean column of rows that last as far as the input is loaded; they touch their entities in
            every load, because what is made of them grows though they do not change.
        since: the input's column with the start of such a row, epoch ms.
    """

    key: tuple[str, ...]
    open: str | None = None
    since: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class AsOf:
    """A look-up: rows of another entity, or of none, that an entity's rows depend on.

    A changed look-up row touches every entity whose stored row used its key, whatever its day (docs/architecture.md).
    Of a bronze table those are the rows in the window, as for `Events`.

    Attributes:
        key: the input's column with the key, or the array of keys, under which a row is found.
        stored: this table's array column that keeps the keys it asked for, as text, found or not.
        uses: the column, member or array with the keys that are asked for: of the input itself, where a table looks
            into what its own rows come from; or `input.column` of an input that is declared before it. None: the
            transform gets the whole table, which is small.
        only: per column of the input the values that serve; other rows are no look-ups.
        optional: the table loads without this input.
    """

    key: str
    stored: str
    uses: str | None = None
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
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
