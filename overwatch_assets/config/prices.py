"""A workspace's prices: the shipped lists, the deployment's contract prices, and the file that `prices` names.

That file is CSV. `table` is instance, dbu, photon or warehouse; `key` a node type, a sku or a size of warehouses;
a row applies from `activeFrom` on. An empty value is that of the key's row before. A key `*` alone: what is shipped and
configured of that table is not used.
"""

import csv
import datetime as dt
import difflib
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.config.loading import read_text
from overwatch_assets.errors import ConfigurationError
from overwatch_assets.rules.prices import SKUS, TEXTS, VALUES, WHOLE, Given, Kind, Price, Value, in_force

_EVERY = "*"
_PRICE_FIELDS = {
    "interactive": "interactive_dbu_price",
    "automated": "automated_dbu_price",
    "sqlCompute": "sql_compute_dbu_price",
    "sqlPro": "sql_pro_dbu_price",
    "sqlServerless": "sql_serverless_dbu_price",
    "jobsLight": "jobs_light_dbu_price",
}
_REQUIRED = ("table", "key", "activeFrom")
_DATES = ("activeFrom", "activeUntil", "price_date")
_COLUMNS = (
    "table",
    "key",
    *(name for names in VALUES.values() for name in names),
    *_DATES[:2],
    "currency",
    "price_source",
    _DATES[2],
)


@dataclass(frozen=True)
class PriceBook:
    """A workspace's prices, with their ends, in the order of key and time."""

    rows: tuple[Price, ...]

    def of(self, kind: Kind) -> list[Price]:
        """Those of one kind."""
        return [row for row in self.rows if row.kind is kind]


def price_book(workspace: Workspace) -> PriceBook:
    """Put a workspace's prices together.

    Raises:
        ConfigurationError: its file cannot be read, or with one line for each thing that is wrong in it.
    """
    since = workspace.primordial_date
    shipped = [
        *_node_types(workspace.cloud.value, since),
        *_contract(workspace),
        *_photon(workspace.cloud.value, since),
        *_warehouses(workspace.cloud.value, since),
    ]
    given, problems = (Given(), []) if workspace.prices is None else _given(workspace.prices)
    rows, wrong = in_force(shipped, given, since=since)
    if problems or wrong:
        raise ConfigurationError("\n".join([*problems, *wrong]))
    return PriceBook(tuple(rows))


def _contract(workspace: Workspace) -> Iterator[Price]:
    listed = {row["sku"]: row for row in shipped_rows("sql.csv") if row["cloud"] == workspace.cloud.value}
    for sku in SKUS:
        name = _PRICE_FIELDS[sku]
        price, day = getattr(workspace, name), None
        source = f"the deployment file's {name}" if name in workspace.model_fields_set else f"{name}'s default"
        if price is None:
            price, source, day = (listed[sku][n] for n in ("contract_price", "price_source", "price_date"))
        values = {"contract_price": float(price)}
        yield Price(
            Kind.DBU, sku, values, workspace.primordial_date, source=source, source_date=_date(day) if day else None
        )


def _node_types(cloud: str, since: dt.date) -> Iterator[Price]:
    for row in shipped_rows(f"{cloud.lower()}.csv"):
        values = {name: _number(name, row.get(name, "")) for name in VALUES[Kind.INSTANCE]}
        day = dt.date.fromisoformat(row["price_date"])
        yield Price(Kind.INSTANCE, row["API_Name"], values, since, source=row["price_source"], source_date=day)


def _photon(cloud: str, since: dt.date) -> Iterator[Price]:
    for row in shipped_rows("photon.csv"):
        if row["cloud"] == cloud:
            factor = {"factor": float(row["factor"])}
            day = _date(row["price_date"])
            yield Price(Kind.PHOTON, row["sku"], factor, since, source=row["price_source"], source_date=day)


def _warehouses(cloud: str, since: dt.date) -> Iterator[Price]:
    for row in shipped_rows("warehouses.csv"):
        if row["cloud"] == cloud:
            values = {name: _value(name, row[name]) for name in VALUES[Kind.WAREHOUSE]}
            day = _date(row["price_date"])
            size = row["cluster_size"]
            yield Price(Kind.WAREHOUSE, size, values, since, source=row["price_source"], source_date=day)


@cache
def shipped_rows(name: str) -> tuple[Mapping[str, str], ...]:
    """Rows of a file of the package."""
    text = (files("overwatch_assets") / "prices" / name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(io.StringIO(text)))


def _given(path: str) -> tuple[Given, list[str]]:
    """Rows of the user's file, and what is wrong with its header and its cells."""
    reader = csv.reader(io.StringIO(read_text(path, "price file"), newline=""), skipinitialspace=True, strict=True)
    header: list[str] = []
    rows: list[Price] = []
    without: set[Kind] = set()
    problems: list[str] = []
    line = 1
    try:
        for record in reader:
            cells, place, line = [cell.strip() for cell in record], f"{path}:{line}", reader.line_num + 1
            if not any(cells):
                continue
            if not header:
                header, wrong = _header(cells)
                if wrong:
                    return Given(), [f"{place}: {sentence}" for sentence in wrong]
            elif any(cells[len(header) :]):
                problems.append(f"{place}: has {len(cells)} values for {len(header)} columns")
            else:
                row = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
                read, wrong = _row(row, place, path)
                problems += [f"{place}: {sentence}" for sentence in wrong]
                if isinstance(read, Kind):
                    without.add(read)
                elif read is not None:
                    rows.append(read)
    except csv.Error as error:
        return Given(), [f"{path}:{max(reader.line_num, 1)}: is not valid CSV: {error}"]
    if not header:
        problems.append(f"{path}: the price file is empty")
    return Given(rows, frozenset(without)), problems


def _header(cells: list[str]) -> tuple[list[str], list[str]]:
    spelling = {name.lower(): name for name in _COLUMNS}
    header = [spelling.get(cell.lower(), cell) for cell in cells]
    while not header[-1]:
        header.pop()
    problems = [f"the column {name} is missing" for name in _REQUIRED if name not in header]
    for index, name in enumerate(header):
        if name not in _COLUMNS:
            close = difflib.get_close_matches(name.lower(), spelling, n=1)
            hint = f"; did you mean {spelling[close[0]]}?" if close else ""
            problems.append(f"{name!r} is not a column of a price file{hint}")
        elif name in header[:index]:
            problems.append(f"the column {name} is given twice")
    return header, problems


def _row(row: Mapping[str, str], place: str, path: str) -> tuple[Price | Kind | None, list[str]]:
    """One row; a kind: its shipped rows are not used; and what is wrong with its cells."""
    kinds = {kind.value: kind for kind in Kind}
    kind = kinds.get(row.get("table", "").lower())
    named = f"{row.get('table', '')} {row.get('key', '')}".strip()
    if kind is None:
        return None, [f"{named}: table must be {', '.join(kinds)}"]
    if "key" not in row:
        return None, [f"{named}: has no key"]
    if row["key"] == _EVERY:
        more = [name for name in row if name not in ("table", "key")]
        return (None, [f"{named}: has no other values, so not {', '.join(more)}"]) if more else (kind, [])
    problems = []
    dates: dict[str, dt.date | None] = dict.fromkeys(_DATES)
    values: dict[str, Value] = dict.fromkeys(VALUES[kind])
    for name, cell in row.items():
        if name in _DATES:
            dates[name] = _date(cell)
            if dates[name] is None:
                problems.append(f"{named}: {name} must be a day as yyyy-MM-dd, not {cell!r}")
        elif name in values:
            values[name] = _value(name, cell)
            if values[name] is None:
                kind_of = "a whole number, 0 or more" if name in WHOLE else "a number, 0 or more"
                problems.append(f"{named}: {name} must be {kind_of}, not {cell!r}")
        elif any(name in names for names in VALUES.values()):
            problems.append(f"{named}: {name} is not a column of {kind} rows")
        elif name == "currency" and cell.upper() != "USD":
            problems.append(f"{named}: currency must be USD, not {cell!r}")
    if "activeFrom" not in row:
        problems.append(f"{named}: has no activeFrom")
    start = dates["activeFrom"]
    if problems or start is None:
        return None, problems
    source = row.get("price_source", path)
    return Price(kind, row["key"], values, start, dates["activeUntil"], source, dates["price_date"], place), []


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else None
    except ValueError:
        return None


def _value(name: str, text: str) -> Value:
    return (text or None) if name in TEXTS else _number(name, text)


def _number(name: str, text: str) -> float | None:
    try:
        value = int(text) if name in WHOLE else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
