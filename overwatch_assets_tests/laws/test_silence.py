"""Law 7: what was not loaded, and why, is in `pipeline_report`; nothing is loaded from what is missing or failed."""

import shutil

import deltalake
import pytest

from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import IneligibleError, SourceError
from overwatch_assets.rules.days import DAY_MS
from overwatch_assets.runner.known import Known
from overwatch_assets.runner.report import effective, loaded_until_ms
from overwatch_assets.runner.window import Window, holes, paint
from overwatch_assets_tests.laws.conftest import Opens
from overwatch_assets_tests.laws.workshop import Workshop, day_windows, loaded_windows
from overwatch_assets_tests.laws.worlds import DAYS, START_MS, File, application, at, files_of

pytestmark = pytest.mark.engine

BRONZE, SILVER, GOLD = "spark_events_bronze", "spark_jobs_silver", "sparkjob_gold"


def statuses(shop: Workshop, name: str) -> list[str]:
    """What the report says of a module's loads, in the order in which they ran."""
    return [r.status for r in Known.of(shop.store()).loads([tables()[name]])]


def day(n: int) -> Window:
    return day_windows([DAYS[n]])[0]


def test_a_source_without_data_is_empty_with_its_reason(opens: Opens) -> None:
    shop = opens("empty")
    shop.load(BRONZE, day(0))
    shop.logs.put(files_of([application("failures")]))
    shop.load(BRONZE, day(1))
    shop.load(BRONZE, day(1))
    assert statuses(shop, BRONZE) == ["EMPTY: no event-log files", "SUCCESS", "EMPTY: no new event-log data"]
    shop.load(SILVER, day(0))
    assert statuses(shop, SILVER) == ["EMPTY: no new data"]


def test_a_table_is_not_loaded_from_days_that_its_input_lacks(opens: Opens) -> None:
    shop = opens("lacks")
    shop.logs.put(files_of([application("failures")]))
    shop.load(BRONZE, day(1))
    with pytest.raises(IneligibleError, match=r"spark_events_bronze is not loaded for 2024-05-03\. Load that first$"):
        shop.load(SILVER, day(2))
    with pytest.raises(IneligibleError, match=r"spark_jobs_silver is not loaded for 2024-05-02"):
        shop.load(GOLD, day(1))
    (said,) = statuses(shop, SILVER)
    assert said.startswith("INELIGIBLE: spark_jobs_silver of workspace 1234: spark_events_bronze is not loaded")
    assert loaded_windows(shop, tables()[SILVER]) == []


def test_a_failed_load_blocks_what_is_below_until_it_succeeds_though_all_have_one_now(opens: Opens) -> None:
    shop = opens("failed")
    shop.logs.put(files_of([application("failures")]))
    shop.load(BRONZE, day(1))
    shop.logs.clear()
    with pytest.raises(SourceError):
        shop.load(BRONZE, day(1))
    assert [s.split(":")[0] for s in statuses(shop, BRONZE)] == ["SUCCESS", "FAILED --> SourceError"]
    with pytest.raises(IneligibleError, match=r"the last load of spark_events_bronze for 2024-05-02 was FAILED"):
        shop.load(SILVER, day(1))
    # What was loaded before the failure stays, so the day is no hole.
    assert loaded_windows(shop, tables()[BRONZE]) == [day(1)]
    again = opens("failed")
    again.logs.put(files_of([application("failures")]))
    again.load(BRONZE, day(1))
    assert again.load(SILVER, day(1)).status == "SUCCESS"


def test_a_day_that_failed_blocks_a_range_that_has_it_whatever_was_loaded_after_it(opens: Opens) -> None:
    shop, both = opens("failed_in_range"), Window(day(1).from_ms, day(2).until_ms)
    shop.logs.put(files_of([application("failures")]))
    for n in (1, 2):
        shop.load(BRONZE, day(n))
    shop.logs.clear()
    with pytest.raises(SourceError):
        shop.load(BRONZE, day(1))
    again = opens("failed_in_range")
    again.logs.put(files_of([application("failures")]))
    again.load(BRONZE, day(2))
    with pytest.raises(IneligibleError, match=r"the last load of spark_events_bronze for 2024-05-02 was FAILED"):
        again.load(SILVER, both)
    again.load(BRONZE, day(1))
    assert again.load(SILVER, both).status == "SUCCESS"


def test_a_table_that_was_restored_in_one_commit_is_compared_with(opens: Opens) -> None:
    """A deep clone has all rows in the first commit."""
    shop = opens("restored")
    shop.logs.put(files_of([application("failures")]))
    for name in (BRONZE, SILVER):
        shop.load(name, day(1))
    jobs, path = shop.rows(SILVER), shop.location.key(SILVER)
    stored = deltalake.DeltaTable(path)
    data = stored.to_pyarrow_table()
    shutil.rmtree(path)
    deltalake.write_deltalake(path, data, partition_by=stored.metadata().partition_columns)
    assert opens("restored").load(SILVER, day(1)).counts["entities"]
    assert shop.rows(SILVER) == jobs


def test_a_day_between_that_was_never_loaded_is_a_named_hole(opens: Opens) -> None:
    shop = opens("hole")
    for n in (3, 0, 1, 1):
        shop.load(BRONZE, day(n))
    module_id = tables()[BRONZE].module_id
    assert module_id is not None
    report = Known.of(shop.store()).loads([tables()[BRONZE]])
    pieces = effective(report, module_id)
    assert pieces == paint([day(3), day(0), day(1)])
    assert holes(pieces) == [Window(START_MS + 2 * DAY_MS, START_MS + 3 * DAY_MS)]
    assert loaded_until_ms(report, module_id) == day(3).until_ms == at(3, 20)


def test_quarantine_and_dropped_properties_are_counted_in_the_report(opens: Opens) -> None:
    shop = opens("counted")
    secret = b'{"Event":"SparkListenerJobStart","Job ID":1,"Submission Time":%d,"Properties":{"my.password":"x"}}\n'
    shop.logs.put({"spark/log": File(secret % at(1, 1) + b"junk\n", at(1, 2))})
    shop.load(BRONZE, day(1))
    store, report = shop.store(), tables()["pipeline_report"]
    (row,) = store.arrow(store.read(report).select("writeOpsMetrics", "versionBefore", "versionAfter")).to_pylist()
    said = dict(row["writeOpsMetrics"])
    assert (said["inserted"], said["quarantined"], said["dropped properties"]) == ("1", "1", "1")
    assert row["versionBefore"] is None
    assert row["versionAfter"] == shop.store().version(tables()[BRONZE])


def test_a_store_whose_table_is_gone_says_so_by_loading_it_anew(opens: Opens) -> None:
    """A table that was moved away is created again, by a process that had seen the old one too."""
    shop = opens("gone")
    shop.logs.put(files_of([application("failures")]))
    for name in (BRONZE, SILVER):
        shop.load(name, day(1))
    jobs = shop.rows(SILVER)
    shutil.rmtree(shop.location.key(SILVER))
    shop.load(SILVER, day(1))
    assert shop.rows(SILVER) == jobs
