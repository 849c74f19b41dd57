"""Snapshots that the embedded engine keeps of the tables that a load reads.

Sail opens a table's log each time that it analyses a plan that reads the table, several times for one answer, and the
log grows with each load. A temporary view holds the snapshot that it was made on.
"""

import re
import threading
import uuid
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.storage.location import Location

_COMMIT = re.compile(r"/(\d{20})\.(?:json|checkpoint(?:\.[^/]+)?\.parquet)$")


def latest_version(location: Location, name: str) -> int | None:
    """Delta version of a table, or None if there is no table."""
    log = location.key(name, "_delta_log")
    location.fs.invalidate_cache(log)
    try:
        files = location.fs.ls(log, detail=False)
    except FileNotFoundError:
        return None
    # A process that was killed may leave a log without a commit. To open the table would take much longer.
    commits = (_COMMIT.search(str(file)) for file in files)
    return max((int(commit[1]) for commit in commits if commit), default=None)


@dataclass
class Snapshots:
    """Views on the tables of a location, each of the latest version that its table had when it was last asked for.

    Only for who holds the location's lease: it is enough to look whether the next commit is there.
    """

    spark: SparkSession
    location: Location
    _prefix: str = field(default_factory=lambda: f"snapshot_{uuid.uuid4().hex}")
    _versions: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def latest(self, name: str) -> DataFrame:
        """All rows of a table that exists."""
        view = self._view(name)
        with self._lock:
            if name not in self._versions or self._is_followed(name):
                version = latest_version(self.location, name)  # before the view, which may so be newer, never older
                self.spark.read.format("delta").load(self.location.path(name)).createOrReplaceTempView(view)
                self._versions[name] = version or 0
        return self.spark.table(view)

    def drop(self) -> None:
        """Forget all of them."""
        for name in self._versions:
            self.spark.catalog.dropTempView(self._view(name))
        self._versions.clear()

    def _view(self, name: str) -> str:
        return f"{self._prefix}_{name}"

    def _is_followed(self, name: str) -> bool:
        log = self.location.key(name, "_delta_log")
        self.location.fs.invalidate_cache(log)
        return bool(self.location.fs.exists(f"{log}/{self._versions[name] + 1:020}.json"))
