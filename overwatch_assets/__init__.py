"""Overwatch's tables for Databricks and Spark, as Dagster software-defined assets."""

__version__ = "0.1.0"
