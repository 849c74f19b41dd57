"""A workspace under a temporary folder: loads tables, and compares what two of them ended with."""

import datetime as dt
import random
import shutil
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import deltalake
import orjson
import pyarrow as pa
from pyspark.sql import SparkSession

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.contract.registry import modules, tables
from overwatch_assets.contract.table import Table
from overwatch_assets.runner.known import Known
from overwatch_assets.runner.runner import Result, Runner
from overwatch_assets.runner.state import QUARANTINE
from overwatch_assets.runner.window import Window, covers, paint, windows_of
from overwatch_assets.sources.event_logs.events import event_time_ms
from overwatch_assets.sources.registry import Sources
from overwatch_assets.sources.standard import workspace_readers
from overwatch_assets.sources.workspace import ApiFactory
from overwatch_assets.sources.workspace_api import ApiFailure, EventsRead, Listing, Span, Times
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore
from overwatch_assets_tests.laws.worlds import (
    CLUSTERS,
    DAYS,
    EVENTS,
    JOBS,
    LISTS,
    NOW,
    NOW_MS,
    POOLS,
    QUERIES,
    RUNS,
    TOKENS,
    WAREHOUSE_EVENTS,
    WAREHOUSES,
    Folder,
    everything,
    partition,
)

ORGANIZATION = "1234"
SOURCES = frozenset(
    {
        "audit_log_files",
        "workspace_clusters",
        "workspace_cluster_events",
        "workspace_pools",
        "workspace_jobs",
        "workspace_job_runs",
        "workspace_libraries",
        "workspace_policies",
        "workspace_instance_profiles",
        "workspace_tokens",
        "workspace_init_scripts",
        "price_list",
        "dbu_prices",
        "photon_factors",
        "warehouse_sizes",
        "warehouse_events",
        "workspace_warehouses",
        "workspace_sql_queries",
        "spark_event_logs",
    }
)
LAYOUTS = ("audit", "databricks", "spark")
WRITES = ("inserted", "updated", "deleted", "appended entities", "quarantined")


def in_world() -> tuple[Table, ...]:
    """The modules that can be loaded from the world's sources, upstreams first."""
    found: dict[str, Table] = {}
    for table in modules():
        if set(table.sources) <= SOURCES and set(table.required) <= found.keys():
            found[table.name] = table
    return tuple(found.values())


COMPARED = (*(t.name for t in in_world()), QUARANTINE.name)


_SYSTEM_TABLE = pa.schema(
    [
        ("workspace_id", pa.string()),
        ("warehouse_id", pa.string()),
        ("event_time", pa.timestamp("ms", "UTC")),
        ("event_type", pa.string()),
        ("cluster_count", pa.int32()),
    ]
)


class Api:
    """A workspace's API that always says the same."""

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def list_clusters(self) -> list[dict[str, Any]]:
        """All clusters."""
        return CLUSTERS

    def get_clusters(self, ids: Iterable[str]) -> list[dict[str, Any] | ApiFailure]:
        """Some of them; one that has gone is described no more."""
        known = {c["cluster_id"]: c for c in CLUSTERS}
        return [known.get(i) or ApiFailure(i, 400, "INVALID_PARAMETER_VALUE", f"{i} does not exist", "") for i in ids]

    def list_pools(self) -> list[dict[str, Any]]:
        """All pools."""
        return POOLS

    def list_jobs(self) -> list[dict[str, Any]]:
        """All jobs."""
        return JOBS

    def list_all(self, listing: Listing) -> list[dict[str, Any]]:
        """What changes seldom."""
        return LISTS[listing.field]

    def list_tokens(self) -> tuple[list[dict[str, Any]], bool]:
        """All tokens."""
        return TOKENS, True

    def list_runs(self, from_ms: int, until_ms: int) -> list[dict[str, Any]]:
        """Runs that started in a time."""
        return [run for run in RUNS if from_ms <= run["start_time"] < until_ms]

    def get_runs(self, ids: Iterable[int]) -> list[dict[str, Any]]:
        """Some runs."""
        return [next(run for run in RUNS if run["run_id"] == n) for n in ids]

    def list_warehouses(self) -> list[dict[str, Any]]:
        """All SQL warehouses."""
        return WAREHOUSES

    def sql_queries(self, times: Iterable[Times]) -> list[dict[str, Any]]:
        """SQL queries that started in some times."""
        asked = list(times)
        return [q for q in QUERIES if any(t.from_ms <= q["query_start_time_ms"] < t.until_ms for t in asked)]

    def cluster_events(self, spans: Iterable[Span]) -> Iterator[EventsRead]:
        """What happened to some clusters in some times."""
        for s in spans:
            page = [e for e in EVENTS if e["cluster_id"] == s.cluster_id and s.from_ms <= e["timestamp"] < s.until_ms]
            yield EventsRead(s, [page], None)


def sources(cores: int = 2) -> Sources:
    """Readers of the world: its files, and its API."""
    return Sources(workspace_readers(cast("ApiFactory", Api)), cores=cores)


@dataclass
class Workshop:
    """One workspace's tables and logs.

    Attributes:
        prefixes: where its event logs are; everything under its folder but the audit logs unless given.
    """

    spark: SparkSession
    root: Path
    logs: Folder = field(init=False)
    sources: Sources = field(default_factory=sources)
    prefixes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self.logs = Folder(self.root / "logs")
        for part in LAYOUTS:
            (self.logs.root / part).mkdir(parents=True, exist_ok=True)

        self.tell_warehouses(WAREHOUSE_EVENTS)

    def tell_warehouses(self, events: Iterable[tuple[str, int, str, int | None]]) -> None:
        """Make the system table of the events of SQL warehouses hold these."""
        names = ("warehouse_id", "event_time", "event_type", "cluster_count")
        rows = [{"workspace_id": ORGANIZATION, **dict(zip(names, event, strict=True))} for event in events]
        table = pa.Table.from_pylist(rows, schema=_SYSTEM_TABLE)
        deltalake.write_deltalake(str(self.root / "warehouse_events"), table, mode="overwrite")

    @property
    def workspace(self) -> Workspace:
        """Its settings."""
        return Workspace(
            workspace_name="test",
            workspace_id=ORGANIZATION,
            cloud="AWS",
            primordial_date="2024-01-01",
            storage_prefix=str(self.root / "tables"),
            etl_database_name="ow",
            consumer_database_name="owc",
            max_days="400",
            job_runs_snapshot="true",
            cluster_log_prefixes=list(self.prefixes or (str(self.logs.root / p) for p in ("databricks", "spark"))),
            auditlogprefix_source_path=str(self.logs.root / "audit"),
            warehouse_events_source=str(self.root / "warehouse_events"),
            workspace_url="https://test.cloud.databricks.com",
            api_url="https://test.cloud.databricks.com",
        )

    @property
    def location(self) -> Location:
        """The folder of the tables."""
        return Location(self.workspace.table_root(external_metastore=False))

    def branch(self, root: Path) -> "Workshop":
        """A copy of the tables that goes its own way, over the same logs."""
        shutil.copytree(self.root / "tables", root / "tables")
        other = Workshop(self.spark, root, self.sources, self.prefixes)
        other.logs = self.logs
        return other

    def store(self) -> TableStore:
        """The tables as another process sees them: nothing is remembered."""
        return TableStore(self.spark, self.location, ORGANIZATION)

    def runner(self, now: dt.datetime = NOW) -> Runner:
        """A runner of a new run."""
        return Runner(self.workspace, self.store(), self.sources, now, uuid.uuid4().hex)

    def load(self, name: str, window: Window, now: dt.datetime = NOW) -> Result:
        """Load one table in a run of its own."""
        return self.runner(now).load(tables()[name], window)

    def chain(
        self, days: Sequence[dt.date] = DAYS, now: dt.datetime = NOW, wanted: Iterable[Table] | None = None
    ) -> list[Result]:
        """Load all tables of the world for some days, in one run."""
        return list(self.runner(now).load_all(in_world() if wanted is None else wanted, days))

    def versions(self) -> dict[str, int | None]:
        """Delta version of every table but `pipeline_report`."""
        return {n: self.store().version(t) for n, t in tables().items() if n != "pipeline_report"}

    def rows(self, name: str, context: str | None = None) -> "Counter[Any]":
        """A table's rows, or those of one Spark context, without what is about the load."""
        path = Path(self.location.root) / name
        if not (path / "_delta_log").exists():
            return Counter()
        contract = tables()[name]
        data = deltalake.DeltaTable(str(path)).to_pyarrow_table(columns=list(contract.compared))
        columns = {n: [plain(v, data.schema.field(n).type) for v in data[n].to_pylist()] for n in data.column_names}
        if name == "spark_events_bronze":
            # The day of a record that states no time is taken from its neighbours in the file: bookkeeping.
            columns["date"] = [
                day if event_time_ms(orjson.loads(line)) else None
                for day, line in zip(columns["date"], columns["value"], strict=True)
            ]
        if name == QUARANTINE.name:
            columns["location"] = [p.removeprefix(str(self.logs.root)) for p in columns["location"]]
        if context is not None:
            column = next((c for c in ("SparkContextID", "spark_context_id") if c in columns), None)
            if column is None:
                return Counter()
            kept = [n for n, value in enumerate(columns[column]) if value == context]
            columns = {n: [values[k] for k in kept] for n, values in columns.items()}
        return Counter(zip(*columns.values(), strict=True))


@dataclass
class Loaded(Workshop):
    """One into which all of the world was loaded, and nothing is any more: its rows are read once."""

    _rows: dict[tuple[str, str | None], "Counter[Any]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.logs = Folder(self.root / "logs", everything())

    def rows(self, name: str, context: str | None = None) -> "Counter[Any]":
        """As those of any other."""
        if (name, context) not in self._rows:
            self._rows[name, context] = super().rows(name, context)
        return self._rows[name, context]


def plain(value: Any, kind: pa.DataType) -> Any:
    """A value that can be compared and hashed: floats exact, maps sorted, structs and lists as tuples."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        return tuple(sorted((k, plain(v, kind.item_type)) for k, v in value))
    if pa.types.is_struct(kind):
        return tuple((f.name, plain(value[f.name], f.type)) for f in kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return tuple(plain(v, kind.value_type) for v in value)
    if pa.types.is_floating(kind):
        return value.hex()
    return value


def differences(
    found: Workshop,
    expected: Workshop,
    names: Iterable[str] = COMPARED,
    *,
    context: str | None = None,
    source: str | None = None,
) -> str:
    """The first rows that differ in each table; empty if all are equal.

    Args:
        found: what a test ended with.
        expected: what it should have.
        names: the tables to compare.
        context: only rows of this Spark context.
        source: of `quarantine_bronze` only what was meant for this table.
    """
    said = []
    for name in names:
        left, right = found.rows(name, context), expected.rows(name, context)
        if name == QUARANTINE.name and source is not None:
            left, right = (Counter({r: n for r, n in c.items() if source in r}) for c in (left, right))
        if left == right:
            continue
        columns = tables()[name].compared
        said.append(f"{name}: {sum(left.values())} rows, expected {sum(right.values())}")
        missing, extra = list((right - left).elements()), list((left - right).elements())
        said += [f"  missing {_short(columns, row, extra)}" for row in missing[:3]]
        said += [f"  extra   {_short(columns, row, missing)}" for row in extra[:3]]
    return "\n".join(said)


def _short(columns: Sequence[str], row: Sequence[Any], others: Sequence[Sequence[Any]]) -> str:
    """A row's columns; of one that has a near one on the other side only those that differ, and its keys."""
    near = min(others, key=lambda o: sum(a != b for a, b in zip(row, o, strict=True)), default=None)
    shown = {
        c: str(v)[:120]
        for n, (c, v) in enumerate(zip(columns, row, strict=True))
        if v is not None and (n < 6 or near is None or near[n] != v)
    }
    return str(shown)[:1500]


def day_windows(days: Sequence[dt.date], now_ms: int = NOW_MS) -> list[Window]:
    """Windows of runs of days."""
    return list(windows_of(days, now_ms=now_ms, max_days=400))


def interleaved(
    rng: random.Random, days: Sequence[dt.date] = DAYS, now_ms: int = NOW_MS, wanted: Sequence[Table] | None = None
) -> Iterator[tuple[Table, Window]]:
    """Loads of all tables, each with its own chunks of days, in a random order that eligibility allows."""
    loaded = in_world() if wanted is None else wanted
    waiting = [
        (table, window) for table in loaded for chunk in partition(days, rng) for window in day_windows(chunk, now_ms)
    ]
    done: dict[str, list[Window]] = {table.name: [] for table in loaded}
    while waiting:
        ready = [
            (table, window)
            for table, window in waiting
            if all(covers(paint(done[name]), window) for name in table.required)
        ]
        table, window = rng.choice(ready)
        yield table, window
        waiting.remove((table, window))
        done[table.name].append(window)


def wrote(results: Iterable[Result]) -> dict[str, Mapping[str, int]]:
    """Per table what its loads wrote."""
    counted: dict[str, dict[str, int]] = {}
    for result in results:
        for name in WRITES:
            if result.counts.get(name):
                counted.setdefault(result.table, {}).setdefault(name, 0)
                counted[result.table][name] += result.counts[name]
    return counted


def stale_days(shop: Workshop) -> dict[str, list[dt.date]]:
    """The days of each table that the product calls stale."""
    state = Known.of(shop.store()).state()
    return {t.name: days for t in in_world() if (days := list(state.stale(t)))}


def mend(shop: Workshop, now: dt.datetime = NOW, wanted: Sequence[Table] | None = None) -> None:
    """Load what is stale of the world's tables, or of some of them, until nothing is."""
    chosen = {t.name: t for t in (in_world() if wanted is None else wanted)}  # upstreams first
    done: set[str] = set()
    while stale := {name: days for name, days in stale_days(shop).items() if name in chosen}:
        table = next(t for name, t in chosen.items() if name in stale)
        assert table.name not in done, f"{table.name} is stale right after it was loaded: {stale}"
        done.add(table.name)
        shop.chain(stale[table.name], now, [table])


def loaded_windows(shop: Workshop, table: Table) -> list[Window]:
    """The windows of a table's effective loads."""
    return [r.window for r in Known.of(shop.store()).loads([table]) if r.is_effective]
