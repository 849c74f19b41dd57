"""From cluster events, runs and prices, written as literal rows, to the tables of costs, by their transforms."""

from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession, functions as F

from overwatch_assets.bronze.audit_log_bronze import audit_log_bronze
from overwatch_assets.bronze.cluster_events_bronze import cluster_events_bronze
from overwatch_assets.bronze.dbucostdetails import dbucostdetails
from overwatch_assets.bronze.instancedetails import instancedetails
from overwatch_assets.bronze.photonfactors import photonfactors
from overwatch_assets.gold.cluster_gold import cluster_gold
from overwatch_assets.gold.clustercostdaily_gold import clustercostdaily_gold
from overwatch_assets.gold.clusterstatefact_gold import clusterstatefact_gold
from overwatch_assets.gold.jobrun_gold import jobrun_gold
from overwatch_assets.gold.jobruncostdaily_gold import jobruncostdaily_gold
from overwatch_assets.gold.jobruncostpotentialfact_gold import jobruncostpotentialfact_gold
from overwatch_assets.gold.notebook_gold import notebook_gold
from overwatch_assets.gold.notebookcommands_gold import notebookcommands_gold
from overwatch_assets.gold.sparkjob_gold import sparkjob_gold
from overwatch_assets.gold.sparktask_gold import sparktask_gold
from overwatch_assets.silver.cluster_cost_segments_silver import cluster_cost_segments_silver
from overwatch_assets.silver.cluster_spec_silver import cluster_spec_silver
from overwatch_assets.silver.cluster_state_detail_silver import cluster_state_detail_silver
from overwatch_assets.silver.jobrun_silver import jobrun_silver
from overwatch_assets.silver.notebook_silver import notebook_silver
from overwatch_assets_tests.definition_lines import Record, audit
from overwatch_assets_tests.literal_rows import from_the_first, rows_of, stored

Rows = list[dict[str, Any]]


def node(name: str, compute: float | None, dbus: float | None, vcpus: int | None) -> dict[str, Any]:
    """A node type and its price, for ever."""
    return {
        "API_Name": name,
        "node_type_key": name,
        "Compute_Contract_Price": compute,
        "Hourly_DBUs": dbus,
        "vCPUs": vcpus,
        "valid_from_ms": 0,
    }


def run_row(run_id: int, start: int, end: int | None, cluster: str = "c1", **more: Any) -> dict[str, Any]:
    """A run of `jobrun_silver`."""
    return {
        "jobRunId": run_id,
        "runId": run_id,
        "clusterId": cluster,
        "clusterType": "existing",
        "startEpochMS": start,
        "endEpochMS": end,
        "is_open": end is None,
        **more,
    }


@dataclass
class Chain:
    """The tables of costs over some literal rows."""

    spark: SparkSession
    events: Rows
    specs: Rows
    loaded_until: int
    runs: Rows = field(default_factory=list)
    nodes: Rows = field(default_factory=lambda: [node("driver", 0.5, 1.0, 8), node("worker", 0.2, 0.75, 4)])
    rates: Rows = field(default_factory=lambda: [{"sku": "interactive", "contract_price": 0.55, "valid_from_ms": 0}])
    factors: Rows = field(
        default_factory=lambda: [{"sku": "interactive", "engine": "PHOTON", "factor": 2.0, "valid_from_ms": 0}]
    )
    spark_jobs: Rows = field(default_factory=list)
    spark_tasks: Rows = field(default_factory=list)

    def _spans(self, column: str, values: list[Any], kind: str) -> DataFrame:
        until = F.struct(*(F.lit(self.loaded_until).alias(n) for n in ("cluster_events_bronze", "jobrun_silver")))
        ids = self.spark.createDataFrame([(v,) for v in values], f"{column} {kind}")
        return ids.select(column, until.alias("loaded_until"), F.lit(90).cast("bigint").alias("max_state_days"))

    def _clusters(self) -> DataFrame:
        found = self._spans("cluster_id", sorted({e["cluster_id"] for e in self.events}), "string")
        return found.select("*", *from_the_first(cluster_state_detail_silver))

    def _cluster_days(self) -> DataFrame:
        first = min(e["timestamp"] for e in self.events)
        days = F.sequence(*(F.to_date(F.timestamp_millis(F.lit(ms))) for ms in (first, self.loaded_until)))
        return self._clusters().withColumn("segment_date", F.explode(days))

    def _runs(self) -> DataFrame:
        return self._spans("run_id", sorted({r["runId"] for r in self.runs}), "bigint")

    def _run_rows(self) -> DataFrame:
        return rows_of(self.spark, jobrun_silver, *self.runs)

    def _specs(self) -> DataFrame:
        return rows_of(self.spark, cluster_spec_silver, *self.specs)

    def states(self) -> DataFrame:
        """`cluster_state_detail_silver`."""
        events = rows_of(self.spark, cluster_events_bronze, *({"eventHash": n, **e} for n, e in enumerate(self.events)))
        audit = rows_of(self.spark, audit_log_bronze)
        return stored(cluster_state_detail_silver(self._clusters(), events, audit, self._run_rows(), self._specs()))

    def segments(self) -> DataFrame:
        """`cluster_cost_segments_silver`."""
        prices = (
            rows_of(self.spark, instancedetails, *self.nodes),
            rows_of(self.spark, dbucostdetails, *self.rates),
            rows_of(self.spark, photonfactors, *self.factors),
        )
        return stored(
            cluster_cost_segments_silver(self._cluster_days(), self.states(), self._run_rows(), self._specs(), *prices)
        )

    def state_facts(self) -> list[Row]:
        """`clusterstatefact_gold`, by cluster and start."""
        found = clusterstatefact_gold(self._clusters(), self.states(), self._specs(), self.segments())
        return sorted(found.collect(), key=lambda r: (r["cluster_id"], r["unixTimeMS_state_start"]))

    def commands(self, *records: Record) -> list[Row]:
        """`notebookcommands_gold` of some audit records, by start and command."""
        spans, logged = self._clusters(), audit(self.spark, *records)
        facts = clusterstatefact_gold(spans, self.states(), self._specs(), self.segments())
        notebooks = notebook_gold(spans, notebook_silver(spans, logged))
        run = logged.where(F.col("event_command_cluster_id").isNotNull())
        found = notebookcommands_gold(spans, notebooks, facts, run, self._gold_runs())
        return sorted(found.collect(), key=lambda r: (r["unixTimeMS"], r["command_id"]))

    def cluster_days(self) -> list[Row]:
        """`clustercostdaily_gold`, by cluster and day."""
        found = clustercostdaily_gold(self._clusters(), self.segments())
        return sorted(found.collect(), key=lambda r: (r["cluster_id"], r["date"]))

    def _gold_runs(self) -> DataFrame:
        return jobrun_gold(self._runs(), self._run_rows())

    def run_days(self) -> list[Row]:
        """`jobruncostdaily_gold`, by run and day."""
        found = jobruncostdaily_gold(self._runs(), self._gold_runs(), self.segments())
        return sorted(found.collect(), key=lambda r: (r["run_id"], r["startEpochMS"], r["date"]))

    def run_facts(self) -> list[Row]:
        """`jobruncostpotentialfact_gold`, by run."""
        facts = clusterstatefact_gold(self._clusters(), self.states(), self._specs(), self.segments())
        found = jobruncostpotentialfact_gold(
            self._runs(),
            self._gold_runs(),
            self.segments(),
            cluster_gold(self._clusters(), self._specs()),
            facts,
            rows_of(self.spark, sparkjob_gold, *self.spark_jobs),
            rows_of(self.spark, sparktask_gold, *self.spark_tasks),
        )
        return sorted(found.collect(), key=lambda r: (r["run_id"], r["startEpochMS"]))
