"""What kind of cluster it is, and so what its compute is sold as."""

from pyspark.sql import Column, functions as F

AUTOMATED = r"(?s)^job-.*-run-.*$"
"""Names that the jobs service gives to the clusters that it makes (`LIKE 'job-%-run-%'`)."""

SINGLE_NODE, HIGH_CONCURRENCY, SQL_ANALYTICS, STANDARD = "Single Node", "High-Concurrency", "SQL Analytics", "Standard"
"""Values of `cluster_type`."""


def is_automated(cluster_name: Column) -> Column:
    """Whether the jobs service made it; null: its name is not known."""
    return cluster_name.rlike(AUTOMATED)


def sku_of(cluster_name: Column, spark_version: Column, cluster_type: Column) -> Column:
    """What its compute is sold as: the first that is true.

    | if | sku |
    |---|---|
    | automated, and the runtime is `apache_spark_…` | jobsLight |
    | automated, and the runtime is another | automated |
    | its type is SQL Analytics | sqlCompute |
    | its type is High-Concurrency, or it is not automated | interactive |
    | else: name unknown, or automated and runtime unknown | unknown |
    """
    automated = is_automated(cluster_name)
    return (
        F.when(automated & spark_version.startswith("apache_spark_"), "jobsLight")
        .when(automated & spark_version.isNotNull(), "automated")
        .when(cluster_type == SQL_ANALYTICS, "sqlCompute")
        .when((cluster_type == HIGH_CONCURRENCY) | ~automated, "interactive")
        .otherwise("unknown")
    )
