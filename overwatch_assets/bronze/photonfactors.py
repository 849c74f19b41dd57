"""Module 1203: what DBUs are multiplied by on Photon, through time."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Mirror, Source, table
from overwatch_assets.rules.price_columns import ACTIVE, ORIGIN, dated, dated_values
from overwatch_assets.rules.prices import PHOTON


@table(
    module_id=1203,
    module_name="Bronze_PhotonFactors",
    rebuild=Mirror(),
    keys=("sku", "engine", "activeFrom"),
    entity=("sku", "engine"),
    invariants=(dated("sku", "engine"),),
    inputs={"photon_factors": Source()},
    columns=(
        Column("sku", "string", "As in `dbucostdetails`.", nullable=False),
        Column("engine", "string", "Runtime engine in upper case; one without a row has the factor 1.", nullable=False),
        Column("factor", "double", "What a node's `Hourly_DBUs` are multiplied by.", nullable=False),
        *ACTIVE,
        *ORIGIN,
    ),
)
def photonfactors(photon_factors: DataFrame) -> DataFrame:
    """Factors of DBUs on Photon through time, which were a part of Overwatch's code.

    One row: one sku and engine from one day to another. A sku without a row has the factor 1.
    """
    return photon_factors.select(F.col("key").alias("sku"), F.lit(PHOTON).alias("engine"), "factor", *dated_values())
