"""What the tests of audit logs share: their rows by the plainest way, and a broker."""

from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from overwatch_assets_tests.sources import audit_routes as routes
from overwatch_assets_tests.sources.kafka import Broker, broker
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, World


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("kafka")) as started:
        yield started


@pytest.fixture(scope="session")
def by_json(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The rows of what was delivered as JSON, the last day first."""
    world = World(spark, tmp_path_factory.mktemp("json"), {})
    routes.json_folder(world.audit, routes.EVENTS)
    world.load("audit_log_bronze", DAY3)
    world.load("audit_log_bronze", DAY1, DAY2)
    return routes.rows_of(world)
