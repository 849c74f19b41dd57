"""Module 3014: executors, for queries."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Fold, Linked, View, table
from overwatch_assets.rules.renamed import Renamed, values_of
from overwatch_assets.rules.spark_gold import KEY, common_values, contract_of
from overwatch_assets.silver.spark_executors_silver import spark_executors_silver as SILVER

_STARTED = ("addedTimestamp", "addedDate")
_COLUMNS = (
    Renamed("executor_id", "ExecutorID", "Executor.", nullable=False),
    Renamed("executor_info", "executorInfo", "Host, cores and more, when it was added."),
    Renamed("removed_reason", "RemovedReason", "Why it was removed."),
    Renamed("ended_by_application", "endedByApplication", "It was never removed: its end is the application's."),
    Renamed("executor_alivetime", "ExecutorAliveTime", "From added to removed."),
)


@table(
    module_id=3014,
    module_name="Gold_SparkExecutor",
    rebuild=Fold(),
    entity=KEY,
    keys=(*KEY, "executor_id", "date", "unixTimeMS"),
    partition="date",
    inputs={"spark_executors_silver": Linked(("clusterId", "SparkContextID"))},
    view=View(
        "sparkExecutor",
        (
            "organization_id",
            "workspace_name",
            "spark_context_id",
            "executor_id",
            "cluster_id",
            "executor_info",
            "removed_reason",
            "executor_alivetime",
            "unixTimeMS",
            "timestamp",
            "date",
            "event_log_start",
            "event_log_end",
            "ended_by_application",
        ),
    ),
    columns=contract_of(SILVER, _COLUMNS, started=_STARTED),
)
def sparkexecutor_gold(spans: DataFrame, spark_executors_silver: DataFrame) -> DataFrame:
    """Every executor. One row: one executor of one Spark context."""
    return spark_executors_silver.select(*common_values(started=_STARTED), *values_of(_COLUMNS))
