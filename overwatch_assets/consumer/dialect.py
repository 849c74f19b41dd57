"""Metastores that tables and views are written for."""

from enum import StrEnum


class Dialect(StrEnum):
    """Whose metastore: any Spark's, the Hive metastore of Databricks, or Unity Catalog."""

    spark = "spark"
    hive = "hive"
    unity = "unity"
