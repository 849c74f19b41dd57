"""Module 3010: Spark jobs, for queries."""

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.contract import AsOf, Column, Fold, Linked, View, table
from overwatch_assets.rules.renamed import Renamed, values_of
from overwatch_assets.rules.spark_gold import KEY, common_values, contract_of
from overwatch_assets.silver.spark_jobs_silver import spark_jobs_silver as SILVER

_COLUMNS = (
    Renamed("job_id", "JobID", "Spark job.", nullable=False),
    Renamed("job_group_id", "JobGroupID", "Job group."),
    Renamed("execution_id", "ExecutionID", "SQL execution."),
    Renamed("stage_ids", "StageIDs", "Its stages."),
    Renamed("stage_infos", "StageInfos", "Its stages as they stood when it was submitted, skipped ones included."),
    Renamed("job_runtime", "JobRunTime", "From submission to completion."),
    Renamed("job_result", "JobResult", "How it ended; null while it is open."),
    Renamed("user_lookup_keys", "AsksFor", "Identities by which its user was looked up; null: it names its user."),
)
_SILVER_KEY = ("clusterId", "SparkContextID", "JobID")
_REPL = "5:"
_NAME = "PowerProperties.ClusterDetails.Name"
_STATED = {"job": "SparkDBJobID", "run": "SparkDBRunID"}


@table(
    module_id=3010,
    module_name="Gold_SparkJob",
    rebuild=Fold(),
    entity=(*KEY, "job_id"),
    links=("run_id",),
    keys=(*KEY, "job_id", "unixTimeMS"),
    partition="date",
    z_order=("cluster_id",),
    inputs={
        "spark_jobs_silver": (
            Linked(_SILVER_KEY),
            AsOf(key="VouchesFor", uses="AsksFor", stored="user_lookup_keys"),
        ),
        "cluster_spec_silver": AsOf(key="cluster_id", stored="cluster_lookup_keys", optional=True),
    },
    view=View(
        "sparkJob",
        (
            "organization_id",
            "workspace_name",
            "spark_context_id",
            "job_id",
            "job_group_id",
            "execution_id",
            "stage_ids",
            "cluster_id",
            "notebook_id",
            "notebook_path",
            "db_job_id",
            "db_id_in_job",
            "db_job_type",
            "unixTimeMS",
            "timestamp",
            "date",
            "job_runtime",
            "job_result",
            "event_log_start",
            "event_log_end",
            "user_email",
            "stage_infos",
        ),
    ),
    columns=(
        *contract_of(SILVER, _COLUMNS),
        Column("notebook_id", "string", "Notebook that ran it."),
        Column("notebook_path", "string", "Path of the notebook."),
        Column(
            "db_job_id",
            "string",
            "Databricks job: of the properties, else of the job group, else of the cluster's name.",
        ),
        Column("db_run_id", "string", "Run, of the properties alone."),
        Column("db_id_in_job", "string", "Run: of the properties, else of the job group, else of the cluster's name."),
        Column("run_id", "bigint", "The same as a number, as `jobRun` has it; null: it is none."),
        Column("db_job_type", "string", "Type of the Databricks job."),
        Column(
            "cluster_lookup_keys",
            "array<string>",
            "The cluster, if its definitions were looked up for its name; null: the job's properties tell enough.",
        ),
        Column(
            "user_email",
            "string",
            "User: of the job, else the one of its principal, isolation, group or execution, else its REPL's last.",
        ),
    ),
)
def sparkjob_gold(spans: DataFrame, spark_jobs_silver: DataFrame, cluster_spec_silver: DataFrame) -> DataFrame:
    """Every Spark job with its Databricks job, notebook and user. One row: one job of one Spark context.

    The input holds the jobs of the spans and, for those that name no user, the jobs of all time that could name it.
    """
    entity = ("cluster_id", "spark_context_id", "job_id")
    match = [F.col(s) == F.col(f"_{e}") for s, e in zip(_SILVER_KEY, entity, strict=True)]
    own = spark_jobs_silver.join(spans.select(*(F.col(e).alias(f"_{e}") for e in entity)), match, "leftsemi")
    jobs = _job_clusters(cluster_spec_silver).join(
        own.join(_users(own, spark_jobs_silver), list(_SILVER_KEY), "left"), F.col("_id") == F.col("clusterId"), "right"
    )
    power = F.col("PowerProperties")
    stated = {word: F.coalesce(power[of_job], _id_after(word)) for word, of_job in _STATED.items()}
    nameless = F.col(_NAME).isNull()
    found = {w: F.coalesce(stated[w], F.when(nameless, _number(F.col("_name"), w))) for w in stated}
    asks = nameless & (stated["job"].isNull() | stated["run"].isNull())
    return jobs.select(
        *common_values(),
        *values_of(_COLUMNS),
        power["NotebookID"].alias("notebook_id"),
        power["NotebookPath"].alias("notebook_path"),
        found["job"].alias("db_job_id"),
        power["SparkDBRunID"].alias("db_run_id"),
        found["run"].alias("db_id_in_job"),
        found["run"].try_cast("bigint").alias("run_id"),
        power["sparkDBJobType"].alias("db_job_type"),
        F.when(asks, F.array("clusterId")).alias("cluster_lookup_keys"),
        F.coalesce(power["UserEmail"], F.col("_user")).alias("user_email"),
    )


def _id_after(word: str) -> SparkColumn:
    """The number after a word in the third part of the job group, else in the cluster's name in the properties."""
    name = F.col(_NAME)
    group = F.when(F.col("JobGroupID").like("%job-%-run-%"), F.get(F.split("JobGroupID", "_"), F.lit(2)))
    return F.coalesce(_number(group, word), _number(F.when(name.like("job-%-run-%"), name), word))


def _number(text: SparkColumn, word: str) -> SparkColumn:
    """The number after `job-` or `-run-`."""
    number = F.regexp_extract(text, r"job-(\d+)" if word == "job" else r"-run-(\d+)", 1)
    return F.when(number != "", number)


def _job_clusters(definitions: DataFrame) -> DataFrame:
    """Names of the clusters that the jobs service made."""
    latest = F.max(F.struct("timestamp", "sequence", "cluster_name"))
    return (
        definitions.where("is_automated")
        .groupBy(F.col("cluster_id").alias("_id"))
        .agg(latest.getField("cluster_name").alias("_name"))
    )


def _users(own: DataFrame, jobs: DataFrame) -> DataFrame:
    """The user of each job that names none: of an identity that has one user, or of its REPL the last one before it."""
    asked = own.select(*_SILVER_KEY, F.col("startTimestamp").alias("_at"), F.explode("AsksFor").alias("_key"))
    known = jobs.where(F.col("PowerProperties.UserEmail").isNotNull()).select(
        F.explode("VouchesFor").alias("_key"),
        F.col("PowerProperties.UserEmail").alias("_email"),
        F.col("startTimestamp").alias("_seen"),
    )
    is_repl = F.col("_key").startswith(_REPL)
    alone = (
        known.where(~is_repl)
        .groupBy("_key")
        .agg(F.min("_email").alias("_email"), F.max("_email").alias("_other"))
        .where(F.col("_email") == F.col("_other"))
        .select("_key", "_email")
    )
    by_identity = asked.join(alone, "_key").select(*_SILVER_KEY, "_key", "_email")
    before = asked.join(known.where(is_repl), "_key").where(F.col("_seen") <= F.col("_at"))
    by_repl = before.groupBy(*_SILVER_KEY, "_key").agg(
        F.max(F.struct("_seen", "_email")).getField("_email").alias("_email")
    )
    return (
        by_identity.unionByName(by_repl)
        .groupBy(*_SILVER_KEY)
        .agg(F.min(F.struct("_key", "_email")).getField("_email").alias("_user"))
    )
