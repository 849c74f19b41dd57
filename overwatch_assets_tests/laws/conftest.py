"""The world loaded at once, which all other ways of loading it must equal."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.runner import pruning
from overwatch_assets_tests.laws.workshop import Loaded, Workshop
from overwatch_assets_tests.laws.worlds import everything
from overwatch_assets_tests.made_once import made_once

Opens = Callable[[str], Workshop]


@pytest.fixture(scope="session")
def on_time(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """All files there from the start, all days loaded at once: what every other way must end in."""

    def load(folder: Path) -> None:
        shop = Workshop(spark, folder)
        shop.logs.put(everything())
        shop.chain()

    return Loaded(spark, made_once(tmp_path_factory, "on_time", load))


@pytest.fixture
def opens(spark: SparkSession, tmp_path: Path) -> Opens:
    """Opens a new, empty workspace."""
    return lambda name: Workshop(spark, tmp_path / name)


@pytest.fixture(autouse=True)
def _rows_are_found_by_their_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of a few days are looked through whole; here they are not, as those of many days are not."""
    monkeypatch.setattr(pruning, "FEW_FILES", 0)
