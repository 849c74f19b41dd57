"""Module 3102: what each job run cost on each day."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Fold, Linked, View, table
from overwatch_assets.gold.jobrun_gold import jobrun_gold as RUNS
from overwatch_assets.rules.cost_segments import HOUR_MS
from overwatch_assets.rules.money import COST_STATUS, PARTS, TOTAL_COST, money, statuses, sums
from overwatch_assets.rules.renamed import renamed_columns, same, values_of
from overwatch_assets.rules.run_costs import shares_of

_OF_RUN = same(
    "job_id",
    "job_name",
    "job_run_id",
    "task_run_id",
    "task_key",
    "run_name",
    "cluster_name",
    "task_type",
)
_COLUMNS = (
    Column("run_id", "bigint", "Run of a task, or of a job without tasks.", nullable=False),
    Column("cluster_id", "string", "Cluster that it ran on.", nullable=False),
    Column("date", "date", "UTC day.", source=("cluster_cost_segments_silver.segment_date",), nullable=False),
    Column(
        "startEpochMS", "bigint", "Start of the run, epoch ms.", source=("jobrun_gold.startEpochMS",), nullable=False
    ),
    *renamed_columns(RUNS, _OF_RUN),
    Column("hours", "double", "Hours of the day that it was on the cluster, in any of the cluster's states."),
    Column("total_dbus", "double", "DBUs of its part of all nodes."),
    *PARTS,
    Column("total_dbu_cost", "double", "DBUs of its part of all nodes, dollars."),
    TOTAL_COST,
    COST_STATUS,
    Column("charged_to_run_id", "bigint", "Run that started this one and pays for it; null: it pays itself."),
)


@table(
    module_id=3102,
    module_name="Gold_JobRunCostDaily",
    rebuild=Fold(),
    entity=("run_id", "date"),
    keys=("run_id", "startEpochMS", "cluster_id", "date"),
    partition="date",
    inputs={"jobrun_gold": Linked(("run_id",)), "cluster_cost_segments_silver": Linked(("run_ids", "segment_date"))},
    view=View("jobRunCostDaily", ("organization_id", "workspace_name", *(c.name for c in _COLUMNS))),
    columns=_COLUMNS,
)
def jobruncostdaily_gold(
    spans: DataFrame, jobrun_gold: DataFrame, cluster_cost_segments_silver: DataFrame
) -> DataFrame:
    """What each job run cost on each UTC day that it ran, exactly: its days sum to it.

    One row: one run on one cluster and day.
    """
    lasted = F.sum(F.col("segment_end") - F.col("segment_start")) / F.lit(float(HOUR_MS))
    cost = (
        shares_of(spans, cluster_cost_segments_silver)
        .groupBy("run_id", "startEpochMS", "cluster_id", F.col("segment_date").alias("date"))
        .agg(
            *sums(F.col("mine")),
            lasted.alias("hours"),
            statuses(F.col("cost_status")).alias("cost_status"),
            F.max("charged_to_run_id").alias("charged_to_run_id"),
        )
    )
    runs = jobrun_gold.select("run_id", "startEpochMS", *values_of(_OF_RUN))
    return cost.join(runs, ["run_id", "startEpochMS"], "left").select(
        "run_id",
        "cluster_id",
        "date",
        "startEpochMS",
        *(r.name for r in _OF_RUN),
        "hours",
        *(value.alias(name) for name, value in money().items()),
        "cost_status",
        "charged_to_run_id",
    )
