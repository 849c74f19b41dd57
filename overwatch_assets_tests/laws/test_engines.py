"""Law 9: every table equals, row by row, between the embedded engine and Spark on a JVM with Delta."""

from pathlib import Path

import pytest

from overwatch_assets.contract.registry import tables
from overwatch_assets.engine.session import session
from overwatch_assets_tests.laws.workshop import Workshop, differences, in_world
from overwatch_assets_tests.laws.worlds import DAYS, everything
from overwatch_assets_tests.small_jvm import LONG, SMALL

pytestmark = [pytest.mark.engine, pytest.mark.jvm, pytest.mark.timeout(1200)]

# Tables of a few rows: planning costs more than running, of Delta's own queries too.
_SMALL = {
    **SMALL,
    **LONG,
    "spark.sql.constraintPropagation.enabled": "false",
    "spark.sql.optimizer.maxIterations": "4",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.databricks.delta.stats.skipping": "false",
    "spark.databricks.delta.writeChecksumFile.enabled": "false",
    "spark.databricks.delta.properties.defaults.checkpointInterval": "1000",
}
_TWICE = ("spark_events_bronze", "spark_jobs_silver", "sparkjob_gold")


def test_both_engines_end_in_the_same_rows(on_time: Workshop, tmp_path: Path) -> None:
    with session("spark", config=_SMALL) as spark:
        shop = Workshop(spark, tmp_path)
        shop.logs.put(everything())
        # Some later days first, so that these tables are merged into; the others are appended to.
        shop.chain(DAYS[2:], wanted=[tables()[n] for n in _TWICE])
        shop.chain(DAYS)
        assert differences(shop, on_time) == ""
        assert {t.name for t in in_world() if shop.store().version(t) is None} == set()
