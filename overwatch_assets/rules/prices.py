"""Dated prices: which row of a key applies when, and what has to hold of the rows. No engine is needed.

A row applies from the midnight (UTC) that begins `active_from` to the one that begins `active_until`; the last row of a
key has no end. Keys are compared trimmed and in lower case.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Kind(StrEnum):
    """What a price is of."""

    INSTANCE = "instance"
    DBU = "dbu"
    PHOTON = "photon"
    WAREHOUSE = "warehouse"


SQL_SKUS: Mapping[str, str] = {"CLASSIC": "sqlCompute", "PRO": "sqlPro", "SERVERLESS": "sqlServerless"}
"""By type of a SQL warehouse, what its DBUs are sold as."""
SKUS = ("interactive", "automated", *SQL_SKUS.values(), "jobsLight")
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
    Kind.WAREHOUSE: ("driver_size", "worker_size", "worker_count", "total_dbus"),
}
TEXTS = frozenset({"driver_size", "worker_size", "size_key"})
WHOLE = frozenset({"vCPUs", "worker_count", "total_dbus", "driver_vCPUs", "worker_vCPUs"})
"""Those of the values that are text, and those that are whole numbers."""
OF_SIZES = ("size_key", "driver_vCPUs", "driver_compute_price", "worker_vCPUs", "worker_compute_price")
"""What `with_nodes` adds to a size of warehouses."""
Value = float | str | None

_OPEN = frozenset({Kind.INSTANCE, Kind.WAREHOUSE})  # kinds that may have any key, and values that nobody knows


@dataclass(frozen=True)
class Price:
    """One row.

    Attributes:
        key: the node type, sku or size of warehouses, as it is written.
        values: columns of `VALUES`; null is unknown, and in a row of the user's file that of the key's row before.
        active_until: null: it applies until the key's next row.
        source: where the values are from.
        source_date: as of which day; null: unknown.
        place: file and line, for messages.
    """

    kind: Kind
    key: str
    values: Mapping[str, Value]
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


def size_key(size: str | None) -> str:
    """A size of warehouses as it is compared: `2X-Small`, `2X_SMALL` and `XXSMALL` are one."""
    text = normal(size or "").replace("_", "-").replace(" ", "-")
    marks = text.removesuffix("small").removesuffix("large").rstrip("-")
    if marks and set(marks) == {"x"}:  # the API's own names
        count = "" if len(marks) == 1 else str(len(marks))
        return f"{count}x-{text[len(text) - 5 :]}"
    return text


def _compared(kind: Kind, key: str) -> str:
    return size_key(key) if kind is Kind.WAREHOUSE else normal(key)


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
            keys[row.kind, _compared(row.kind, row.key)][0].append(row)
    for row in given.rows:
        keys[row.kind, _compared(row.kind, row.key)][1].append(row)
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
    if kind in _OPEN:
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
    said: Mapping[str, Value] = shipped[-1].values if shipped else {}
    sources = shipped[-1].source if shipped else ""
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        values, source = dict(row.values), row.source
        if row not in shipped:
            taken = [n for n, v in values.items() if v is None and said.get(n) is not None]
            values |= {n: said[n] for n in taken}
            if taken:
                source = " ".join(dict.fromkeys([*source.split(), *sources.split()]))
        said, sources = dict(values), source
        # As Overwatch has it; what nobody said is not left to the next row, which may have another list price.
        if row.kind is Kind.INSTANCE and values.get("Compute_Contract_Price") is None:
            values["Compute_Contract_Price"] = values.get("On_Demand_Cost_Hourly")
        if row.kind not in _OPEN and None in values.values():
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
    """A sku as Overwatch spells it; a node type and a size as they are written, without blanks around them."""
    if row.kind in _OPEN:
        return row.key.strip()
    return next((sku for sku in SKUS if normal(sku) == normal(row.key)), row.key.strip())


def with_nodes(sizes: Iterable[Price], nodes: Iterable[Price]) -> Iterator[Price]:
    """Sizes of warehouses with `OF_SIZES`: how they are compared, and what the nodes of a cluster have and cost.

    A row ends where a price of its nodes does; the next one begins there.
    """
    by_type: dict[str, list[Price]] = defaultdict(list)
    for node in nodes:
        by_type[normal(node.key)].append(node)
    for size in sizes:
        used = {role: by_type[normal(str(size.values[f"{role}_size"] or ""))] for role in ("driver", "worker")}
        until = size.active_until or dt.date.max
        starts = {n.active_from for found in used.values() for n in found if size.active_from < n.active_from < until}
        days = [size.active_from, *sorted(starts)]
        for start, end in zip(days, [*days[1:], size.active_until], strict=True):
            there = {role: next((n.values for n in found if n.applies_on(start)), {}) for role, found in used.items()}
            more: dict[str, Value] = {"size_key": size_key(size.key)}
            for role, values in there.items():
                more[f"{role}_vCPUs"] = values.get("vCPUs")
                more[f"{role}_compute_price"] = values.get("Compute_Contract_Price")
            yield replace(size, values={**size.values, **more}, active_from=start, active_until=end)
