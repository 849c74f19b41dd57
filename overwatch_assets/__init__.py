"""Overwatch's tables for Databricks and Spark, as Dagster software-defined assets.

For notebooks: `from overwatch_assets import lookup_when, asof_join`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from overwatch_assets.rules.lookups import asof_join, lookup_when

__version__ = "0.1.0"
__all__ = ["asof_join", "lookup_when"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: PySpark takes a second."""
    if name in __all__:
        from overwatch_assets.rules import lookups  # noqa: PLC0415 - see above

        return getattr(lookups, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
