"""Module 2101: what clusters cost, in pieces that add up. All money comes from here."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.bronze.instancedetails import instancedetails as NODES
from overwatch_assets.contract import AsOf, Column, Fold, Invariant, Linked, table
from overwatch_assets.rules.cost_segments import (
    AMOUNTS,
    Definition,
    Occupant,
    Prices,
    Stretch,
    price_key,
    prices_by,
    segments,
)
from overwatch_assets.rules.days import day_of
from overwatch_assets.rules.money import EVERYTHING_PRICED
from overwatch_assets.rules.per_entity import answered, gathered
from overwatch_assets.rules.run_costs import on_clusters
from overwatch_assets.rules.spark_time import date_of

AMOUNTS_TYPE = f"struct<{','.join(f'{name}:bigint' for name in AMOUNTS)}>"
SHARES_TYPE = f"array<struct<run_id:bigint,run_start:bigint,charged_to_run_id:bigint,amounts:{AMOUNTS_TYPE}>>"
_NODE = (
    "API_Name",
    "vCPUs",
    "Memory_GB",
    "Compute_Contract_Price",
    "On_Demand_Cost_Hourly",
    "Linux_Reserved_Cost_Hourly",
    "Hourly_DBUs",
    "isActive",
    "activeFrom",
    "activeUntil",
)
_SPECS = f"struct<{','.join(f'{name}:{NODES.by_name[name].type}' for name in _NODE)}>"
_UNITS = "costs in trillionths of a dollar, DBUs in trillionths, cores in core milliseconds"

_OF_STATE = (
    Column("state", "string", "State that it is a part of.", nullable=False),
    Column("unixTimeMS_state_start", "bigint", "Start of that state, epoch ms.", nullable=False),
    Column("state_start_date", "date", "UTC day of it.", nullable=False),
    Column("is_open", "boolean", "The state has not ended yet, and it is its last segment so far.", nullable=False),
    Column("current_num_workers", "bigint", "Workers at the state's start: they cost DBUs."),
    Column("target_num_workers", "bigint", "Workers that the state aims at: they cost compute."),
)
_OF_DEFINITION = (
    Column("driver_node_type_id", "string", "Node type of the driver, by the definition at the state's start."),
    Column("node_type_id", "string", "Node type of the workers."),
    Column("sku", "string", "SKU that its DBUs are sold as."),
    Column("runtime_engine", "string", "STANDARD or PHOTON."),
)
_SEGMENT = (
    Column("segment_start", "bigint", "Start, epoch ms.", nullable=False),
    Column("segment_end", "bigint", "End, exclusive, epoch ms.", nullable=False),
    *_OF_STATE,
    *_OF_DEFINITION,
    Column("driverSpecs", _SPECS, "Row of instanceDetails that prices the driver."),
    Column("workerSpecs", _SPECS, "Row of instanceDetails that prices the workers."),
    Column("dbu_rate", "double", "Dollars a DBU, the Photon factor left out."),
    Column("photon_factor", "double", "What DBUs are multiplied by for the engine."),
    Column(
        "cost_status",
        "string",
        "`priced`, or which price or fact is missing, or how a gap was bridged.",
        nullable=False,
    ),
    Column("amounts", AMOUNTS_TYPE, f"What it comes to; null: not known; {_UNITS}.", nullable=False),
    Column("idle", AMOUNTS_TYPE, "The part of it that no run used.", nullable=False),
    Column("paying_runs", "int", "How many runs share it.", nullable=False),
    Column(
        "shares",
        SHARES_TYPE,
        "Each run's part; 0 for a run that `charged_to_run_id`, which started it, pays for.",
        nullable=False,
    ),
    Column("run_ids", "array<bigint>", "The runs.", nullable=False),
    Column(
        "node_types_used", "array<string>", "Node types that a price was looked for, in lower case.", nullable=False
    ),
    Column("skus_used", "array<string>", "SKUs that a rate was looked for.", nullable=False),
)


def _lost(segments: DataFrame) -> DataFrame:
    """Segments of which the runs' shares and the idle part are not the whole."""

    def differs(name: str) -> SparkColumn:
        zero = F.lit(0).cast("bigint")
        shared = F.aggregate("shares", zero, lambda whole, s: whole + F.coalesce(s["amounts"][name], zero))
        return shared + F.coalesce(F.col("idle")[name], zero) != F.coalesce(F.col("amounts")[name], zero)

    found = F.filter(F.array(*(F.when(differs(n), F.lit(n)) for n in AMOUNTS)), lambda n: n.isNotNull())
    return segments.select(F.array_join(found, ", ").alias("parts")).where(F.col("parts") != "")


@table(
    module_id=2101,
    module_name="Silver_ClusterCostSegments",
    rebuild=Fold(),
    entity=("cluster_id", "segment_date"),
    links=("run_ids", "state_start_date"),
    keys=("cluster_id", "segment_start"),
    partition="segment_date",
    z_order=("cluster_id", "segment_start"),
    invariants=(
        EVERYTHING_PRICED,
        Invariant("conserved", "Runs' shares and what no run used are the cluster's cost, to the last unit.", _lost),
    ),
    inputs={
        "cluster_state_detail_silver": Linked(("cluster_id",)),
        "jobrun_silver": Linked(("clusterId",), open="is_open"),
        "cluster_spec_silver": Linked(("cluster_id",), earlier="cluster_id"),
        "instancedetails": AsOf(key="node_type_key", stored="node_types_used"),
        "dbucostdetails": AsOf(key="sku", stored="skus_used"),
        "photonfactors": AsOf(key="sku", stored="skus_used"),
    },
    columns=(
        Column("cluster_id", "string", "Cluster.", source=("cluster_state_detail_silver.cluster_id",), nullable=False),
        Column("segment_date", "date", "UTC day that it lies in.", nullable=False),
        *_SEGMENT,
    ),
)
def cluster_cost_segments_silver(
    spans: DataFrame,
    cluster_state_detail_silver: DataFrame,
    jobrun_silver: DataFrame,
    cluster_spec_silver: DataFrame,
    instancedetails: DataFrame,
    dbucostdetails: DataFrame,
    photonfactors: DataFrame,
) -> DataFrame:
    """What each cluster costs, in segments in which neither state, price nor runs change.

    One row: one segment of one state of one cluster. States of no length have none.
    """
    states = cluster_state_detail_silver.select(
        "cluster_id",
        "state",
        F.col("unixTimeMS_state_start").alias("start"),
        F.col("unixTimeMS_state_end_exclusive").alias("end"),
        "is_open",
        F.col("isRunning").alias("running"),
        F.col("databricks_billable").alias("dbu_billable"),
        F.col("current_num_workers").alias("current"),
        F.col("target_num_workers").alias("target"),
    )
    runs = on_clusters(jobrun_silver, F.col("runId").alias("run_id"), F.col("parentRunId").alias("parent"))
    specs = cluster_spec_silver.select(
        "cluster_id",
        F.col("timestamp").alias("ms"),
        "sequence",
        F.col("driver_node_type_id").alias("driver_node_type"),
        F.col("node_type_id").alias("node_type"),
        "is_single_node",
        "sku",
        F.col("runtime_engine").alias("engine"),
    )
    node_types = F.explode(F.array("driver_node_type", "node_type"))
    known = {
        "states": states,
        "runs": runs,
        "specs": specs,
        "nodes": _asked_for(specs, node_types, instancedetails, "node_type_key"),
        "rates": _asked_for(specs, F.col("sku"), dbucostdetails, "sku"),
        "factors": _asked_for(specs, F.col("sku"), photonfactors, "sku"),
    }
    clusters = spans.groupBy("cluster_id").agg(
        F.collect_list("segment_date").alias("days"), F.first("loaded_until").alias("loaded_until")
    )
    found = answered(gathered(clusters, ("cluster_id",), known), _segments, _DDL)
    return found.select(
        "cluster_id", date_of(F.col("segment_start")).alias("segment_date"), *(c.name for c in _SEGMENT)
    )


_DDL = ",".join(["cluster_id:string", *(f"{c.name}:{c.type}" for c in _SEGMENT)])


def _asked_for(specs: DataFrame, key: SparkColumn, prices: DataFrame, key_column: str) -> DataFrame:
    """The price rows that each cluster's definitions ask for."""
    asked = specs.select("cluster_id", key.alias("_asked")).select(
        "cluster_id", F.lower(F.trim("_asked")).alias("_key")
    )
    rows = prices.drop("organization_id", "workspace_name", "Pipeline_SnapTS", "Overwatch_RunID")
    return asked.distinct().join(rows, F.col("_key") == F.lower(key_column)).drop("_key")


def _segments(entity: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    runs_until = entity["loaded_until"]["jobrun_silver"]
    engines: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in entity["factors"] or ():
        engines[price_key(row["engine"])].append(row)
    prices = Prices(
        nodes=prices_by(
            "node_type_key",
            entity["nodes"] or (),
            compute="Compute_Contract_Price",
            dbus="Hourly_DBUs",
            vcpus="vCPUs",
        ),
        rates=prices_by("sku", entity["rates"] or (), rate="contract_price"),
        factors={
            (sku, engine): found
            for engine, rows in engines.items()
            for sku, found in prices_by("sku", rows, factor="factor").items()
        },
    )
    found = segments(
        states=[Stretch(**state) for state in entity["states"] or ()],
        definitions=[Definition(**spec) for spec in entity["specs"] or ()],
        occupants=[
            Occupant(
                run["run_id"],
                run["start"],
                max(runs_until, run["start"]) if run["end"] is None else run["end"],
                run["parent"],
            )
            for run in entity["runs"] or ()
        ],
        prices=prices,
        days=entity["days"],
    )
    defined: dict[Definition | None, dict[str, Any]] = {}
    for segment in found:
        if segment.definition not in defined:
            defined[segment.definition] = _of_definition(segment.definition)
        yield {
            "cluster_id": entity["cluster_id"],
            "segment_start": segment.start,
            "segment_end": segment.end,
            "state": segment.state.state,
            "unixTimeMS_state_start": segment.state.start,
            "state_start_date": day_of(segment.state.start),
            "is_open": segment.state.is_open and segment.end == segment.state.end,
            "current_num_workers": segment.state.current,
            "target_num_workers": segment.state.target,
            **defined[segment.definition],
            "driverSpecs": segment.driver or None,
            "workerSpecs": segment.worker or None,
            "dbu_rate": segment.dbu_rate,
            "photon_factor": segment.photon_factor,
            "cost_status": segment.cost_status,
            "amounts": segment.amounts,  # a struct of Arrow takes a tuple as its members, in their order
            "idle": segment.idle,
            "paying_runs": segment.runs,
            "shares": [
                {
                    "run_id": s.run_id,
                    "run_start": s.run_start,
                    "charged_to_run_id": s.charged_to,
                    "amounts": s.amounts,
                }
                for s in segment.shares
            ],
            "run_ids": sorted({s.run_id for s in segment.shares}),
        }


def _of_definition(definition: Definition | None) -> dict[str, Any]:
    """What a segment shows of its cluster's definition, and the keys of the prices that are looked for by it."""
    if definition is None:
        return {**dict.fromkeys(c.name for c in _OF_DEFINITION), "node_types_used": [], "skus_used": []}
    nodes = (definition.driver_node_type, definition.node_type)
    return {
        "driver_node_type_id": definition.driver_node_type,
        "node_type_id": definition.node_type,
        "sku": definition.sku,
        "runtime_engine": definition.engine,
        "node_types_used": sorted({price_key(node) for node in nodes if node}),
        "skus_used": [definition.sku] if definition.sku else [],
    }
