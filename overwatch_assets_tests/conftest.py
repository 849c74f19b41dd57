"""Fixtures that every test may use."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.engine.session import session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One session of the embedded engine for all tests of a process."""
    with session() as embedded:
        yield embedded
