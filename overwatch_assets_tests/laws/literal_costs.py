"""A workspace of a few clusters, written as literal rows, loaded as far as what they cost, in any order of days."""

import datetime as dt
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import deltalake
from pyspark.sql import SparkSession

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.contract.registry import tables
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.sources.audit_logs import read_audit_logs
from overwatch_assets.sources.prices import price_readers
from overwatch_assets.sources.registry import Sources
from overwatch_assets_tests.definition_lines import record
from overwatch_assets_tests.laws.workshop import Workshop
from overwatch_assets_tests.laws.worlds import File

DAYS = tuple(dt.date(2024, 3, 1) + dt.timedelta(n) for n in range(4))
START = 1709251200000  # 2024-03-01T00:00Z
H = 3_600_000
NOW = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)

AROUND = ("jobs_snapshot_bronze", "pools_snapshot_bronze", "clusters_snapshot_bronze", "pools_silver")
BRONZE = ("audit_log_bronze", "cluster_events_bronze")
STATES, SEGMENTS, CLUSTER_DAYS = "cluster_state_detail_silver", "cluster_cost_segments_silver", "clustercostdaily_gold"
RUN_DAYS = "jobruncostdaily_gold"
PRICES = ("instancedetails", "dbucostdetails", "photonfactors")
SILVER = ("cluster_spec_silver", "jobrun_silver", STATES, SEGMENTS)
GOLD = (CLUSTER_DAYS, "jobrun_gold", RUN_DAYS)
UNIT = 10**12

Row = dict[str, Any]


def at(day: int, hour: float) -> int:
    """Epoch ms of an hour of one of the days, counted from 0."""
    return START + round((day * 24 + hour) * H)


def created(cluster: str, day: int, hour: float, node: str, *, workers: int = 0, **more: Any) -> Row:
    """Someone makes a cluster of one type of node."""
    return _defined("create", cluster, day, hour, node, num_workers=str(workers), **more)


def edited(cluster: str, day: int, hour: float, node: str, **more: Any) -> Row:
    """Someone gives it another type of node."""
    return _defined("edit", cluster, day, hour, node, **more)


def _defined(action: str, cluster: str, day: int, hour: float, node: str, **more: Any) -> Row:
    nodes = {"node_type_id": node, "driver_node_type_id": node, "spark_version": "14.3.x-scala2.12"}
    told = {"cluster_name": cluster, "num_workers": "0"} | nodes | more
    if action == "edit":
        told["cluster_id"] = cluster
    return record("clusters", action, at(day, hour), result={"cluster_id": cluster}, request=cluster, **told)


def started(run: int, cluster: str, day: int, hour: float) -> Row:
    """A run begins on a cluster."""
    where = {"runId": str(run), "jobId": "1", "clusterId": cluster, "jobClusterType": "existing"}
    return record("jobs", "runStart", at(day, hour), request=f"start of {run}", **where)


def ended(run: int, day: int, hour: float) -> Row:
    """It has done its work."""
    where = {"runId": str(run), "jobId": "1", "jobTerminalState": "Succeeded"}
    return record("jobs", "runSucceeded", at(day, hour), request=f"end of {run}", **where)


def happened(cluster: str, day: int, hour: float, kind: str, **details: Any) -> Row:
    """An event of a cluster."""
    return {"cluster_id": cluster, "timestamp": at(day, hour), "type": kind, "details": details}


@dataclass(frozen=True)
class Told:
    """What the workspace has told so far.

    Attributes:
        audit: audit records.
        events: events of clusters.
        prices: per node type its dollars an hour and since when, a day.
    """

    audit: Sequence[Row]
    events: Sequence[Row]
    prices: Sequence[tuple[str, float, dt.date]]


@dataclass
class CostShop(Workshop):
    """One workspace's tables as far as costs.

    Attributes:
        events: what its API tells; of a window, what happened in it.
        max_state_days: its longest silence.
    """

    events: list[Row] = field(default_factory=list)
    max_state_days: int = 90

    def __post_init__(self) -> None:
        super().__post_init__()
        silent = dict.fromkeys(("workspace_clusters", "workspace_pools", "workspace_jobs"), _nothing)
        own = {"audit_log_files": read_audit_logs, "workspace_cluster_events": self._events}
        self.sources = Sources({**silent, **own, **price_readers()})

    @property
    def workspace(self) -> Workspace:
        """Its settings: node types have the prices of its file alone, and cost no DBUs."""
        own = {
            "prices": str(self.root / "prices.csv"),
            "primordial_date": DAYS[0].isoformat(),
            "max_state_days": self.max_state_days,
        }
        return Workspace.model_validate(super().workspace.model_dump(exclude_unset=True) | own)

    def _events(self, load: Load) -> Reading:
        rows = [
            (e["cluster_id"], json.dumps(e, sort_keys=True))
            for e in self.events
            if load.window.from_ms <= e["timestamp"] < load.window.until_ms
        ]
        if not rows:
            return Reading(empty="nothing happened")
        return Reading(frames=[load.store.spark.createDataFrame(rows, "cluster_id string, body string")])

    def tell(self, told: Told) -> None:
        """Let the workspace tell this, and nothing else."""
        lines: dict[dt.date, list[str]] = defaultdict(list)
        for each in told.audit:
            lines[DAYS[(each["timestamp"] - START) // (24 * H)]].append(json.dumps(each))
        self.logs.put(
            {f"audit/date={d}/a{len(t)}.json": File("\n".join(t).encode(), at(3, 23)) for d, t in lines.items()}
        )
        self.events[:] = told.events
        rows = [f"instance,{node},4,0,{price},{since},ours" for node, price, since in told.prices]
        header = "table,key,vCPUs,Hourly_DBUs,Compute_Contract_Price,activeFrom,price_source"
        (self.root / "prices.csv").write_text("\n".join([header, "instance,*", *rows]))

    def load_days(self, names: Iterable[str], *days: int) -> None:
        """Load some tables, in their order, for some days (all, if none is given)."""
        self.chain([DAYS[n] for n in days] or DAYS, NOW, [tables()[n] for n in names])

    def copy(self, root: Path) -> "CostShop":
        """Its tables and its logs as they are, to go their own way."""
        shutil.copytree(self.root, root)
        other = CostShop(self.spark, root, events=list(self.events), max_state_days=self.max_state_days)
        other.logs.there = dict(self.logs.there)
        return other

    def stored(self, name: str, **where: Any) -> list[Row]:
        """A table's rows with all of their columns; only those that hold these values."""
        path = Path(self.location.root) / name
        if not (path / "_delta_log").exists():
            return []
        rows: list[Row] = deltalake.DeltaTable(str(path)).to_pyarrow_table().to_pylist()
        return [r for r in rows if all(r[c] == v for c, v in where.items())]

    def states(self, cluster: str) -> list[tuple[str, int, int]]:
        """A cluster's states in order: what, from, until."""
        return told_of(self.stored(STATES), cluster)

    def cost(self, cluster: str) -> dict[dt.date, float]:
        """What a cluster costs on each day."""
        return days_of(self.stored(SEGMENTS), cluster)

    def cost_of_run(self, run: int) -> float:
        """A run's shares of all segments."""
        shares = [s for r in self.stored(SEGMENTS) for s in r["shares"] if s["run_id"] == run]
        return sum(s["amounts"]["driver_compute_cost"] for s in shares) / UNIT

    def check(self) -> None:
        """Every cluster's states abut, its segments are those states, cut, and each hour is in one of them."""
        states, segments = _by_cluster(self.stored(STATES)), _by_cluster(self.stored(SEGMENTS))
        for cluster, rows in states.items():
            ordered = sorted((r["unixTimeMS_state_start"], r["unixTimeMS_state_end_exclusive"]) for r in rows)
            assert all(a[1] == b[0] for a, b in pairwise(ordered)), f"states of {cluster} do not abut: {ordered}"
            assert sum(r["is_open"] for r in rows) <= 1, cluster
            if segments:
                cut = sorted((r["segment_start"], r["segment_end"]) for r in segments[cluster])
                assert all(a[1] == b[0] for a, b in pairwise(cut)), f"segments of {cluster} do not abut: {cut}"
                whole = (cut[0][0], cut[-1][1]) if cut else None
                assert whole == ((ordered[0][0], ordered[-1][1]) if ordered[0][0] < ordered[-1][1] else None), cluster
        assert set(segments) <= set(states)


def told_of(states: Iterable[Row], cluster: str) -> list[tuple[str, int, int]]:
    """A cluster's states in order: what, from, until."""
    rows = [
        (r["unixTimeMS_state_start"], r["unixTimeMS_state_end_exclusive"], r["state"])
        for r in states
        if r["cluster_id"] == cluster
    ]
    return [(kind, start, end) for start, end, kind in sorted(rows)]


def days_of(segments: Iterable[Row], cluster: str) -> dict[dt.date, float]:
    """What a cluster costs on each day; days without cost are left out."""
    found: dict[dt.date, int] = defaultdict(int)
    for r in segments:
        if r["cluster_id"] == cluster:
            found[r["segment_date"]] += r["amounts"]["driver_compute_cost"] + r["amounts"]["worker_compute_cost"]
    return {day: units / UNIT for day, units in sorted(found.items()) if units}


def _by_cluster(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["cluster_id"]].append(row)
    return found


def _nothing(_load: Load) -> Reading:
    return Reading(empty="never asked")


def opened(spark: SparkSession, root: Path, told: Told, **settings: Any) -> CostShop:
    """A workspace that has told something, and of which what costs do not hang on is loaded for all days."""
    root.mkdir(parents=True)
    shop = CostShop(spark, root, **settings)
    shop.tell(Told((), (), told.prices))
    shop.load_days(("audit_log_bronze", *AROUND, "job_status_silver", *PRICES))
    shop.tell(told)
    return shop
