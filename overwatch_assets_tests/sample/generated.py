"""Random stories loaded by the runner, and what the tables then say of costs."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import deltalake
from pyspark.sql import SparkSession

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.contract.registry import tables
from overwatch_assets.sample.random_logs import (
    audit_files,
    cluster_bodies,
    cluster_events,
    job_bodies,
    pool_bodies,
    price_file,
)
from overwatch_assets.sample.random_story import Story
from overwatch_assets.sample.truth import PARTS, Bills, Truth, truth
from overwatch_assets.sources.registry import Sources
from overwatch_assets.sources.standard import workspace_readers
from overwatch_assets.sources.workspace import ApiFactory
from overwatch_assets.sources.workspace_api import ApiFailure, EventsRead, Span
from overwatch_assets_tests.laws.workshop import Workshop
from overwatch_assets_tests.laws.worlds import File

NAMES = (
    *("audit_log_bronze", "clusters_snapshot_bronze", "pools_snapshot_bronze", "jobs_snapshot_bronze"),
    *("cluster_events_bronze", "instancedetails", "dbucostdetails", "photonfactors", "pools_silver"),
    *("cluster_spec_silver", "job_status_silver", "jobrun_silver", "cluster_state_detail_silver"),
    *("cluster_cost_segments_silver", "cluster_gold", "jobrun_gold", "clusterstatefact_gold"),
    *("clustercostdaily_gold", "jobruncostdaily_gold", "jobruncostpotentialfact_gold"),
)
"""The tables that costs come from, upstreams first."""
TABLES = [tables()[name] for name in NAMES]


class Api:
    """A workspace's API as it answers at the story's end. Of what was deleted it told the events before."""

    def __init__(self, story: Story) -> None:
        self.bodies, self.events = cluster_bodies(story), cluster_events(story)
        self.pools, self.jobs = pool_bodies(story), job_bodies(story)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def list_clusters(self) -> list[dict[str, Any]]:
        return list(self.bodies.values())

    def get_clusters(self, ids: Iterable[str]) -> list[dict[str, Any] | ApiFailure]:
        return [self.bodies.get(i) or self._nothing(i) for i in ids]

    def list_pools(self) -> list[dict[str, Any]]:
        return self.pools

    def list_jobs(self) -> list[dict[str, Any]]:
        return self.jobs

    def cluster_events(self, spans: Iterable[Span]) -> Iterator[EventsRead]:
        for span in spans:
            told = self.events.get(span.cluster_id)
            asked = [e for e in told or () if span.from_ms <= e["timestamp"] < span.until_ms]
            yield EventsRead(
                span, [asked[:50], asked[50:]], None if told is not None else self._nothing(span.cluster_id)
            )

    @staticmethod
    def _nothing(cluster_id: str) -> ApiFailure:
        return ApiFailure(cluster_id, 400, "INVALID_PARAMETER_VALUE", f"Cluster {cluster_id} does not exist", "")


@dataclass
class Told(Workshop):
    """A workspace that a story was told to, without its audit logs of some days."""

    story: Story | None = None

    @classmethod
    def of(cls, spark: SparkSession, root: Path, story: Story, *, late: Iterable[dt.date] = ()) -> "Told":
        """An empty workspace, with all its logs but those of some days."""
        root.mkdir(exist_ok=True)
        api = Api(story)
        shop = cls(spark, root, Sources(workspace_readers(cast("ApiFactory", lambda: api))), story=story)
        (root / "prices.csv").write_text(price_file(story), encoding="utf-8")
        shop.deliver(late=late)
        return shop

    def deliver(self, *, late: Iterable[dt.date] = ()) -> None:
        """Put the audit logs where they are read, but for those of some days."""
        assert self.story is not None
        missing = set(late)
        self.logs.put(
            {
                f"audit/date={day}/auditlogs_0.json": File(b"".join(lines), self.story.until_ms)
                for day, lines in audit_files(self.story).items()
                if day not in missing
            }
        )

    def chain_all(self, days: Iterable[dt.date] | None = None) -> None:
        """Load all tables for some days, or for all of the story at once."""
        assert self.story is not None
        runner = self.runner(self.now)
        for window in runner.windows(list(self.story.days if days is None else days)):
            list(runner.load_side_by_side(TABLES, window))

    @property
    def workspace(self) -> Workspace:
        return super().workspace.model_copy(update={"prices": str(self.root / "prices.csv")})

    @property
    def now(self) -> dt.datetime:
        """When the story is looked at."""
        assert self.story is not None
        return dt.datetime.fromtimestamp(self.story.until_ms / 1000, dt.UTC)

    def costs(self) -> dict[str, dict[tuple[object, ...], dict[str, Any]]]:
        """What the tables say, under the keys of the truth; a key that is there twice fails."""
        assert self.story is not None
        first = self.story.days[0]

        def day(row: Mapping[str, Any]) -> int:
            return int((row["date"] - first).days)

        return {
            "cluster_days": self._rows("clustercostdaily_gold", lambda r: (r["cluster_id"], day(r))),
            "states": self._rows(
                "clusterstatefact_gold", lambda r: (r["cluster_id"], r["state"], r["unixTimeMS_state_start"])
            ),
            "runs": self._rows("jobruncostpotentialfact_gold", lambda r: (r["run_id"], r["startEpochMS"])),
            "run_days": self._rows(
                "jobruncostdaily_gold", lambda r: (r["run_id"], r["startEpochMS"], r["cluster_id"], day(r))
            ),
        }

    def _rows(self, name: str, key: Any) -> dict[tuple[object, ...], dict[str, Any]]:
        path = Path(self.location.root) / name
        found: dict[tuple[object, ...], dict[str, Any]] = {}
        for row in deltalake.DeltaTable(str(path)).to_pyarrow_table().to_pylist():
            row["total_dbu_cost"] = row.get("total_dbu_cost", row.get("total_DBU_cost"))
            assert key(row) not in found, f"{name} has {key(row)} twice"
            found[key(row)] = row
        return found


def disagreements(shop: Told, known: Truth | None = None) -> list[str]:
    """Where the tables' costs are not the story's: keys that are missing or too many, and amounts."""
    assert shop.story is not None
    real = truth(shop.story) if known is None else known
    said = []
    for name, rows in shop.costs().items():
        bills: Bills = getattr(real, name)
        said += [f"{name}: missing {key}" for key in sorted(bills.keys() - rows.keys(), key=str)]
        said += [f"{name}: too many {key}" for key in sorted(rows.keys() - bills.keys(), key=str)]
        for key in sorted(bills.keys() & rows.keys(), key=str):
            columns = {"total_cost": bills[key].total, **{part: bills[key].part(part) for part in PARTS}}
            if name == "cluster_days":
                columns["idle_cost"] = real.idle_days[key].total
            for column, expected in columns.items():
                found = rows[key][column]
                if not agree(found, expected, bills[key].pieces):
                    said.append(f"{name} {key} {column}: {found}, expected {expected and float(expected)}")
    return said


def agree(found: float | None, expected: Fraction | None, pieces: int) -> bool:
    """Whether an amount is right to 1e-9; of less than a cent, whether no part of a piece lacks a trillionth of a dollar.

    Costs are whole trillionths.
    """
    if found is None or expected is None:
        return found is None and expected is None
    rounding = Fraction(len(PARTS) * pieces, 10**12) if expected < Fraction(1, 100) else 0
    return abs(Fraction(found) - expected) <= max(expected / 10**9, rounding)
