"""Dated prices: which row of a key applies when, and what has to hold of the rows. No engine is needed.

A row applies from the midnight (UTC) that begins `active_from` to the one that begins `active_until`; the last row of a
key has no end. Keys are compared trimmed and in lower case.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Kind(StrEnum):
    """What a price is of."""

    INSTANCE = "instance"
    DBU = "dbu"
    PHOTON = "photon"


SKUS = ("interactive", "automated", "sqlCompute", "jobsLight")
PHOTON = "PHOTON"  # the runtime engine of clusterStateFact that has a factor
VALUES: Mapping[Kind, tuple[str, ...]] = {
    Kind.INSTANCE: (
        "vCPUs",
        "Memory_GB",
        "Compute_Contract_Price",
        "On_Demand_Cost_Hourly",
        "Linux_Reserved_Cost_Hourly",
        "Hourly_DBUs",
    ),
    Kind.DBU: ("contract_price",),
    Kind.PHOTON: ("factor",),
}


@dataclass(frozen=True)
class Price:
    """One row.

    Attributes:
        key: the node type or sku, as it is written.
        values: columns of `VALUES`; null is unknown, and in a row of the user's file that of the key's row before.
        active_until: null: it applies until the key's next row.
        source: where the values are from.
        source_date: as of which day; null: unknown.
        place: file and line, for messages.
    """

    kind: Kind
    key: str
    values: Mapping[str, float | None]
    active_from: dt.date
    active_until: dt.date | None = None
    source: str = ""
    source_date: dt.date | None = None
    place: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it is its key's last row."""
        return self.active_until is None

    def applies_on(self, day: dt.date) -> bool:
        """Whether it applies on a UTC day."""
        return self.active_from <= day and (self.active_until is None or day < self.active_until)


@dataclass(frozen=True)
class Given:
    """What a user's file gives.

    Attributes:
        rows: dated rows.
        without_shipped: kinds of which no other row than the file's is used.
    """

    rows: Sequence[Price] = ()
    without_shipped: frozenset[Kind] = field(default_factory=frozenset)


def normal(key: str) -> str:
    """A key as it is compared."""
    return key.strip().lower()


def in_force(shipped: Iterable[Price], given: Given, *, since: dt.date) -> tuple[list[Price], list[str]]:
    """All rows with their ends, in the order of kind, key and time, and a sentence for each thing that is wrong.

    From the first row that the file has of a key, the file alone says what the key costs.

    Args:
        shipped: rows that apply where the file says nothing; of one key in the order of time.
        given: the user's file.
        since: the workspace's primordial date, from which on every key has to be known.
    """
    keys: dict[tuple[Kind, str], tuple[list[Price], list[Price]]] = defaultdict(lambda: ([], []))
    for row in shipped:
        if row.kind not in given.without_shipped:
            keys[row.kind, normal(row.key)][0].append(row)
    for row in given.rows:
        keys[row.kind, normal(row.key)][1].append(row)
    rows: list[Price] = []
    problems: list[str] = []
    for (kind, _), (base, own) in sorted(keys.items(), key=lambda item: (list(Kind).index(item[0][0]), item[0][1])):
        own.sort(key=lambda row: row.active_from)
        one = [*(row for row in base if not own or row.active_from < own[0].active_from), *own]
        wrong = [*_unknown(kind, own), *_disorder(one, since)]
        problems += wrong
        if not wrong:
            filled, missing = _filled(one, base)
            rows += filled
            problems += missing
    return rows, problems


def _unknown(kind: Kind, rows: Sequence[Price]) -> list[str]:
    if kind is Kind.INSTANCE:
        return []
    known = {normal(sku) for sku in SKUS}
    return [
        f"{_of(row)}there is no such sku; the skus are {', '.join(SKUS)}"
        for row in rows
        if normal(row.key) not in known
    ]


def _disorder(rows: Sequence[Price], since: dt.date) -> list[str]:
    """Sentences on the dates of one key's rows, which are in the order of their starts."""
    problems = []
    first = rows[0]
    if first.active_from > since:
        problems.append(
            f"{_of(first)}has a gap from {since}, the workspace's primordial date, to {first.active_from}, "
            "where its first row begins"
        )
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        start, until = row.active_from, row.active_until
        if until is not None and until <= start:
            problems.append(f"{_of(row)}the row from {start} ends before it begins, on {until}")
        elif after is None:
            if until is not None:
                problems.append(f"{_of(row)}has no active row: its last one, from {start}, ends on {until}")
        elif after.active_from == start:
            problems.append(f"{_of(row)}has two rows from {start}, the other {_at(after)}")
        elif until is not None and until < after.active_from:
            problems.append(
                f"{_of(row)}has a gap: the row from {start} ends on {until}, the next one, {_at(after)}, begins on "
                f"{after.active_from}"
            )
        elif until is not None and until > after.active_from:
            problems.append(
                f"{_of(row)}has an overlap: the row from {start} ends on {until}, the next one, {_at(after)}, begins "
                f"on {after.active_from}"
            )
    return problems


def _of(row: Price) -> str:
    """How a sentence on a row begins."""
    return f"{row.place}: {row.kind} {row.key}: " if row.place else f"{row.kind} {row.key}: "


def _at(row: Price) -> str:
    return f"at {row.place}" if row.place else "as shipped"


def _filled(rows: Sequence[Price], shipped: Sequence[Price]) -> tuple[list[Price], list[str]]:
    """One key's rows with their ends, and with the values that they leave to the row before."""
    filled: list[Price] = []
    problems = []
    last = shipped[-1] if shipped else None
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        values, source = dict(row.values), row.source
        previous = filled[-1] if filled else last
        if previous is not None and row not in shipped:
            taken = [n for n, v in values.items() if v is None and previous.values.get(n) is not None]
            values |= {n: previous.values[n] for n in taken}
            if taken:
                source = " ".join(dict.fromkeys([*source.split(), *previous.source.split()]))
        if row.kind is Kind.INSTANCE and values.get("Compute_Contract_Price") is None:
            values["Compute_Contract_Price"] = values.get("On_Demand_Cost_Hourly")
        if row.kind is not Kind.INSTANCE and None in values.values():
            problems.append(f"{_of(row)}the row from {row.active_from} has no {VALUES[row.kind][0]}")
        filled.append(
            replace(
                row,
                key=_spelled(row),
                values=values,
                source=source,
                active_until=None if after is None else after.active_from,
            )
        )
    return filled, problems


def _spelled(row: Price) -> str:
    """A sku as Overwatch spells it; a node type as it is written, without blanks around it."""
    if row.kind is Kind.INSTANCE:
        return row.key.strip()
    return next((sku for sku in SKUS if normal(sku) == normal(row.key)), row.key.strip())
