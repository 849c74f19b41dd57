"""Module 3009: definitions of instance pools over time, for queries."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Fold, Linked, View, table
from overwatch_assets.rules.renamed import renamed_columns, same, values_of
from overwatch_assets.silver.pools_silver import pools_silver as SILVER

_COLUMNS = same(
    "serviceName",
    "actionName",
    "timestamp",
    "sequence",
    "date",
    "instance_pool_id",
    "instance_pool_name",
    "node_type_id",
    "idle_instance_autotermination_minutes",
    "min_idle_instances",
    "max_capacity",
    "preloaded_spark_versions",
    "aws_attributes",
    "azure_attributes",
    "gcp_attributes",
    "custom_tags",
    "create_details",
    "delete_details",
    "request_details",
)


@table(
    module_id=3009,
    module_name="Gold_Pools",
    rebuild=Fold(),
    entity=("instance_pool_id",),
    keys=("instance_pool_id", "timestamp", "sequence"),
    partition="date",
    by_month=True,
    inputs={"pools_silver": Linked(("instance_pool_id",))},
    view=View(
        "instancepool",
        (
            "organization_id",
            "workspace_name",
            "instance_pool_id",
            "serviceName",
            "timestamp",
            "date",
            "actionName",
            "instance_pool_name",
            "node_type_id",
            "idle_instance_autotermination_minutes",
            "min_idle_instances",
            "max_capacity",
            "preloaded_spark_versions",
            "azure_attributes",
            "aws_attributes",
            "gcp_attributes",
            "custom_tags",
            "create_details",
            "delete_details",
            "request_details",
        ),
    ),
    columns=renamed_columns(SILVER, _COLUMNS),
)
def instancepool_gold(spans: DataFrame, pools_silver: DataFrame) -> DataFrame:
    """Every request that creates, edits or deletes an instance pool, with what the pool then was.

    One row: one request, failed ones included, which change nothing; or one imputed row of a pool that was there
    before any request for it was logged.
    """
    return pools_silver.select(*values_of(_COLUMNS))
