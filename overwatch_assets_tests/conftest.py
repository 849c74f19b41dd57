"""Fixtures that every test may use."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.engine.session import session


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that the end of the suite is short tests, which two processes share evenly.

    First the tests of a JVM, then those that may take longer than others, then all of an engine.
    """

    def rank(item: pytest.Item) -> tuple[bool, float, bool]:
        allowed = item.get_closest_marker("timeout")
        seconds = allowed.args[0] if allowed else 0
        return item.get_closest_marker("jvm") is None, -seconds, item.get_closest_marker("engine") is None

    items.sort(key=rank)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One session of the embedded engine for all tests of a process."""
    with session() as embedded:
        yield embedded
