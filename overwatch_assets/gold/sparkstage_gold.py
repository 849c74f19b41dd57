"""Module 3011: stages, for queries."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Fold, Linked, View, table
from overwatch_assets.rules.renamed import Renamed, values_of
from overwatch_assets.rules.spark_gold import KEY, common_values, contract_of, view_columns
from overwatch_assets.silver.spark_stages_silver import spark_stages_silver as SILVER

_COLUMNS = (
    Renamed("stage_id", "StageID", "Stage.", nullable=False),
    Renamed("stage_attempt_id", "StageAttemptID", "Attempt of the stage.", nullable=False),
    Renamed("stage_runtime", "StageRunTime", "From submission to completion."),
    Renamed("stage_info", "StageInfo", "The stage's details; open stages lack what its end tells."),
)
_ENTITY = (*KEY, "stage_id", "stage_attempt_id")


@table(
    module_id=3011,
    module_name="Gold_SparkStage",
    rebuild=Fold(),
    entity=_ENTITY,
    keys=(*_ENTITY, "unixTimeMS"),
    partition="date",
    z_order=("cluster_id",),
    inputs={"spark_stages_silver": Linked(("clusterId", "SparkContextID", "StageID", "StageAttemptID"))},
    view=View("sparkStage", view_columns("stage_id", "stage_attempt_id", at_end=("stage_runtime", "stage_info"))),
    columns=contract_of(SILVER, _COLUMNS),
)
def sparkstage_gold(spans: DataFrame, spark_stages_silver: DataFrame) -> DataFrame:
    """Every attempt of every stage. One row: one stage attempt."""
    return spark_stages_silver.select(*common_values(), *values_of(_COLUMNS))
