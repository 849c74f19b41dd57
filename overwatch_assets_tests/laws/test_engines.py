"""Law 9: every table equals, row by row, between the embedded engine and Spark on a JVM with Delta."""

from pathlib import Path

import pytest

from overwatch_assets.engine.session import session
from overwatch_assets_tests.laws.workshop import Workshop, differences, in_world
from overwatch_assets_tests.laws.worlds import DAYS, everything

pytestmark = [pytest.mark.engine, pytest.mark.jvm, pytest.mark.timeout(1200)]


def test_both_engines_end_in_the_same_rows(on_time: Workshop, tmp_path: Path) -> None:
    with session("spark") as spark:
        shop = Workshop(spark, tmp_path)
        shop.logs.put(everything())
        # Two windows: what is appended in the first is merged in the second.
        for days in (DAYS[1:], DAYS[:1]):
            shop.chain(days)
        assert differences(shop, on_time) == ""
        assert {t.name for t in in_world() if shop.store().version(t) is None} == set()
