"""Module 2007: stages of Spark jobs."""

from pyspark.sql import DataFrame, functions as F

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

_ENTITY = (*CONTEXT, "StageID", "StageAttemptID")
_ACCUMULABLES = scrubbed(spark.ACCUMULABLES)


@table(
    module_id=2007,
    module_name="Silver_SPARK_Stages",
    rebuild=Fold(),
    entity=_ENTITY,
    keys=(*CONTEXT, "StageID", "StageAttemptID", "startTimestamp"),
    partition="startDate",
    inputs={"spark_events_bronze": Events(key=_ENTITY, only={"Event": (spark.STAGE_SUBMITTED, spark.STAGE_COMPLETED)})},
    columns=(
        *CONTEXT_COLUMNS,
        Column("StageID", "bigint", "Stage.", source=("spark_events_bronze.StageID",), nullable=False),
        Column(
            "StageAttemptID",
            "bigint",
            "Attempt of the stage.",
            source=("spark_events_bronze.StageAttemptID",),
            nullable=False,
        ),
        *event_log_columns("submitted", "completed"),
        Column(
            "StageInfo",
            f"struct<Accumulables:{_ACCUMULABLES},CompletionTime:bigint,Details:string,FailureReason:string,"
            "NumberofTasks:bigint,ParentIDs:array<bigint>,SubmissionTime:bigint,StageName:string,ResourceProfileId:bigint>",
            "The stage: accumulables, completion, failure and number of tasks from its end, the rest from its start.",
        ),
        *run_time_columns("StageRunTime", "submission to completion"),
    ),
)
def spark_stages_silver(spans: DataFrame, spark_events_bronze: DataFrame) -> DataFrame:
    """Every attempt of every stage, from its submission to its completion.

    One row: one stage attempt. A stage that was never completed stays open; one whose submission is missing has a null
    start.
    """
    info, file = F.col("StageInfo"), F.col("filenameGroup")
    at = F.coalesce(info["CompletionTime"], info["SubmissionTime"])
    folded = first_and_last(
        spark_events_bronze,
        _ENTITY,
        Side(spark.STAGE_SUBMITTED, at, (info.alias("_start"), file.alias("startFilenameGroup"))),
        Side(spark.STAGE_COMPLETED, at, (info.alias("_end"), file.alias("endFilenameGroup"))),
    )
    start, end = F.col("_start"), F.col("_end")
    # Spark fills the submission time in while the stage starts, so the end may know it better than the start.
    began = F.coalesce(start["SubmissionTime"], end["SubmissionTime"])
    return folded.select(
        *_ENTITY,
        "startFilenameGroup",
        "endFilenameGroup",
        F.struct(
            end["Accumulables"].alias("Accumulables"),
            end["CompletionTime"].alias("CompletionTime"),
            F.coalesce(start["Details"], end["Details"]).alias("Details"),
            end["FailureReason"].alias("FailureReason"),
            F.coalesce(end["NumberofTasks"], start["NumberofTasks"]).alias("NumberofTasks"),
            F.coalesce(start["ParentIDs"], end["ParentIDs"]).alias("ParentIDs"),
            began.alias("SubmissionTime"),
            F.coalesce(start["StageName"], end["StageName"]).alias("StageName"),
            F.coalesce(start["ResourceProfileId"], end["ResourceProfileId"]).alias("ResourceProfileId"),
        ).alias("StageInfo"),
        *run_time("StageRunTime", began, end["CompletionTime"]),
    )
