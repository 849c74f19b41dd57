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
        time: the bronze column with the time of an event, epoch ms: of a `Machine`, which reads on from a time.
        taken: the timestamp column of rows that are snapshots, which say what holds until the next event. Those after
            the first one that follows the last of the entity's own rows say nothing new, and do not touch it: the
            table has an interval, and its rows do not depend on them.
        only: per bronze column the values that this table needs; other rows are not read.
        optional: the table loads without this input.
    """

    key: tuple[str, ...]
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optional: bool = False
    time: str | None = None
    taken: str | None = None


@dataclass(frozen=True)
class Linked:
    """Rows of a derived table, found through its change records, before and after a change.

    Attributes:
        key: the input's columns that hold this table's entity: its own entity, or its links; one may be an array.
            Without a last column for the entity's day: the days that the input row's interval meets.
        open: the input's boolean column of rows that last as far as the input is loaded; they touch the days by which
            that grew since the table's last load, because what is made of them grows though they do not change.
        earlier: the input's rows hold on until the next one of their key; the first of which this column is known
            serves earlier times too, so its change touches them all.
        on: which of the input's days have the rows: those that rows of another input, declared before it, meet; or
            `input.column`: those that a date of its rows names. None: not known, all days are looked through.
        reach: an input whose rows lie on the entity's day because they end there, and may begin before it: a change
            touches the days of those that meet it, and what meets the time of a day's rows is read.
        lasting: of a `Machine`: only rows that had not ended when the state began from which it is told are read.
    """

    key: tuple[str, ...]
    open: str | None = None
    earlier: str | None = None
    on: str | None = None
    reach: str | None = None
    lasting: bool = False
    optional: bool = False


@dataclass(frozen=True)
class AsOf:
    """A look-up: rows of another entity, or of none, that an entity's rows depend on.

    A changed look-up row touches every entity whose stored row used its key, whatever its day (docs/architecture.md);
    with ``since`` only those from its time on.
    Of a bronze table those are the rows in the window, as for `Events`.

    Attributes:
        key: the input's column with the key, or the array of keys, under which a row is found.
        stored: this table's array column that keeps the keys it asked for, as text, found or not.
        uses: the column, member or array with the keys that are asked for: of the input itself, where a table looks
            into what its own rows come from; or `input.column` of an input that is declared before it. None: the
            transform gets the whole table, which is small.
        only: per column of the input the values that serve; other rows are no look-ups.
        since: this table's date column with the day as of which it looks; None: any change of a key counts.
        earlier: as of `Linked`.
        optional: the table loads without this input.
    """

    key: str
    stored: str
    uses: str | None = None
    since: str | None = None
    earlier: str | None = None
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
