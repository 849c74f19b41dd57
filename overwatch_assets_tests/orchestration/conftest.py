import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from overwatch_assets_tests.orchestration.worlds import World, make_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = make_world(tmp_path)
    monkeypatch.setenv("OVERWATCH_DEPLOYMENT", made.path)
    monkeypatch.delenv("OVERWATCH_NOW", raising=False)
    return made


@pytest.fixture
def definitions(world: World) -> Iterator[dg.Definitions]:
    """`overwatch_assets.definitions` as Dagster loads it for the small deployment."""
    sys.modules.pop("overwatch_assets.definitions", None)
    yield importlib.import_module("overwatch_assets.definitions").defs
    sys.modules.pop("overwatch_assets.definitions", None)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral
