"""Laws 2 to 4 for SQL warehouses, with the cases that are theirs: stops that were lost, prices and sizes that come late."""

import random
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import Table
from overwatch_assets_tests.laws.conftest import Opens
from overwatch_assets_tests.laws.workshop import Workshop, differences, interleaved, wrote
from overwatch_assets_tests.laws.worlds import DAYS, NOW_MS, WAREHOUSE_EVENTS, at, audit_files

pytestmark = pytest.mark.engine

STATES, FACTS, SPECS = "warehouse_state_detail_silver", "warehousestatefact_gold", "warehouse_spec_silver"
NAMES = (
    "warehousedbudetails",
    "dbucostdetails",
    "audit_log_bronze",
    "warehouses_snapshot_bronze",
    "warehouse_events_bronze",
    SPECS,
    STATES,
    "warehouse_gold",
    FACTS,
)


def wanted() -> list[Table]:
    return [tables()[name] for name in NAMES]


@pytest.fixture(scope="module")
def whole(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """All days loaded at once."""
    shop = Workshop(spark, tmp_path_factory.mktemp("warehouses"))
    shop.logs.put(audit_files())
    shop.chain(wanted=wanted())
    return shop


def told(shop: Workshop, name: str, *columns: str) -> list[tuple[Any, ...]]:
    compared = tables()[name].compared
    places = [compared.index(c) for c in columns]
    return sorted(tuple(row[n] for n in places) for row in shop.rows(name))


def test_the_states_and_what_they_cost(whole: Workshop) -> None:
    found = told(whole, FACTS, "warehouse_id", "unixTimeMS_state_start", "state", "warehouse_name", "cost_status")
    assert found == [
        ("wh-0", at(0, 5), "STARTING", "shared", "definition of a later time"),
        ("wh-0", at(0, 5.1), "RUNNING", "shared", "definition of a later time"),
        ("wh-0", at(1, 2), "SCALED_UP", "shared", "definition of a later time"),
        ("wh-0", at(2, 12), "STOPPING_IMPUTED", "shared", "priced"),
        ("wh-0", at(3, 1), "STARTING", "shared", "definition of a later time"),
        ("wh-1", at(0, 4), "RUNNING", "bi", "priced"),
        ("wh-1", at(1, 23), "SCALED_UP", "bi large", "priced"),
        ("wh-1", at(2, 1), "SCALED_DOWN", "bi large", "priced"),
        ("wh-1", at(2, 9), "STOPPED", "bi large", "priced"),
        ("wh-1", at(3, 0), "STARTING", "bi large", "priced"),
        ("wh-1", at(3, 0.1), "RUNNING", "bi large", "priced"),
        ("wh-1", at(3, 12), "PERMENANT_DELETE", "bi large", "priced"),
        ("wh-2", at(1, 6), "RUNNING", "huge", "missing size 5X-Large; missing type of the warehouse; definition of a later time"),
        ("wh-2", at(1, 7), "STOPPING", "huge", "priced"),
        ("wh-2", at(1, 7.1), "STOPPED", "huge", "priced"),
        ("wh-2", at(3, 9), "RUNNING", "huge", "missing size 5X-Large; missing type of the warehouse; definition of a later time"),
    ]  # fmt: skip
    ends = {
        (row[0], row[1]): row[2]
        for row in told(whole, STATES, "warehouse_id", "state", "unixTimeMS_state_end_exclusive")
    }
    assert ends["wh-2", "RUNNING"] == NOW_MS, "an open state lasts as far as events are loaded"


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.deep) for n in range(1, 20))])
def test_any_order_and_chunks_end_in_the_same_rows(opens: Opens, whole: Workshop, seed: int) -> None:
    shop = opens("order")
    shop.logs.put(audit_files())
    for table, window in interleaved(random.Random(seed), DAYS, wanted=wanted()):
        shop.load(table.name, window)
    assert differences(shop, whole, NAMES) == ""


@pytest.mark.deep
def test_days_as_they_come_and_a_repeated_load(opens: Opens, whole: Workshop) -> None:
    shop = opens("days")
    shop.logs.put(audit_files())
    for day in DAYS:
        shop.chain([day], wanted=wanted())
    assert differences(shop, whole, NAMES) == ""
    assert wrote(shop.chain(wanted=wanted())) == {}
    for day in DAYS:
        assert wrote(shop.chain([day], wanted=wanted())) == {}


@pytest.mark.parametrize("day", [2, *(pytest.param(n, marks=pytest.mark.deep) for n in (0, 1, 3))])
def test_a_late_day_of_events_heals_by_that_day_alone(opens: Opens, whole: Workshop, day: int) -> None:
    """Imputed stops go, open states end, later states of the same start change; and there may be fewer rows."""
    shop = opens("late")
    shop.logs.put(audit_files())
    shop.tell_warehouses(e for e in WAREHOUSE_EVENTS if not at(day, 0) <= e[1] < at(day + 1, 0))
    shop.chain(wanted=wanted())
    assert differences(shop, whole, [STATES]) != ""
    shop.tell_warehouses(WAREHOUSE_EVENTS)
    shop.chain([DAYS[day]], wanted=wanted())
    assert differences(shop, whole, NAMES) == ""


@pytest.mark.parametrize("day", [2, *(pytest.param(n, marks=pytest.mark.deep) for n in (1, 3))])
def test_a_late_audit_day_reaches_states_and_costs(opens: Opens, whole: Workshop, day: int) -> None:
    """A resize, a stop that no event tells of, a deletion: each is told by a day's audit logs alone."""
    shop = opens("audit")
    files = audit_files()
    shop.logs.put({p: f for p, f in files.items() if str(DAYS[day]) not in p})
    shop.chain(wanted=wanted())
    assert differences(shop, whole, [FACTS]) != ""
    shop.logs.put(files)
    shop.chain([DAYS[day]], wanted=wanted())
    assert differences(shop, whole, NAMES) == ""


class Priced(Workshop):
    """A workshop with a price file."""

    @property
    def workspace(self) -> Any:
        """With the file, if it is there."""
        file = self.root / "prices.csv"
        return super().workspace.model_copy(update={"prices": str(file)} if file.exists() else {})


def test_a_size_and_a_rate_that_are_priced_later_reach_the_states_that_wait_for_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    prices = (
        "table,key,total_dbus,worker_count,driver_size,worker_size,contract_price,activeFrom\n"
        "warehouse,5X-Large,1000,512,i3.16xlarge,i3.2xlarge,,2024-01-01\n"
        "dbu,sqlCompute,,,,,0.5,2024-05-02\n"
    )
    late = Priced(spark, tmp_path / "late")
    late.logs.put(audit_files())
    late.chain(wanted=wanted())
    (late.root / "prices.csv").write_text(prices)
    late.chain([DAYS[0]], wanted=wanted())
    rates = dict(told(late, FACTS, "unixTimeMS_state_start", "dbu_rate"))
    assert {rates[at(0, 5.1)], rates[at(1, 2)]} == {(0.22).hex(), (0.5).hex()}
    dbus = dict(told(late, FACTS, "unixTimeMS_state_start", "total_dbus"))
    assert dbus[at(1, 6)] == (1000.0).hex()
