"""Module 3013: SQL executions, for queries."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Fold, Linked, View, table
from overwatch_assets.rules.renamed import Renamed, values_of
from overwatch_assets.rules.spark_gold import KEY, common_values, contract_of
from overwatch_assets.silver.spark_executions_silver import spark_executions_silver as SILVER

_COLUMNS = (
    Renamed("execution_id", "ExecutionID", "SQL execution.", nullable=False),
    Renamed("root_execution_id", "RootExecutionID", "Execution that it is part of."),
    Renamed("description", "description", "Description."),
    Renamed("details", "details", "Call site."),
    Renamed("error_message", "errorMessage", "Why it failed; empty: it did not; null: the log does not say."),
    Renamed("sql_execution_runtime", "SqlExecutionRunTime", "From start to end."),
)


@table(
    module_id=3013,
    module_name="Gold_SparkExecution",
    rebuild=Fold(),
    entity=(*KEY, "execution_id"),
    keys=(*KEY, "execution_id", "date", "unixTimeMS"),
    partition="date",
    z_order=("cluster_id",),
    inputs={"spark_executions_silver": Linked(("clusterId", "SparkContextID", "ExecutionID"))},
    view=View(
        "sparkExecution",
        (
            "organization_id",
            "workspace_name",
            "spark_context_id",
            "execution_id",
            "cluster_id",
            "description",
            "details",
            "unixTimeMS",
            "timestamp",
            "date",
            "sql_execution_runtime",
            "event_log_start",
            "event_log_end",
            "root_execution_id",
            "error_message",
        ),
    ),
    columns=contract_of(SILVER, _COLUMNS),
)
def sparkexecution_gold(spans: DataFrame, spark_executions_silver: DataFrame) -> DataFrame:
    """Every SQL execution. One row: one execution of one Spark context."""
    return spark_executions_silver.select(*common_values(), *values_of(_COLUMNS))
