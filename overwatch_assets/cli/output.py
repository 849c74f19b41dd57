"""What commands print: tables for people, JSON for programs, progress on standard error."""

import base64
import csv
import datetime as dt
import decimal
import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable
from rich.text import Text

from overwatch_assets.errors import ConfigurationError

_PIPED_WIDTH = 200  # characters; a terminal has its own
_CELL = 60


def console() -> Console:
    """Make a console on standard output."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)


def print_json(value: object) -> None:
    """One JSON document, or one line of JSON lines."""
    sys.stdout.write(orjson.dumps(value, default=_as_json).decode() + "\n")


def print_csv(header: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a header and rows as CSV: null is empty, what has parts is JSON, times are ISO 8601."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_csv_cell(value) for value in row.values()])


def _csv_cell(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value, default=_as_json).decode().strip('"')


def write_generated(file: Path, text: str, *, check: bool, source: str, command: str) -> None:
    """Write a document that is made from its ``source``, or check that the file is still what the source says.

    Raises:
        ConfigurationError: it is not; with the command that writes it.
    """
    if not check:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        console().print(f"Wrote {file}")
    elif not file.exists() or file.read_text(encoding="utf-8") != text:
        raise ConfigurationError(f"{file} is not what {source} say: run `{command}`")


def print_table(
    title: str, header: Sequence[str], rows: Iterable[Sequence[object]], *, below: str = "", whole: bool = False
) -> None:
    """Print values between two lines of text; numbers to the right, long values shortened unless `whole`."""
    listed = [list(row) for row in rows]
    out, shown = console(), RichTable()
    for n, name in enumerate(header):
        values = [row[n] for row in listed if row[n] is not None]
        numeric = bool(values) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        shown.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        shown.add_row(*(Text(str(v) if whole else shortened(v)) for v in row))
    if title:
        out.print(Text(title, style="bold"))
    out.print(shown)
    if below:
        out.print(Text(below))


def shortened(value: object) -> str:
    """Write a value as one short line; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "")
    text = value if isinstance(value, str) else orjson.dumps(value, default=_as_json).decode()
    text = " ".join(text.strip('"').split())
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"


def plain_rows(batch: pa.Table) -> list[dict[str, Any]]:
    """Return Arrow rows as JSON has them: maps are objects; the second column of a name is called ``name_2``."""
    names: list[str] = []
    for name in batch.column_names:
        numbered = (f"{name}_{n}" for n in itertools.count(2))
        names.append(next(n for n in itertools.chain([name], numbered) if n not in names))
    columns = [[_plain(v, c.type) for v in c.to_pylist()] for c in batch.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_map(kind):
        return {str(k): _plain(v, kind.item_type) for k, v in value}
    if pa.types.is_struct(kind):
        return {kind.field(n).name: _plain(value[kind.field(n).name], kind.field(n).type) for n in range(len(kind))}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [_plain(v, kind.value_type) for v in value]
    return value


def _as_json(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} has no JSON form")


class Steps:
    """Progress of a load of several steps: a bar on a terminal, else one line for each step done."""

    def __init__(self, total: int | None = None) -> None:
        self._total = total
        self._done = 0
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
            self._bar = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("Starting", total=total)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def expect(self, total: int) -> None:
        """Say how many steps there are."""
        self._total = total
        if self._bar is not None:
            self._bar.update(self._task, total=total)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say how far the current step is."""
        if self._bar is not None:
            part = done / total if total else 0.0
            self._bar.update(self._task, description=what, completed=self._done + min(part, 1.0))

    def at(self, what: str, done: int) -> None:
        """Say how many steps are done, and what goes on now."""
        self._done = done
        self(what, 0, 1)

    def finished(self, what: str) -> None:
        """Say that a step is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(self._task, description=what, completed=self._done)
        else:
            sys.stderr.write(f"{what}\n")
