"""Law 3: loading any partition again on unchanged sources changes nothing, and writes nothing."""

from pathlib import Path

import pytest

from overwatch_assets.contract.registry import tables
from overwatch_assets_tests.laws.conftest import Opens
from overwatch_assets_tests.laws.workshop import Workshop, day_windows, differences, in_world, wrote
from overwatch_assets_tests.laws.worlds import DAYS, Application, File, application, at, files_of

pytestmark = pytest.mark.engine


def test_a_second_load_writes_no_row_no_record_and_no_version(on_time: Workshop, tmp_path: Path) -> None:
    shop = on_time.branch(tmp_path)
    before = shop.versions()
    results = shop.chain()
    assert wrote(results) == {}
    assert shop.versions() == before
    assert differences(shop, on_time) == ""


def test_a_second_load_in_other_chunks_changes_nothing(on_time: Workshop, tmp_path: Path) -> None:
    shop = on_time.branch(tmp_path)
    before = shop.versions()
    runner = shop.runner()
    for table in in_world():
        for window in day_windows(DAYS[1:3]):
            result = runner.load(table, window)
            assert wrote([result]) == {}, result
    # A window that was not loaded by itself before may leave records of entities that have no rows, never others.
    assert shop.versions() == before


def test_an_entity_without_rows_is_not_written_again(opens: Opens) -> None:
    """An application that ends without an executor: its context is an entity of executors that has no rows."""
    stream = application("etl")
    head = [line for line in stream.lines if b"ApplicationStart" in line or b"ApplicationEnd" in line]
    shop = opens("ended")
    app = Application("ended", "single", "spark/ended", stream.log_id, tuple(head))
    shop.logs.put(files_of([app]))
    wanted = [tables()["spark_events_bronze"], tables()["spark_executors_silver"], tables()["sparkexecutor_gold"]]
    shop.chain(wanted=wanted)
    before = shop.versions()
    shop.chain(wanted=wanted)
    assert shop.versions() == before
    assert shop.rows("spark_executors_silver").total() == 0


def test_input_that_stays_bad_is_quarantined_once(opens: Opens) -> None:
    shop = opens("bad")
    shop.logs.put({"spark/bad": File(b'{"Event": \n{"a": 1}\n\xff\xfe\n', at(1, 3))})
    wanted = [tables()["spark_events_bronze"]]
    first = shop.chain(wanted=wanted)
    assert shop.rows("quarantine_bronze").total() == 3, first
    before = shop.versions()
    (again,) = shop.chain(wanted=wanted)
    assert wrote([again]) == {}
    assert shop.versions() == before
