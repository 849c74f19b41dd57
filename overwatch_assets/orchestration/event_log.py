"""Dagster's event log in SQLite, with connections that stay open.

Dagster opens and closes a database for each event, and SQLite writes its log back and waits for the disk at each close.
A load of a table for a month is some hundred events: waiting for them costs a third of the load. The files are
Dagster's own, so its own class may read and write them too.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster import EventLogEntry
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.event_log import SqlEventLogStorageTable, SqliteEventLogStorage  # no public way has them
from dagster._serdes import ConfigurableClassData

_OPEN = 8  # a web server looks into many runs
_BUSY_S = 60
_BATCH = 500  # events that Dagster hands over together: the partitions that a run plans, and those that a step made


class EventLog(SqliteEventLogStorage):
    """The events of the runs of a machine on its own, in `history/runs` of Dagster's home.

    A commit survives the end of the process; the last ones may be lost when the machine loses power, as SQLite's
    `synchronous = NORMAL` has it with a write-ahead log, and the databases stay whole.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the log of the instance whose home is `base_dir`."""
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        self._batch: ExitStack | None = None
        self._held: dict[str, sa.Connection] = {}
        self._tables: set[str] = set()
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(_BATCH))  # Dagster asks the environment alone
        super().__init__(str(Path(base_dir) / "history" / "runs"), inst_data)
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # a batch holds it for all of its events

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> "EventLog":
        """Make the log that `dagster.yaml` describes."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            if self._batch is None:
                with self._engine(shard).begin() as connection:
                    yield connection
            else:
                if shard not in self._held:
                    self._held[shard] = self._batch.enter_context(self._engine(shard).begin())
                yield self._held[shard]

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in one transaction of each database that they go to; assets' own by one statement in each."""
        with self._db_lock, ExitStack() as transactions:
            self._batch = transactions
            try:
                for (run_id, of_assets), run in groupby(events, lambda e: (e.run_id, _is_of_asset(e))):
                    if of_assets:
                        self._store_asset_events(run_id, list(run))
                    else:
                        for event in run:
                            self.store_event(event)
            finally:
                self._batch, self._held = None, {}

    def _store_asset_events(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        """Store what `store_event` would, where the row of an asset is written once, as its last event has it."""
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
        with self.index_connection() as index:
            index.execute(SqlEventLogStorageTable.insert(), rows)
            last = index.execute(sa.text("SELECT last_insert_rowid()")).scalar_one()
            ids = range(last - len(rows) + 1, last + 1)  # nobody else writes before the transaction ends
            self._store_asset_event_tags(index, events, ids)
            numbered = zip(events, ids, strict=True)
            lasts = {(e.dagster_event_type, e.get_dagster_event().asset_key): (e, n) for e, n in numbered}
            for event, event_id in sorted(lasts.values(), key=itemgetter(1)):
                self._store_asset_event(index, event, event_id)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table: Dagster asks for one with each materialization, and they stay."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _engine(self, shard: str) -> sa.Engine:
        """The engine of a database, with one connection; those not used for long are closed."""
        if shard not in self._initialized_dbs:  # new to this process, or wiped by it
            self._closed(shard)
            engine = sa.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=sa.QueuePool,
                pool_size=1,
                connect_args={"timeout": _BUSY_S},
            )
            sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = NORMAL").close())
            self._initdb(engine)
            self._initialized_dbs.add(shard)
            self._engines[shard] = engine
            if len(self._engines) > _OPEN:
                self._closed(next(iter(self._engines)))
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def _closed(self, shard: str) -> None:
        engine = self._engines.pop(shard, None)
        if engine is not None:
            engine.dispose()
            self._initialized_dbs.discard(shard)

    def dispose(self) -> None:
        """Close all databases."""
        with self._db_lock:
            for shard in list(self._engines):
                self._closed(shard)
        super().dispose()


def _is_of_asset(event: EventLogEntry) -> bool:
    return event.dagster_event_type in ASSET_EVENTS
