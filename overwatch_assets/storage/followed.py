"""Tables of state that a process asks again and again, of which it reads each file once.

Each load writes a few small files to them and asks them several times: to open such a table and to plan a query takes
longer, each time, than to read what is new.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import deltalake
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from overwatch_assets.contract.table import Table
from overwatch_assets.storage.arrow import in_arrow
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.scan import told
from overwatch_assets.storage.snapshots import latest_version

_ORGANIZATION = "organization_id"
_PARTITION = "partition."  # before a column's name, as the log's files have it


def _all(rows: pa.Table) -> pa.Table:
    return rows


@dataclass(frozen=True)
class Following:
    """What is read of a table that only grows.

    Attributes:
        table: the table. It has no deletion vectors, which nothing here reads.
        columns: those that are read.
        by: the one of them that says which rows are wanted: a partition, or one with bounds in the log. A file that
            cannot have such rows is not read.
        keep: what is kept of a file's rows, with the same columns.
    """

    table: Table
    columns: tuple[str, ...]
    by: str
    keep: Callable[[pa.Table], pa.Table] = _all

    @cached_property
    def nothing(self) -> pa.Table:
        """No rows, of the declared types."""
        declared = in_arrow(self.table.schema)
        return pa.schema([(name, declared.field(name).type) for name in self.columns]).empty_table()


@dataclass
class Followed:
    """One workspace's rows of a table, as of its last commit whenever they are asked for.

    Attributes:
        location: the folder of the tables.
        organization_id: the workspace.
        what: what is read.
    """

    location: Location
    organization_id: str
    what: Following
    _delta: deltalake.DeltaTable | None = None
    _files: pa.Table | None = None
    _kept: dict[str, pa.Table] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def rows(self, values: Collection[str | int] | None = None) -> pa.Table:
        """What is kept of the rows whose `by` is one of some values, or of all; none if there is no table.

        Raises:
            StorageError: the table cannot be read.
        """
        nothing = self.what.nothing
        wanted = None if values is None else pa.array(list(values), nothing.schema.field(self.what.by).type)
        with self._lock, told(self.location, self.what.table, self.organization_id):
            self._look()
            files = self._with(wanted)
            self._read([f for f in files if f["path"] not in self._kept], nothing.schema)
            kept = pa.concat_tables([nothing, *(self._kept[f["path"]] for f in files)])
        return kept if wanted is None else kept.filter(pc.is_in(kept.column(self.what.by), wanted))

    def _look(self) -> None:
        """Follow the log."""
        version = latest_version(self.location, self.what.table.name)
        if self._delta is not None and version == self._delta.version():
            return
        if version is None:
            self._delta = None
        elif self._delta is None or version < self._delta.version():  # then another table is there now
            self._delta = deltalake.DeltaTable(self.location.path(self.what.table.name))
        else:
            self._delta.update_incremental()
        self._files = None if self._delta is None else pa.table(self._delta.get_add_actions(flatten=True))
        there = set() if self._files is None else set(self._files.column("path").to_pylist())
        self._kept = {path: rows for path, rows in self._kept.items() if path in there}

    def _with(self, wanted: pa.Array | None) -> list[dict[str, Any]]:
        """Files that may have the rows: their paths and what they are partitioned by."""
        if self._files is None:
            return []
        files, names, by = self._files, self._files.column_names, self.what.by
        if _PARTITION + _ORGANIZATION in names:
            files = files.filter(pc.equal(files.column(_PARTITION + _ORGANIZATION), self.organization_id))
        if wanted is not None and _PARTITION + by in names:
            files = files.filter(pc.is_in(files.column(_PARTITION + by), wanted))
        elif wanted is not None and f"min.{by}" in names:
            least, most = (files.column(f"{bound}.{by}").cast(wanted.type) for bound in ("min", "max"))
            may = pc.is_null(least)  # it does not tell
            for value in wanted:
                may = pc.or_kleene(may, pc.and_(pc.less_equal(least, value), pc.greater_equal(most, value)))
            files = files.filter(may)
        return list(files.select(["path", *(n for n in names if n.startswith(_PARTITION))]).to_pylist())

    def _read(self, files: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
        """Read files whole: they are small, and a store far away is asked for all of them at once."""
        if files:
            paths = [self.location.key(self.what.table.name, unquote(f["path"])) for f in files]
            contents = self.location.fs.cat_ranges(paths, None, None, on_error="raise")
            for file, content in zip(files, contents, strict=True):
                self._kept[file["path"]] = self.what.keep(self._rows_of(file, content, schema))

    def _rows_of(self, file: Mapping[str, Any], content: bytes, schema: pa.Schema) -> pa.Table:
        """The workspace's rows of one file, in the declared types."""
        parquet = pq.ParquetFile(pa.BufferReader(content), coerce_int96_timestamp_unit="us")
        rows = parquet.read([*schema.names, _ORGANIZATION], use_threads=False)
        if _ORGANIZATION in rows.column_names:
            rows = rows.filter(pc.equal(rows.column(_ORGANIZATION), self.organization_id))
        columns = [
            rows.column(kind.name).cast(kind.type)
            if kind.name in rows.column_names
            # a partition's, or one that the file is older than
            else pa.repeat(pa.scalar(file.get(_PARTITION + kind.name), kind.type), rows.num_rows)
            for kind in schema
        ]
        return pa.table(columns, schema=schema)
