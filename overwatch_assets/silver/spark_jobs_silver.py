"""Module 2006: Spark jobs."""

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.contract import Column, Events, Fold, table
from overwatch_assets.rules import spark_events as spark
from overwatch_assets.rules.names import scrubbed
from overwatch_assets.rules.spark_fold import (
    CONTEXT,
    CONTEXT_COLUMNS,
    Side,
    event_log_columns,
    first_and_last,
    run_time,
    run_time_columns,
)

# Member of PowerProperties -> key of the event's Properties, as bronze has it.
_POWER = {
    "AppName": "sparkappname",
    "WorkspaceURL": "sparkdatabricksapiurl",
    "JobGroupID": "sparkjobGroupid",
    "CloudProvider": "sparkdatabrickscloudProvider",
    "principalIdpObjectId": "principalIdpObjectId",
    "NotebookID": "sparkdatabricksnotebookid",
    "NotebookPath": "sparkdatabricksnotebookpath",
    "SparkContextID": "sparkdatabrickssparkContextId",
    "DriverHostIP": "sparkdriverhost",
    "DriverMaxResults": "sparkdrivermaxResultSize",
    "ExecutorID": "sparkexecutorid",
    "ExecutorMemory": "sparkexecutormemory",
    "ExecutionID": "sparksqlexecutionid",
    "ExecutionParent": "sparksqlexecutionparent",
    "SparkDBIsolationID": "sparkdatabricksisolationID",
    "AzureOAuth2ClientID": "sparkhadoopfsazureaccountoauth2clientid",
    "RDDScope": "sparkrddscope",
    "SparkDBREPLID": "sparkdatabricksreplId",
    "SparkDBJobID": "sparkdatabricksjobid",
    "SparkDBRunID": "sparkdatabricksjobrunId",
    "sparkDBJobType": "sparkdatabricksjobtype",
    "ShufflePartitions": "sparksqlshufflepartitions",
    "UserEmail": "user",
    "UserID": "userID",
}
_TAGS = "sparkdatabricksclusterUsageTags"
_CLUSTER = {
    "ClusterSource": "sparkdatabricksclusterSource",
    "AutoTerminationMinutes": f"{_TAGS}autoTerminationMinutes",
    "ClusterTags": f"{_TAGS}clusterAllTags",
    "ClusterAvailability": f"{_TAGS}clusterAvailability",
    "ClusterID": f"{_TAGS}clusterId",
    "InstancePoolID": f"{_TAGS}clusterInstancePoolId",
    "MaxWorkers": f"{_TAGS}clusterMaxWorkers",
    "MinWorkers": f"{_TAGS}clusterMinWorkers",
    "Name": f"{_TAGS}clusterName",
    "OwnerUserID": f"{_TAGS}clusterOwnerUserId",
    "ScalingType": f"{_TAGS}clusterScalingType",
    "SpotBidPricePercent": f"{_TAGS}clusterSpotBidPricePercent",
    "TargetWorkers": f"{_TAGS}clusterTargetWorkers",
    "ActualWorkers": f"{_TAGS}clusterWorkers",
    "ZoneID": f"{_TAGS}containerZoneId",
    "Region": f"{_TAGS}dataPlaneRegion",
    "DriverNodeType": f"{_TAGS}driverNodeType",
    "SparkVersion": f"{_TAGS}sparkVersion",
    "WorkerNodeType": "sparkdatabricksworkerNodeTypeId",
}
_POWER_TYPE = (
    "struct<"
    + ",".join(f"{name}:string" for name in _POWER)
    + ",ClusterDetails:struct<"
    + ",".join(f"{name}:string" for name in _CLUSTER)
    + ">>"
)
_PROPERTIES = ",".join(f"`{key}` string" for key in [*_POWER.values(), *_CLUSTER.values()])
_RESULT = next(kind for name, kind, _ in spark.FIELDS if name == "Job Result")


@table(
    module_id=2006,
    module_name="Silver_SPARK_Jobs",
    rebuild=Fold(),
    entity=(*CONTEXT, "JobID"),
    links=("VouchesFor",),
    keys=(*CONTEXT, "JobID", "startTimestamp"),
    partition="startDate",
    inputs={"spark_events_bronze": Events(key=(*CONTEXT, "JobID"), only={"Event": (spark.JOB_START, spark.JOB_END)})},
    columns=(
        *CONTEXT_COLUMNS,
        Column("JobGroupID", "string", "Job group, from the properties; an empty one as the log has it."),
        Column("ExecutionID", "string", "SQL execution, from the properties."),
        Column("JobID", "bigint", "Spark job.", source=("spark_events_bronze.JobID",), nullable=False),
        Column("StageIDs", "array<bigint>", "Its stages.", source=("spark_events_bronze.StageIDs",)),
        Column(
            "StageInfos",
            scrubbed(spark.STAGE_INFOS),
            "Its stages as they stood when it was submitted: also those that it then skipped, with their tasks.",
            source=("spark_events_bronze.StageInfos",),
        ),
        Column("PowerProperties", _POWER_TYPE, "Selected properties of the job."),
        Column(
            "JobResult",
            scrubbed(_RESULT),
            "How it ended; null while it is open.",
            source=("spark_events_bronze.JobResult",),
        ),
        Column("VouchesFor", "array<string>", "Identities (principal, isolation, group, …) that its user stands for."),
        Column("AsksFor", "array<string>", "Identities by which its user may be found; null: it names its user."),
        *event_log_columns(),
        *run_time_columns("JobRunTime", "submission to completion"),
    ),
)
def spark_jobs_silver(spans: DataFrame, spark_events_bronze: DataFrame) -> DataFrame:
    """Every Spark job, from its submission to its completion. One row: one job of one Spark context."""
    # Taken apart as JSON: a look-up in a map reads all of its keys, and there are as many look-ups as members.
    properties = F.from_json(F.to_json("Properties"), _PROPERTIES)
    submitted, completed, file = F.col("SubmissionTime"), F.col("CompletionTime"), F.col("filenameGroup")
    said = ("StageIDs", "StageInfos", properties.alias("_properties"))
    folded = first_and_last(
        spark_events_bronze,
        (*CONTEXT, "JobID"),
        Side(spark.JOB_START, submitted, (submitted, *said, file.alias("startFilenameGroup"))),
        Side(spark.JOB_END, completed, (completed, "JobResult", file.alias("endFilenameGroup"))),
    ).withColumn("PowerProperties", F.when(F.col("startFilenameGroup").isNotNull(), _power()))
    power = F.col("PowerProperties")
    has_user = power["UserEmail"].isNotNull()
    identities = _identities(power)
    return folded.select(
        *CONTEXT,
        F.col("_properties")[_POWER["JobGroupID"]].alias("JobGroupID"),
        power["ExecutionID"].alias("ExecutionID"),
        "JobID",
        "StageIDs",
        "StageInfos",
        "PowerProperties",
        "JobResult",
        F.when(has_user, identities).alias("VouchesFor"),
        F.when(~has_user, identities).alias("AsksFor"),
        "startFilenameGroup",
        "endFilenameGroup",
        *run_time("JobRunTime", submitted, completed),
    )


def _power() -> SparkColumn:
    def value(key: str) -> SparkColumn:
        return F.nullif(F.col("_properties")[key], F.lit(""))

    return F.struct(
        *(value(key).alias(name) for name, key in _POWER.items()),
        F.struct(*(value(key).alias(name) for name, key in _CLUSTER.items())).alias("ClusterDetails"),
    )


def _identities(power: SparkColumn) -> SparkColumn:
    """What jobs of one user share, as text with a letter for its kind; a principal is known in all of a workspace."""
    is_azure = F.lower(power["CloudProvider"]) == "azure"
    within = F.concat_ws("/", *CONTEXT)

    def key(kind: str, value: SparkColumn) -> SparkColumn:
        return F.when(value.isNotNull(), F.concat(F.lit(f"{kind}:"), within, F.lit("/"), value))

    principal = power["principalIdpObjectId"]
    keys = F.filter(
        F.array(
            F.when(is_azure & principal.isNotNull(), F.concat(F.lit("1:"), principal)),
            key("2", power["SparkDBIsolationID"]),
            key("3", power["JobGroupID"]),
            key("4", power["ExecutionID"]),
            key("5", power["SparkDBREPLID"]),
        ),
        lambda k: k.isNotNull(),
    )
    return F.when(F.size(keys) > 0, keys)
