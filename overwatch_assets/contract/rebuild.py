"""How a load brings a table up to date: one class for each kind of rebuild that `runner/` can do."""

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Insert:
    """Bronze: rows go in by content key and are never deleted, because sources expire.

    Attributes:
        replaces: a later row of the same key takes the place of the earlier one (as-of-now snapshots).
        tracked: the source acknowledges what it has read in a tracker table, after the rows are in.
    """

    replaces: bool = False
    tracked: str | None = None


@dataclass(frozen=True)
class Fold:
    """An entity's rows are a function of all its input rows: touched entities are read whole and replaced.

    Attributes:
        batch_rows: input rows that one commit may cover; None: the load is one commit. Bounds memory for volume tables.
    """

    batch_rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class Machine(Fold):
    """A fold whose rows follow on one another: it is rebuilt from the last row that stands, not from the first event.

    ``spans`` says of each entity from which row (``before_<column>`` for each of ``carried``; nulls: from the first
    event; frames of events hold later ones only), how far each input is loaded (``loaded_until``), and how long a state
    may last without a sign of life (``max_state_days``). The table has an interval, and its inputs say the times of
    their rows.

    Attributes:
        open: boolean column that marks rows which end where their inputs have been loaded to; entities with one are
            touched by every later load.
        stands: from the table's rows to those from which one may go on: of which nothing that comes later changes more
            than the end, and which carry all that later rows take from earlier ones.
        carried: the columns in which they do.
    """

    open: str
    stands: Callable[[DataFrame], DataFrame]
    carried: tuple[str, ...]


@dataclass(frozen=True)
class Mirror:
    """The source is the whole truth and small: each load brings all rows to what the source says now.

    Rows that the source no longer has are deleted, and what changed is recorded with its entity's keys.
    """


Rebuild = Insert | Fold | Mirror
