"""Guarded reads and writes of a workspace's Delta tables.

The guards are for what an engine does silently wrong (docs/internals.md, "Engines"): extra columns dropped, columns
in another order, NOT NULL taken from a literal, rows outside a replaced slice, lost commits.
"""

import datetime as dt
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import deltalake
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import tenacity
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession, functions as F, types as T

from overwatch_assets.contract.table import Table
from overwatch_assets.engine.session import is_embedded
from overwatch_assets.errors import StorageError
from overwatch_assets.storage import sql
from overwatch_assets.storage.arrow import in_arrow
from overwatch_assets.storage.followed import Followed, Following
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.snapshots import Snapshots, latest_version

logger = logging.getLogger(__name__)

TOMBSTONE = "_tombstone"
_DELTAS_OWN = 32  # so many of a table's columns have statistics where nobody says which


@dataclass
class TableStore:
    """The tables of one workspace.

    Attributes:
        spark: the session that reads and writes.
        location: the folder of the tables.
        organization_id: rows of other workspaces in the same folder (external metastore) are neither read nor written.
        shared: the folder holds several workspaces, so its tables are partitioned by ``organization_id`` too.
    """

    spark: SparkSession
    location: Location
    organization_id: str
    shared: bool = False
    _ensured: set[str] = field(default_factory=set)
    _ensuring: threading.Lock = field(default_factory=threading.Lock)
    _snapshots: Snapshots | None = None
    _followed: dict[str, Followed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a folder that the embedded engine would write under another name.

        Raises:
            StorageError: its path has a blank or another character that Sail percent-encodes, twice in a MERGE.
        """
        wrong = sorted(set(re.sub(r"[A-Za-z0-9/:._=@+,$&;!'()-]", "", self.location.root)))
        if wrong:
            raise StorageError(
                f"Tables can't be stored under {self.location.root}: {' '.join(map(repr, wrong))} can't be in it. "
                "Choose a storage_prefix of letters, digits and / : . _ - ="
            )

    def path(self, table: Table) -> str:
        """URL of the table."""
        return self.location.path(table.name)

    def exists(self, table: Table) -> bool:
        """Whether the table was ever created."""
        return table.name in self._ensured or self.version(table) is not None

    def version(self, table: Table) -> int | None:
        """Delta version, or None if there is no table."""
        return latest_version(self.location, table.name)

    def is_empty(self, table: Table) -> bool:
        """Whether nothing was ever written to the table, by any workspace.

        The first commit may have rows: that of a table which was copied, or restored as one.
        """
        version = self.version(table)
        if version != 0:
            return version is None
        commit = self.location.fs.cat_file(self.location.key(table.name, "_delta_log", f"{0:020}.json"))
        return not any("add" in orjson.loads(action) for action in commit.splitlines())

    @contextmanager
    def snapshots(self) -> Iterator[None]:
        """Have the embedded engine keep the snapshot of a table that was read, until the table has a newer one.

        For the holder of the lease. A frame that was made here is of no use afterwards.
        """
        if not is_embedded(self.spark):
            yield
            return
        self._snapshots = Snapshots(self.spark, self.location)
        try:
            yield
        finally:
            kept, self._snapshots = self._snapshots, None
            kept.drop()

    def followed(self, what: Following) -> Followed:
        """The workspace's rows of a table of state, of which the store keeps what was read."""
        return self._followed.setdefault(what.table.name, Followed(self.location, self.organization_id, what))

    def ensure(self, table: Table) -> None:
        """Create the table from its contract, or add the columns that a newer contract has.

        Raises:
            StorageError: the stored table has a column of another type, or one that the contract does not know.
        """
        with self._ensuring:  # two loads side by side need the same tables of state
            if table.name in self._ensured:
                return
            if self.exists(table):
                self._evolve(table)
            else:
                # Created before it is written to: Sail would take NOT NULL and the column order from the first frame.
                fields = table.schema
                by = [c for c in ("organization_id",) if self.shared] + ([table.partition] if table.partition else [])
                writer = self.spark.createDataFrame([], fields).write.format("delta")
                writer = writer.option("delta.dataSkippingStatsColumns", ",".join(_with_statistics(table)))
                if table.layer == "state":  # a commit for each load, of which nobody asks for an older one
                    writer = writer.option("delta.enableDeletionVectors", "false")  # `deltalake` is to read it
                    for what in ("log", "deletedFile"):  # Delta wants the first to be no shorter than the second
                        writer = writer.option(f"delta.{what}RetentionDuration", "interval 1 minutes")
                (writer.partitionBy(*by) if by else writer).mode("ignore").save(self.path(table))
            self._ensured.add(table.name)

    def differences(self, table: Table) -> list[str]:
        """Columns of the stored table that its contract does not know, or knows with another type."""
        return _differences(table, self._stored_schema(table))

    def _evolve(self, table: Table) -> None:
        stored = self._stored_schema(table)
        wrong = _differences(table, stored)
        if wrong:
            raise StorageError(
                f"{self.path(table)} was written by another version of {table.name}: {'; '.join(wrong)}. "
                "Move the table away and load it again"
            )
        known = set(stored.names)
        missing = [f for f in table.schema.fields if f.name not in known]
        if missing:
            fields = [
                deltalake.Field.from_json(
                    f'{{"name":"{f.name}","type":{f.dataType.json()},"nullable":true,"metadata":{{}}}}'
                )
                for f in missing
            ]
            self._delta(table).alter.add_columns(fields)

    def _stored_schema(self, table: Table) -> T.StructType:
        return _nullable(self._latest(table).schema)

    def _latest(self, table: Table) -> DataFrame:
        if self._snapshots is not None and table.layer != "state":  # those have another version at each read
            return self._snapshots.latest(table.name)
        return self.spark.read.format("delta").load(self.path(table))

    def _delta(self, table: Table) -> deltalake.DeltaTable:
        return deltalake.DeltaTable(self.path(table))

    def read(self, table: Table) -> DataFrame:
        """All rows of this workspace, columns in declared order; no rows if the table was never created."""
        if not self.exists(table):
            return self.spark.createDataFrame([], table.schema)
        self.ensure(table)
        frame = self._latest(table).select(*table.schema.names)
        return frame.where(F.col("organization_id") == self.organization_id) if self.shared else frame

    def declared(self, table: Table, frame: DataFrame, more: Mapping[str, Column] | None = None) -> list[Column]:
        """Return the declared columns of a frame, each cast to its declared type. The engine analyses its plan for it.

        Args:
            table: whose columns.
            frame: has them, under their names.
            more: columns that it has not, or not as they are to be.

        Raises:
            StorageError: a column is missing, or one is not in the contract (Sail would drop it without a word).
        """
        got, added = frame.schema, more or {}
        names = {*got.names, *added} - {TOMBSTONE}
        missing = [n for n in table.schema.names if n not in names]
        extra = sorted(names - set(table.schema.names))
        if missing or extra:
            raise StorageError(
                f"{table.name}: the frame to be written lacks {missing or 'nothing'} and has {extra or 'nothing'} "
                "that the contract does not name"
            )
        kinds = {f.name: f.dataType for f in _nullable(got).fields}
        columns = [
            F.col(f.name)
            if f.name not in added and kinds[f.name] == f.dataType
            else added.get(f.name, F.col(f.name)).cast(f.dataType).alias(f.name)
            for f in table.schema.fields
        ]
        return [*columns, *([F.col(TOMBSTONE)] if TOMBSTONE in got.names else [])]

    def append(self, table: Table, rows: Callable[[], DataFrame] | pa.Table, *, conforms: bool = False) -> None:
        """Append rows.

        Args:
            table: the target.
            rows: what they are computed by, called again when a commit is lost, so that they are built on what is then
                stored; or all of them, in the declared types, which the embedded engine need not be told.
            conforms: what is computed has the columns that `declared` returned, and is not looked at again.
        """
        self.ensure(table)

        def write() -> None:
            if isinstance(rows, pa.Table) and is_embedded(self.spark):
                deltalake.write_deltalake(self._delta(table), rows.select(table.schema.names), mode="append")
                return
            as_declared = conforms and not isinstance(rows, pa.Table)
            frame = rows() if as_declared else self._computed(table, rows, table.schema)
            frame.write.format("delta").mode("append").save(self.path(table))

        _retried(table, write)

    def merge(
        self,
        table: Table,
        rows: Callable[[], DataFrame] | pa.Table,
        *,
        dates: Iterable[dt.date | None] | None,
        keys: Sequence[str] | None = None,
        update: bool = True,
    ) -> None:
        """Insert, update and delete in one MERGE.

        Rows that are here already are merged by `deltalake` where the engine is in this process too: Sail takes more
        than twice the time for it, and keeps some megabytes of each MERGE.

        Args:
            table: the target.
            rows: with a boolean column ``_tombstone``: those with true are deleted. What they are computed by, or all
                of them, in the declared types.
            dates: the partitions that the rows are in. As literals they keep the engine from reading the others.
            keys: what a row is matched by; the table's own keys unless given.
            update: False: a row that is there already stays as it is.
        """
        self.ensure(table)
        on = ["organization_id", *(keys or table.keys)]
        days = None if table.partition is None or dates is None else set(dates)
        if table.partition is not None and days is not None and table.partition not in on:
            on.append(table.partition)
        marked = T.StructType([*table.schema.fields, T.StructField(TOMBSTONE, T.BooleanType())])
        if isinstance(rows, pa.Table) and is_embedded(self.spark):
            data = rows
            _retried(table, lambda: self._merge_here(table, data, on, days, update=update))
        else:
            _retried(table, lambda: self._merge(table, self._computed(table, rows, marked), on, days, update=update))

    def _computed(self, table: Table, rows: Callable[[], DataFrame] | pa.Table, schema: T.StructType) -> DataFrame:
        frame = self.spark.createDataFrame(rows, schema) if isinstance(rows, pa.Table) else rows()
        return frame.select(*self.declared(table, frame))

    def _merge(
        self, table: Table, frame: DataFrame, on: Sequence[str], days: set[dt.date | None] | None, *, update: bool
    ) -> None:
        matched = [f"t.{sql.name(k)} <=> s.{sql.name(k)}" for k in on]
        names = [sql.name(n) for n in table.schema.names]
        sets = ", ".join(f"t.{n} = s.{n}" for n in names)
        values = ", ".join(f"s.{n}" for n in names)
        view = f"merge_{uuid.uuid4().hex}"
        frame.createOrReplaceTempView(view)
        try:
            self.spark.sql(
                f"MERGE INTO delta.{sql.name(self.path(table))} t USING {view} s "
                f"ON {' AND '.join([*_in_partitions(table, days), *matched])} "
                f"WHEN MATCHED AND s.{TOMBSTONE} THEN DELETE "
                + (f"WHEN MATCHED THEN UPDATE SET {sets} " if update else "")
                + f"WHEN NOT MATCHED AND NOT s.{TOMBSTONE} THEN INSERT ({', '.join(names)}) VALUES ({values})"
            ).collect()
        finally:
            self.spark.catalog.dropTempView(view)

    def _merge_here(
        self, table: Table, rows: pa.Table, on: Sequence[str], days: set[dt.date | None] | None, *, update: bool
    ) -> None:
        matched = [f"(t.{sql.quoted(k)} IS NOT DISTINCT FROM s.{sql.quoted(k)})" for k in on]
        sets = {sql.quoted(n): f"s.{sql.quoted(n)}" for n in table.schema.names}
        merging = (
            self._delta(table)
            .merge(
                rows,
                " AND ".join([*_in_partitions(table, days, quote=sql.quoted), *matched]),
                source_alias="s",
                target_alias="t",
            )
            .when_matched_delete(f"s.{TOMBSTONE}")
        )
        if update:
            merging = merging.when_matched_update(sets)
        merging.when_not_matched_insert(sets, predicate=f"NOT s.{TOMBSTONE}").execute()

    def rows_per_day(self, table: Table, days: Iterable[dt.date]) -> dict[dt.date, int]:
        """How many rows each of some days has, from the table's log: no file is opened where that has the counts.

        Only for a table that grows.
        """
        assert table.day is not None  # noqa: S101 - tells mypy
        counts = dict.fromkeys(days, 0)
        if not self.exists(table):
            return counts
        if table.day == table.partition and self._counted(table, counts):
            return counts
        found = self.read(table).where(is_any(F.col(table.day), list(counts))).groupBy(table.day).count()
        return counts | {r[table.day]: r["count"] for r in self.arrow(found).to_pylist()}

    def _counted(self, table: Table, counts: dict[dt.date, int]) -> bool:
        """Count rows of days by the log, where that has the counts."""
        files = pa.table(self._delta(table).get_add_actions(flatten=True))
        if files.num_rows == 0:
            return True
        mine = pc.is_in(files.column(f"partition.{table.partition}"), pa.array(list(counts), pa.date32()))
        if self.shared:
            mine = pc.and_(mine, pc.equal(files.column("partition.organization_id"), self.organization_id))
        files = files.filter(mine)
        if "num_records" not in files.column_names or files.column("num_records").null_count:
            return False
        rows = zip(files.column(f"partition.{table.partition}"), files.column("num_records"), strict=True)
        for on, number in rows:
            counts[on.as_py()] += number.as_py()
        return True

    def file_count(self, table: Table) -> int:
        """How many files the table has."""
        return len(self._delta(table).file_uris()) if self.exists(table) else 0

    def row_count(self, table: Table) -> int:
        """How many rows of this workspace a table has."""
        return self.read(table).count() if self.exists(table) else 0

    def frame(self, rows: Sequence[tuple[object, ...]], schema: T.StructType) -> DataFrame:
        """A small frame of Python rows."""
        return self.spark.createDataFrame(list(rows), schema)

    def arrow(self, frame: DataFrame) -> pa.Table:
        """Collect a frame of keys or counts.

        `toArrow` would ask for the schema besides, which takes another analysis of the plan: the rows bring theirs.
        """
        rows, schema = frame._to_table()  # type: ignore[operator]  # noqa: SLF001 - see above
        return rows.cast(in_arrow(schema or frame.schema))

    def arrow_up_to(self, size: int, frame: DataFrame) -> pa.Table | None:
        """Collect a frame as `arrow` does, unless it has more bytes: what comes after so many is not taken."""
        plan: Any = frame._plan  # noqa: SLF001 - see above
        client: Any = self.spark.client
        schema, parts, taken = None, [], 0
        with closing(client.to_table_as_iterator(plan.to_proto(client), plan.observations)) as answer:
            for part in answer:
                if isinstance(part, T.StructType):
                    schema = part
                    continue
                parts.append(part)
                taken += part.nbytes
                if taken > size:
                    return None
        kind = in_arrow(schema or frame.schema)
        return pa.concat_tables(parts).cast(kind) if parts else kind.empty_table()


def _in_partitions(
    table: Table, days: set[dt.date | None] | None, *, quote: Callable[[str], str] = sql.name
) -> list[str]:
    """What keeps a MERGE from reading other partitions: their days as literals."""
    if table.partition is None or days is None:
        return []
    column = f"t.{quote(table.partition)}"
    listed = sql.one_of(column, sorted(d for d in days if d is not None))
    return [f"({listed} OR {column} IS NULL)" if None in days else f"({listed})"]


def _with_statistics(table: Table) -> list[str]:
    """Columns by which an engine may skip files: no doubles.

    What a column of one value is in a file, Sail reads from the file's statistics, and a double's last digit is lost.
    """
    kinds = (T.StringType, T.LongType, T.IntegerType, T.DateType, T.TimestampType)
    bounds = () if table.interval is None else (table.interval.start, table.interval.end)
    wanted = {*table.schema.names[:_DELTAS_OWN], *bounds, *table.z_order} - {table.partition, "organization_id"}
    return [f.name for f in table.schema.fields if f.name in wanted and isinstance(f.dataType, kinds)]


def _differences(table: Table, stored: T.StructType) -> list[str]:
    declared = {f.name: f for f in table.schema.fields}
    other = [
        f"{f.name} is {f.dataType.simpleString()}, not {declared[f.name].dataType.simpleString()}"
        for f in stored.fields
        if f.name in declared and f.dataType != declared[f.name].dataType
    ]
    return other + [f"{f.name} is not in the contract" for f in stored.fields if f.name not in declared]


def _nullable(schema: T.StructType) -> T.StructType:
    """The schema with every field nullable, so that types can be compared."""

    def loose(kind: T.DataType) -> T.DataType:
        if isinstance(kind, T.StructType):
            return T.StructType([T.StructField(f.name, loose(f.dataType)) for f in kind.fields])
        if isinstance(kind, T.ArrayType):
            return T.ArrayType(loose(kind.elementType))
        if isinstance(kind, T.MapType):
            return T.MapType(loose(kind.keyType), loose(kind.valueType))
        return kind

    loosened = loose(schema)
    assert isinstance(loosened, T.StructType)  # noqa: S101 - tells mypy
    return loosened


def _is_lost_commit(error: BaseException) -> bool:
    text = str(error)
    if isinstance(error, deltalake.exceptions.CommitFailedError):
        return True
    return isinstance(error, PySparkException) and (
        "Failed to commit transaction" in text or "ConcurrentModification" in text or "DELTA_CONCURRENT" in text
    )


def _retried(table: Table, write: Callable[[], None]) -> None:
    """Repeat the read and the write together when another writer's commit came first."""
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_lost_commit),
        stop=tenacity.stop_after_attempt(6),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
        reraise=True,
    ):
        with attempt:
            if attempt.retry_state.attempt_number > 1:
                logger.warning("%s: another commit came first; writing again", table.name)
            write()


def is_any(column: Column, values: Sequence[object]) -> Column:
    """``column IN values``; false for none."""
    return column.isin(list(values)) if values else F.lit(False)
