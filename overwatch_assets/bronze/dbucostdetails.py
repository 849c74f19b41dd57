"""Module 1202: what a DBU costs, through time."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Mirror, Source, table
from overwatch_assets.rules.price_columns import ACTIVE, ORIGIN, dated, dated_values, view_of

_COLUMNS = (
    Column(
        "sku",
        "string",
        "What is paid for: interactive, automated, jobsLight; of SQL warehouses sqlCompute (classic), sqlPro and "
        "sqlServerless.",
        nullable=False,
    ),
    Column("contract_price", "double", "What you pay for a DBU, USD.", nullable=False),
    *ACTIVE,
    *ORIGIN,
)


@table(
    module_id=1202,
    module_name="Bronze_DbuCostDetails",
    rebuild=Mirror(),
    keys=("sku", "activeFrom"),
    entity=("sku",),
    invariants=(dated("sku"),),
    inputs={"dbu_prices": Source()},
    view=view_of("dbuCostDetails", _COLUMNS, *(c.name for c in _COLUMNS)),
    columns=_COLUMNS,
)
def dbucostdetails(dbu_prices: DataFrame) -> DataFrame:
    """Contract prices of DBUs through time: those of the deployment file with your own price file upon them.

    One row: one sku from one day to another. The rows of a sku have neither gaps nor overlaps from the workspace's
    primordial date on, and the last one is active.
    """
    return dbu_prices.select(F.col("key").alias("sku"), "contract_price", *dated_values())
