"""Random stories loaded by the runner, and what the tables then say of costs."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import deltalake
from pyspark.sql import SparkSession

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.contract.registry import modules, tables
from overwatch_assets.contract.table import Table
from overwatch_assets.runner.runner import Result
from overwatch_assets.sample.random_logs import (
    audit_files,
    cluster_bodies,
    cluster_events,
    job_bodies,
    pool_bodies,
    price_file,
)
from overwatch_assets.sample.random_parts import Story
from overwatch_assets.sample.random_sql_logs import queries, warehouse_bodies, warehouse_events
from overwatch_assets.sample.truth import PARTS, Bills, truth
from overwatch_assets.sample.truth_commands import company, truth_of_commands
from overwatch_assets.sample.truth_warehouses import PARTS as WAREHOUSE_PARTS, truth_of_warehouses
from overwatch_assets.sources.registry import Sources
from overwatch_assets.sources.standard import workspace_readers
from overwatch_assets.sources.workspace import ApiFactory
from overwatch_assets.sources.workspace_api import ApiFailure, EventsRead, Span, Times
from overwatch_assets_tests.consumer.documented import documented, twice
from overwatch_assets_tests.laws.workshop import Workshop
from overwatch_assets_tests.laws.worlds import File

NAMES = (
    *("audit_log_bronze", "clusters_snapshot_bronze", "pools_snapshot_bronze", "jobs_snapshot_bronze"),
    *("cluster_events_bronze", "instancedetails", "dbucostdetails", "photonfactors", "pools_silver"),
    *("cluster_spec_silver", "job_status_silver", "jobrun_silver", "cluster_state_detail_silver"),
    *("cluster_cost_segments_silver", "cluster_gold", "jobrun_gold", "clusterstatefact_gold"),
    *("clustercostdaily_gold", "jobruncostdaily_gold", "jobruncostpotentialfact_gold"),
    *("warehousedbudetails", "warehouses_snapshot_bronze", "warehouse_events_bronze", "warehouse_spec_silver"),
    *("warehouse_state_detail_silver", "warehouse_gold", "warehousestatefact_gold"),
    *("notebook_silver", "notebook_gold", "notebookcommands_gold"),
)
"""The tables that costs come from, upstreams first."""
TABLES = [tables()[name] for name in NAMES]
REST = [table for table in modules() if table.name not in NAMES]
"""The others that are modules, upstreams first."""


class Api:
    """A workspace's API as it answers at the story's end. Of what was deleted it told the events before.

    Attributes:
        at: when it is asked for warehouses.
    """

    def __init__(self, story: Story) -> None:
        self.story, self.at = story, story.until_ms
        self.bodies, self.events = cluster_bodies(story), cluster_events(story)
        self.pools, self.jobs, self.queries = pool_bodies(story), job_bodies(story), queries(story)

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

    def list_all(self, _: object) -> list[dict[str, Any]]:
        return []

    def list_tokens(self) -> tuple[list[dict[str, Any]], bool]:
        return [], True

    def list_runs(self, _from: int, _until: int) -> list[dict[str, Any]]:
        return []

    def get_runs(self, _: object) -> list[dict[str, Any]]:
        return []

    def sql_queries(self, times: Iterable[Times]) -> list[dict[str, Any]]:
        asked = list(times)
        return [q for q in self.queries if any(t.from_ms <= q["query_start_time_ms"] < t.until_ms for t in asked)]

    def list_warehouses(self) -> list[dict[str, Any]]:
        return warehouse_bodies(self.story, self.at)

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
        shop.tell_warehouses(warehouse_events(story))
        shop.deliver(late=late)
        shop.look(api)
        return shop

    def look(self, api: Api) -> None:
        """Take a snapshot of the warehouses on each day before the last."""
        assert self.story is not None
        for api.at in self.story.looks[:-1]:
            now = dt.datetime.fromtimestamp(api.at / 1000, dt.UTC)
            self.chain([now.date()], now, [tables()["warehouses_snapshot_bronze"]])
        api.at = self.story.until_ms

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

    def chain_all(self, days: Iterable[dt.date] | None = None, wanted: Sequence[Table] = TABLES) -> list[Result]:
        """Load tables side by side for some days, or for all of the story at once."""
        assert self.story is not None
        runner = self.runner(self.now)
        windows = runner.windows(list(self.story.days if days is None else days))
        return [result for window in windows for result in runner.load_side_by_side(wanted, window)]

    def repeated_keys(self) -> dict[str, list[str]]:
        """Keys of tables, and documented ones of views, that more than one row has."""
        there = {name: self.location.path(name) for name, table in tables().items() if self.store().exists(table)}
        keys = [(name, tables()[name].keys) for name in there]
        keys += [(view.table, view.instead or view.key) for view in documented().values() if view.table in there]
        return {name: found for name, key in keys if (found := twice(key, there[name]))}

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
            "warehouse_states": self._rows(
                "warehousestatefact_gold", lambda r: (r["warehouse_id"], r["state"], r["unixTimeMS_state_start"])
            ),
            "commands": self._rows(
                "notebookcommands_gold", lambda r: (r["command_id"], r["unixTimeMS"], r["endEpochMS"])
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


def bills(story: Story) -> dict[str, Bills]:
    """What a story really cost, under the names of `Told.costs`."""
    real = truth(story)
    return {
        **{name: getattr(real, name) for name in ("cluster_days", "idle_days", "states", "runs", "run_days")},
        "warehouse_states": truth_of_warehouses(story).warehouse_states,
        "commands": truth_of_commands(story),
    }


def disagreements(shop: Told, known: Mapping[str, Bills] | None = None) -> list[str]:
    """Where the tables are not as the story: keys that are missing or too many, amounts, and a command's company."""
    assert shop.story is not None
    real = bills(shop.story) if known is None else known
    said = []
    found = shop.costs()
    for name, rows in found.items():
        said += [f"{name}: missing {key}" for key in sorted(real[name].keys() - rows.keys(), key=str)]
        said += [f"{name}: too many {key}" for key in sorted(rows.keys() - real[name].keys(), key=str)]
        for key in sorted(real[name].keys() & rows.keys(), key=str):
            bill = real[name][key]
            parts = WAREHOUSE_PARTS if name == "warehouse_states" else PARTS
            columns = {"total_cost": bill.total, **{part: bill.part(part) for part in parts}}
            if name == "cluster_days":
                columns["idle_cost"] = real["idle_days"][key].total
            for column, expected in columns.items():
                amount = rows[key][column]
                if not agree(amount, expected, bill.pieces):
                    said.append(f"{name} {key} {column}: {amount}, expected {expected and float(expected)}")
    for key, expected in company(shop.story).items():
        row = found["commands"].get(key, {})
        told = (row.get("notebook_path"), row.get("concurrent_commands"), tuple(row.get("job_run_ids") or ()))
        if told != (expected.path, expected.others, expected.runs):
            said.append(f"command {key}: {told}, expected {expected}")
    return said


def agree(found: float | None, expected: Fraction | None, pieces: int) -> bool:
    """Whether an amount is right to 1e-9; of less than a cent, whether no part of a piece lacks a trillionth of a dollar.

    Costs are whole trillionths.
    """
    if found is None or expected is None:
        return found is None and expected is None
    rounding = Fraction(len(PARTS) * pieces, 10**12) if expected < Fraction(1, 100) else 0
    return abs(Fraction(found) - expected) <= max(expected / 10**9, rounding)
