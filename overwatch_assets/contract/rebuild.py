"""How a load brings a table up to date: one class for each kind of rebuild that `runner/` can do."""

from dataclasses import dataclass


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
        open: boolean column of the table that marks rows which end where their inputs have been loaded to; entities
            with one are touched by every later load, and ``spans`` says how far each input is loaded (``loaded_until``)
            and how long a state may last without a sign of life (``max_state_days``).
        since: column with the start of such a row, epoch ms.
    """

    batch_rows: int | None = None
    open: str | None = None
    since: str | None = None


@dataclass(frozen=True)
class Mirror:
    """The source is the whole truth and small: each load brings all rows to what the source says now.

    Rows that the source no longer has are deleted, and what changed is recorded with its entity's keys.
    """


Rebuild = Insert | Fold | Mirror
