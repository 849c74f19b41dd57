"""Module 3020: states of SQL warehouses and what they cost, for queries."""

from collections.abc import Iterator, Mapping
from typing import Any

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import AsOf, Column, Fold, Linked, View, table
from overwatch_assets.rules.cost_segments import HOUR_MS, UNIT, prices_by
from overwatch_assets.rules.money import COST_STATUS, EVERYTHING_PRICED, TOTAL_COST
from overwatch_assets.rules.per_entity import answered, gathered
from overwatch_assets.rules.prices import size_key
from overwatch_assets.rules.renamed import Renamed, renamed_columns, same
from overwatch_assets.rules.warehouse_costs import Definition, Stretch, Tariff
from overwatch_assets.silver.warehouse_spec_silver import warehouse_spec_silver as SPECS
from overwatch_assets.silver.warehouse_state_detail_silver import warehouse_state_detail_silver as STATES

_START = "unixTimeMS_state_start"
_OF_STATE = same(
    "warehouse_id",
    _START,
    "state_start_date",
    "unixTimeMS_state_end",
    "timestamp_state_start",
    "timestamp_state_end",
    "state",
    "current_num_clusters",
    "target_num_clusters",
    "uptime_since_restart_S",
    "uptime_in_state_S",
    "uptime_in_state_H",
    "cloud_billable",
    "databricks_billable",
    "state_dates",
    "days_in_state",
    "unixTimeMS_state_end_exclusive",
    "is_open",
    "is_imputed",
)
_OF_SPEC = tuple(
    Renamed(n, n)
    for n in ("warehouse_name", "tags", "cluster_size", "warehouse_type", "channel", "enable_serverless_compute")
)
_COSTS = (
    Column(
        "worker_potential_core_H",
        "double",
        "Core hours of its workers, by the nodes of its size, while it cost DBUs; null: not known.",
    ),
    Column("driver_dbus", "double", "DBUs of all its clusters: Overwatch's name of `total_dbus`."),
    Column("total_dbus", "double", "DBUs of a cluster of its size, times clusters and hours; null: not known."),
    Column("sku", "string", "What its DBUs are sold as: sqlCompute (classic), sqlPro or sqlServerless."),
    Column("dbu_rate", "double", "Dollars a DBU at the state's start."),
    Column("driver_size", "string", "Node type of a cluster's driver, by `warehouseDbuDetails`."),
    Column("worker_size", "string", "Node type of its workers; of a serverless warehouse what would be its."),
    Column("worker_count", "int", "Workers of a cluster."),
    Column(
        "driver_compute_cost",
        "double",
        "What the cloud takes for the drivers of its clusters, dollars; 0: it is serverless; null: not known.",
    ),
    Column("worker_compute_cost", "double", "What the cloud takes for its workers, dollars, likewise."),
    Column("total_compute_cost", "double", "What is known of both, dollars."),
    Column("total_DBU_cost", "double", "DBUs, dollars; null: not known."),
    TOTAL_COST,
    COST_STATUS,
    Column("sizes_used", "array<string>", "Sizes that a price was looked for.", nullable=False),
    Column("skus_used", "array<string>", "SKUs that a rate was looked for.", nullable=False),
)
_FOUND = ",".join(
    [
        "_warehouse:string",
        "_start:bigint",
        "_state:string",
        *(f"{r.name}:{SPECS.by_name[r.silver].type}" for r in _OF_SPEC),
        *(f"{c.name}:{c.type}" for c in _COSTS),
    ]
)


@table(
    module_id=3020,
    module_name="Gold_WarehouseStateFact",
    rebuild=Fold(),
    entity=("warehouse_id", "state_start_date"),
    keys=("warehouse_id", "state", _START, "state_start_date"),
    partition="state_start_date",
    z_order=("warehouse_id", _START),
    invariants=(EVERYTHING_PRICED,),
    inputs={
        "warehouse_state_detail_silver": Linked(("warehouse_id", "state_start_date")),
        "warehouse_spec_silver": Linked(("warehouse_id",), earlier="warehouse_id"),
        "warehousedbudetails": AsOf(key="size_key", stored="sizes_used"),
        "dbucostdetails": AsOf(key="sku", stored="skus_used"),
    },
    view=View(
        "warehouseStateFact",
        (
            "organization_id",
            "workspace_name",
            "warehouse_id",
            "warehouse_name",
            _START,
            "tags",
            "state_start_date",
            "unixTimeMS_state_end",
            "timestamp_state_start",
            "timestamp_state_end",
            "state",
            "cluster_size",
            "current_num_clusters",
            "target_num_clusters",
            "uptime_since_restart_S",
            "uptime_in_state_S",
            "uptime_in_state_H",
            "cloud_billable",
            "databricks_billable",
            "warehouse_type",
            "state_dates",
            "days_in_state",
            "worker_potential_core_H",
            "driver_dbus",
            "total_dbus",
            "channel",
            "enable_serverless_compute",
            "sku",
            "dbu_rate",
            "driver_size",
            "worker_size",
            "worker_count",
            "driver_compute_cost",
            "worker_compute_cost",
            "total_compute_cost",
            "total_DBU_cost",
            "total_cost",
            "cost_status",
            "is_open",
            "is_imputed",
        ),
    ),
    columns=(*renamed_columns(STATES, _OF_STATE), *renamed_columns(SPECS, _OF_SPEC), *_COSTS),
)
def warehousestatefact_gold(
    spans: DataFrame,
    warehouse_state_detail_silver: DataFrame,
    warehouse_spec_silver: DataFrame,
    warehousedbudetails: DataFrame,
    dbucostdetails: DataFrame,
) -> DataFrame:
    """Every state that a SQL warehouse was in, with its definition at the state's start and what the state cost.

    One row: one state of one warehouse. Name, size, type and prices are those of the state's start.
    """
    states = warehouse_state_detail_silver.select(
        "warehouse_id",
        "state",
        F.col(_START).alias("start"),
        F.col("unixTimeMS_state_end_exclusive").alias("end"),
        F.col("isRunning").alias("running"),
        F.col("databricks_billable").alias("dbu_billable"),
        F.col("current_num_clusters").alias("clusters"),
    )
    specs = warehouse_spec_silver.select("warehouse_id", "timestamp", "sequence", *(r.silver for r in _OF_SPEC))
    prices = {"sizes": (warehousedbudetails, _SIZE), "rates": (dbucostdetails, _RATE)}
    warehouses = spans.select("warehouse_id").distinct()
    # Both price tables are small, and which of their rows are asked for is known in Python alone.
    known = {
        "states": states,
        "specs": specs,
        **{name: warehouses.crossJoin(rows.select(*columns)) for name, (rows, columns) in prices.items()},
    }
    cost = answered(gathered(warehouses, ("warehouse_id",), known), _costs, _FOUND)
    match = [
        F.col("warehouse_id") == F.col("_warehouse"),
        F.col(_START) == F.col("_start"),
        F.col("state") == F.col("_state"),
    ]
    return warehouse_state_detail_silver.join(cost, match).select(
        *(r.name for r in (*_OF_STATE, *_OF_SPEC)), *(c.name for c in _COSTS)
    )


_VALID = ("valid_from_ms", "valid_until_ms")
_NODES = ("driver_size", "worker_size", "worker_count", "total_dbus", "worker_vCPUs")
_SIZE = ("size_key", *_VALID, *_NODES, "driver_compute_price", "worker_compute_price")
_RATE = ("sku", *_VALID, "contract_price")


def _costs(entity: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    tariff = Tariff(
        definitions=[
            Definition(
                s["timestamp"],
                s["sequence"],
                s["cluster_size"],
                s["warehouse_type"],
                s["enable_serverless_compute"],
                {r.name: s[r.silver] for r in _OF_SPEC},
            )
            for s in entity["specs"] or ()
        ],
        sizes=prices_by("size_key", entity["sizes"] or ()),
        rates=prices_by("sku", entity["rates"] or (), rate="contract_price"),
    )
    for state in entity["states"] or ():
        stretch = Stretch(state["start"], state["end"], state["running"], state["dbu_billable"], state["clusters"])
        cost = tariff.cost(stretch)
        definition = cost.definition
        size = definition.size if definition else None
        sku = definition.sku if definition else None
        yield {
            "_warehouse": entity["warehouse_id"],
            "_start": state["start"],
            "_state": state["state"],
            **({r.name: None for r in _OF_SPEC} if definition is None else definition.row),
            "worker_potential_core_H": _in(cost.worker_core_ms, HOUR_MS),
            "driver_dbus": _in(cost.dbus, UNIT),
            "total_dbus": _in(cost.dbus, UNIT),
            "sku": sku,
            "dbu_rate": cost.rate,
            **{name: cost.size.get(name) for name in ("driver_size", "worker_size", "worker_count")},
            "driver_compute_cost": _in(cost.driver_compute_cost, UNIT),
            "worker_compute_cost": _in(cost.worker_compute_cost, UNIT),
            "total_compute_cost": _in(cost.compute_cost, UNIT),
            "total_DBU_cost": _in(cost.dbu_cost, UNIT),
            "total_cost": _in(cost.total_cost, UNIT),
            "cost_status": cost.cost_status,
            "sizes_used": [size_key(size)] if size else [],
            "skus_used": [sku] if sku else [],
        }


def _in(amount: int | None, unit: int) -> float | None:
    return None if amount is None else amount / unit
