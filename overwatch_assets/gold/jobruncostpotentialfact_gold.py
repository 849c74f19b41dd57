"""Module 3015: what job runs cost, and how much of their clusters they used."""

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.contract import AsOf, Column, Fold, Linked, View, table
from overwatch_assets.gold.jobrun_gold import jobrun_gold as RUNS
from overwatch_assets.rules.cluster_states import CREATING
from overwatch_assets.rules.cost_segments import HOUR_MS, NO_STATE, NO_STATE_FOR_ALL, PRICED
from overwatch_assets.rules.lookups import lookup_when
from overwatch_assets.rules.money import COST_STATUS, EVERYTHING_PRICED, PARTS, TOTAL_COST, money, statuses, sums
from overwatch_assets.rules.renamed import Renamed, renamed_columns, same, values_of
from overwatch_assets.rules.run_costs import shares_of
from overwatch_assets.rules.spark_time import date_of
from overwatch_assets.rules.windows import rows_in_order

_OF_RUN = (
    *same(
        "job_id",
        "job_name",
        "run_id",
        "job_run_id",
        "task_run_id",
        "task_key",
        "repair_id",
        "run_name",
        "startEpochMS",
        "cluster_id",
        "multitask_parent_run_id",
        "parent_run_id",
        "task_runtime",
        "task_execution_runtime",
        "terminal_state",
        "job_trigger_type",
        "task_type",
        "created_by",
        "last_edited_by",
    ),
    Renamed("openRun", "is_open", "The run has not ended."),
)
_STATE = ("cluster_id", "unixTimeMS_state_start", "state")
_OF_SEGMENT = ("driver_node_type_id", "node_type_id", "dbu_rate")
_VIEW = (
    "organization_id",
    "workspace_name",
    "job_id",
    "job_name",
    "run_id",
    "job_run_id",
    "task_run_id",
    "task_key",
    "repair_id",
    "run_name",
    "startEpochMS",
    "cluster_id",
    "cluster_name",
    "cluster_type",
    "cluster_tags",
    *_OF_SEGMENT,
    "multitask_parent_run_id",
    "parent_run_id",
    "task_runtime",
    "task_execution_runtime",
    "terminal_state",
    "job_trigger_type",
    "task_type",
    "created_by",
    "last_edited_by",
    "running_days",
    "avg_cluster_share",
    "avg_overlapping_runs",
    "max_overlapping_runs",
    "run_cluster_states",
    "worker_potential_core_H",
    "driver_compute_cost",
    "driver_dbu_cost",
    "worker_compute_cost",
    "worker_dbu_cost",
    "total_driver_cost",
    "total_worker_cost",
    "total_compute_cost",
    "total_dbu_cost",
    "total_cost",
    "total_dbus",
    "spark_task_runtimeMS",
    "spark_task_runtime_H",
    "job_run_cluster_util",
    "cost_status",
    "charged_to_run_id",
)


@table(
    module_id=3015,
    module_name="Gold_jobRunCostPotentialFact",
    rebuild=Fold(),
    entity=("run_id",),
    keys=("run_id", "startEpochMS"),
    partition="startDate",
    invariants=(EVERYTHING_PRICED,),
    inputs={
        "jobrun_gold": Linked(("run_id",)),
        "cluster_cost_segments_silver": Linked(("run_ids",), on="jobrun_gold"),
        "cluster_gold": AsOf(
            "cluster_id",
            "clusters_used",
            uses="jobrun_gold.cluster_id",
            since="startDate",
            earlier="cluster_name",
        ),
        "clusterstatefact_gold": Linked(("run_ids",), on="cluster_cost_segments_silver.state_start_date"),
        "sparkjob_gold": Linked(("run_id",), optional=True),
        "sparktask_gold": AsOf(
            "spark_context_id", "contexts_used", uses="sparkjob_gold.spark_context_id", optional=True
        ),
    },
    view=View("jobRunCostPotentialFact", _VIEW),
    columns=(
        *renamed_columns(RUNS, _OF_RUN),
        Column("startDate", "date", "UTC day of the start.", nullable=False),
        Column("cluster_name", "string", "Name of the cluster."),
        Column("cluster_tags", "string", "Tags of the cluster in the last state of it that the run met, JSON."),
        Column("cluster_type", "string", "automated: made for the run or its job; interactive: any other."),
        Column("driver_node_type_id", "string", "Node type of the driver, at the run's end."),
        Column("node_type_id", "string", "Node type of the workers, at the run's end."),
        Column("dbu_rate", "double", "Dollars a DBU, the Photon factor left out, at the run's end."),
        Column(
            "running_days",
            "array<date>",
            "UTC days that it ran; of an open run as far as its cluster is known.",
        ),
        Column("avg_cluster_share", "double", "Share of the cluster that it had, as a mean over the cluster's states."),
        Column("avg_overlapping_runs", "double", "Other runs that shared the cluster, as a mean over its states."),
        Column("max_overlapping_runs", "double", "The most other runs at one time."),
        Column("run_cluster_states", "bigint", "States of the cluster that it met."),
        Column(
            "worker_potential_core_H", "double", "Core hours that could run tasks while it ran, of all the cluster."
        ),
        Column("total_dbus", "double", "DBUs of its part."),
        *PARTS,
        Column("total_dbu_cost", "double", "DBUs of its part, dollars."),
        TOTAL_COST,
        Column("spark_task_runtimeMS", "bigint", "Time of its Spark tasks, ms; null: no event log names the run."),
        Column("spark_task_runtime_H", "double", "The same in hours."),
        Column(
            "job_run_cluster_util",
            "double",
            "Its tasks' hours by the core hours that it could have used; null: not all are known.",
        ),
        COST_STATUS,
        Column("charged_to_run_id", "bigint", "Run that started this one and pays for it; null: it pays itself."),
        Column("clusters_used", "array<string>", "Clusters that were looked up."),
        Column("contexts_used", "array<string>", "Spark contexts that were looked up."),
    ),
)
def jobruncostpotentialfact_gold(
    spans: DataFrame,
    jobrun_gold: DataFrame,
    cluster_cost_segments_silver: DataFrame,
    cluster_gold: DataFrame,
    clusterstatefact_gold: DataFrame,
    sparkjob_gold: DataFrame,
    sparktask_gold: DataFrame,
) -> DataFrame:
    """Every run on a cluster: what it cost, its share of the cluster, and how much of it Spark used.

    One row: one run that has started on a cluster.
    """
    runs = jobrun_gold.where(F.col("startEpochMS").isNotNull() & F.col("cluster_id").isNotNull())
    found = (
        runs.select(
            *values_of(_OF_RUN),
            F.col("endEpochMS").alias("_end"),
            F.col("cluster_name").alias("_name"),
            F.when(F.col("cluster_type").isin("new", "job_cluster"), F.lit("automated"))
            .otherwise(F.lit("interactive"))
            .alias("cluster_type"),
        )
        .join(_costs(spans, cluster_cost_segments_silver, clusterstatefact_gold), ["run_id", "startEpochMS"], "left")
        .join(_used(runs, sparkjob_gold, sparktask_gold), ["run_id", "startEpochMS"], "left")
    )
    found = lookup_when(
        found.withColumn("_at", F.col("startEpochMS")),
        cluster_gold.select("cluster_id", "unixTimeMS", "sequence", F.col("cluster_name").alias("_cluster_name")),
        ["cluster_id"],
        "_at",
        "unixTimeMS",
        columns=["_cluster_name"],
        look_ahead=True,
        order=["sequence"],
    )
    start, until = F.col("startEpochMS"), F.coalesce("_end", "_until", "startEpochMS")
    instant = F.col("_end") == start  # it took no time, and costs nothing
    # States follow on one another, so one may lack only before the first and after the last of them; not before its
    # creation, nor after its end.
    is_part = ((start < F.col("_from")) & (F.col("_first_state") != CREATING)) | (
        (F.col("_until") < until) & F.col("_goes_on")
    )
    status = (
        F.when(instant, F.lit(PRICED))
        .when(F.col("cost_status").isNull(), F.lit(NO_STATE))
        .when(~is_part, F.col("cost_status"))
        .when(F.col("cost_status") == PRICED, F.lit(NO_STATE_FOR_ALL))
        .otherwise(F.concat("cost_status", F.lit(f"; {NO_STATE_FOR_ALL}")))
    )

    def of_time(amount: SparkColumn) -> SparkColumn:
        return F.when(instant, F.lit(0.0)).otherwise(amount)

    hours = F.col("spark_task_runtimeMS") / F.lit(float(HOUR_MS))
    potential = of_time(F.col("_potential"))
    return found.select(
        *(r.name for r in _OF_RUN),
        date_of(start).alias("startDate"),
        F.coalesce("_name", "_cluster_name").alias("cluster_name"),
        "cluster_tags",
        "cluster_type",
        *_OF_SEGMENT,
        F.sequence(date_of(start), date_of(F.greatest(until - 1, start))).alias("running_days"),
        "avg_cluster_share",
        "avg_overlapping_runs",
        "max_overlapping_runs",
        F.coalesce("run_cluster_states", F.lit(0)).cast("bigint").alias("run_cluster_states"),
        potential.alias("worker_potential_core_H"),
        *(of_time(value).alias(name) for name, value in money().items()),
        "spark_task_runtimeMS",
        hours.alias("spark_task_runtime_H"),
        F.when((potential > 0) & ~is_part, F.round(hours / potential, 4)).alias("job_run_cluster_util"),
        status.alias("cost_status"),
        "charged_to_run_id",
        F.array("cluster_id").alias("clusters_used"),
        F.coalesce("_contexts", F.array().cast("array<string>")).alias("contexts_used"),
    )


def _costs(spans: DataFrame, segments: DataFrame, states: DataFrame) -> DataFrame:
    """What each run's segments come to."""
    mine = shares_of(spans, segments)
    lasted = F.col("segment_end") - F.col("segment_start")
    others = F.greatest(F.col("paying_runs") - 1, F.lit(0))
    pays = F.col("charged_to_run_id").isNull()
    of_state = mine.groupBy("run_id", "startEpochMS", "cluster_id", "unixTimeMS_state_start", "state").agg(
        (F.sum(F.when(pays, lasted / F.col("paying_runs")).otherwise(0.0)) / F.sum(lasted)).alias("share"),
        F.max(others).alias("others"),
    )
    per_state = of_state.groupBy("run_id", "startEpochMS").agg(
        F.round(F.avg("share"), 4).alias("avg_cluster_share"),
        F.round(F.avg("others"), 2).alias("avg_overlapping_runs"),
        F.max("others").cast("double").alias("max_overlapping_runs"),
        F.count(F.lit(1)).alias("run_cluster_states"),
    )
    whole = F.col("amounts.worker_potential_core_ms")
    sums_of_all = mine.groupBy("run_id", "startEpochMS").agg(
        *sums(F.col("mine")),
        (F.when(F.count(whole) == F.count(F.lit(1)), F.sum(whole)) / F.lit(float(HOUR_MS))).alias("_potential"),
        F.min("segment_start").alias("_from"),
        F.max("segment_end").alias("_until"),
        rows_in_order("segment_start", *_STATE, "is_open", *_OF_SEGMENT).alias("_segments"),
        F.max("charged_to_run_id").alias("charged_to_run_id"),
        statuses(F.col("cost_status")).alias("cost_status"),
    )
    last = F.element_at("_segments", -1)
    shown = sums_of_all.select(
        "*",
        F.col("_segments")[0]["state"].alias("_first_state"),
        last["is_open"].alias("_goes_on"),
        *(last[c].alias(c) for c in _OF_SEGMENT),
        *(last[c].alias(f"_{c}") for c in _STATE),
    )
    tags = states.select(
        *(F.col(c).alias(f"_{c}") for c in _STATE),
        F.col("custom_tags").alias("cluster_tags"),
    )
    return shown.join(per_state, ["run_id", "startEpochMS"]).join(tags, [f"_{c}" for c in _STATE], "left")


def _used(runs: DataFrame, jobs: DataFrame, tasks: DataFrame) -> DataFrame:
    """Time of each run's Spark tasks: each task once, however many jobs share its stage.

    A run that was started again under its id has the jobs of each of its lives apart.
    """
    lives = runs.select("run_id", "startEpochMS", F.col("startEpochMS").alias("_life"))
    of_life = lookup_when(jobs, lives, ["run_id"], "unixTimeMS", "startEpochMS", columns=["_life"], look_ahead=True)
    stages = (
        of_life.where(F.col("_life").isNotNull())
        .select(
            "run_id",
            F.col("_life").alias("startEpochMS"),
            F.col("cluster_id").alias("_cluster"),
            F.col("spark_context_id").alias("_context"),
            F.explode("stage_ids").alias("_stage"),
        )
        .distinct()
    )
    match = (
        (F.col("cluster_id") == F.col("_cluster"))
        & (F.col("spark_context_id") == F.col("_context"))
        & (F.col("stage_id") == F.col("_stage"))
    )
    times = tasks.select("cluster_id", "spark_context_id", "stage_id", F.col("task_runtime.runTimeMS").alias("_ms"))
    return (
        stages.join(times, match, "left")
        .groupBy("run_id", "startEpochMS")
        .agg(
            F.sum("_ms").alias("spark_task_runtimeMS"),
            F.array_sort(F.collect_set("_context")).alias("_contexts"),
        )
    )
