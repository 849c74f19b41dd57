"""Fixtures that every test may use."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.engine.session import session


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of a JVM: one of them is as long as a third of all others, and would end alone."""
    items.sort(key=lambda item: item.get_closest_marker("jvm") is None)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One session of the embedded engine for all tests of a process."""
    with session() as embedded:
        yield embedded
