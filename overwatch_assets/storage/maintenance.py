"""Keep Delta tables quick to read: small files written together, in z-order, and old ones removed. Needs no engine."""

from dataclasses import dataclass

import deltalake
import pyarrow as pa
import pyarrow.compute as pc

from overwatch_assets.contract.table import Table
from overwatch_assets.errors import StorageError
from overwatch_assets.storage.location import Location

RETENTION_HOURS = 168
"""How long files that the newest version does not need are kept: for readers of an older one."""


@dataclass(frozen=True)
class Optimized:
    """What was done to a table: its files before and after, and how many old ones were removed."""

    before: int
    after: int
    removed: int


def optimize(path: str, table: Table) -> Optimized:
    """Write the small files of each partition together, z-ordered where the contract says so, and remove old ones.

    A partition of one file is left alone, so a second call does nothing. Readers of an older version keep its files for
    `RETENTION_HOURS`.

    Raises:
        StorageError: the table cannot be read or written.
    """
    try:
        delta = deltalake.DeltaTable(path)
        before = len(delta.file_uris())
        if table.z_order and table.partition is not None:
            for partition in _of_several_files(delta):
                delta.optimize.z_order(table.z_order, partition_filters=partition)
        else:
            delta.optimize.compact()
        removed = delta.vacuum(RETENTION_HOURS, dry_run=False)
        delta.create_checkpoint()
        delta.cleanup_metadata()
        _forget_checksums(Location(path))
        return Optimized(before, len(delta.file_uris()), len(removed))
    except (deltalake.exceptions.DeltaError, OSError) as error:
        raise StorageError(f"The table at {path} cannot be optimized: {error}") from error


def _forget_checksums(table: Location) -> None:
    """Remove the checksums of commits that are no more: a reader lists the log, and `deltalake` leaves them there."""
    table.fs.invalidate_cache(table.key("_delta_log"))
    names = {str(path).rsplit("/", 1)[-1] for path in table.fs.ls(table.key("_delta_log"), detail=False)}
    kept = {name.removesuffix(".json") for name in names if name.endswith(".json")}
    gone = [name for name in names if name.endswith(".crc") and name.removesuffix(".crc") not in kept]
    for name in gone:
        table.fs.rm_file(table.key("_delta_log", name))


def _of_several_files(delta: deltalake.DeltaTable) -> list[list[tuple[str, str, str]]]:
    """Filters of the partitions that have more than one file. Rows without a day are few: they stay as they are."""
    files = pa.table(delta.get_add_actions(flatten=True))
    names = delta.metadata().partition_columns
    columns = [f"partition.{name}" for name in names]
    counted = files.select(columns).group_by(columns).aggregate([([], "count_all")])
    several = counted.filter(pc.greater(counted.column("count_all"), 1)).select(columns).drop_null().to_pylist()
    return [[(name, "=", str(row[f"partition.{name}"])) for name in names] for row in several]
