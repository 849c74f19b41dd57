"""Laws 2 to 4 and 8 for notebook commands: over midnights, late, in another order, on a cluster that stays on."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from overwatch_assets_tests.definition_lines import record
from overwatch_assets_tests.laws.literal_costs import (
    BRONZE,
    DAYS,
    PRICES,
    SILVER,
    CostShop,
    H,
    Row,
    Told,
    at,
    created,
    ended,
    happened,
    opened,
    started,
)
from overwatch_assets_tests.laws.workshop import differences

pytestmark = pytest.mark.engine

COMMANDS = "notebookcommands_gold"
GOLD = ("notebook_silver", "jobrun_gold", "notebook_gold", "clusterstatefact_gold", COMMANDS)
COMPARED = (*BRONZE, *SILVER, *GOLD)


def command(key: str, day: int, start: float, hours: float, *, notebook: str = "5", cluster: str = "desk") -> Row:
    """A command that has run so many hours; its record is written at its end."""
    said = {"notebookId": notebook, "commandId": key, "clusterId": cluster, "executionTime": str(hours * 3600)}
    return record("notebook", "runCommand", at(day, start) + round(hours * H), request=f"of {key}", **said)


def renamed(day: int, hour: float, name: str) -> Row:
    """The notebook gets another name."""
    said = {"notebookId": "5", "newName": name, "parentPath": "/Users/ann"}
    return record("notebook", "renameNotebook", at(day, hour), request=f"rename to {name}", **said)


AUDIT = [
    created("desk", 0, 1, "one"),
    created("new", 0, 1, "unpriced"),
    command("over midnight", 0, 22, 4),  # 22:00 to 02:00
    command("before midnight", 0, 22.5, 0.5),
    command("after midnight", 1, 1, 0.5),
    command("later", 2, 10, 1),
    command("unpriced", 1, 10, 1, cluster="new", notebook="6"),
    renamed(2, 8, "report"),
    started(7, "desk", 0, 21),
]
LATE = [
    command("late", 1, 1.25, 0.5),  # shared with two others
    renamed(0, 9, "draft"),
    ended(7, 0, 22.25),
]
EVENTS = [
    happened("desk", 0, 20, "CREATING"),
    happened("desk", 0, 21, "RUNNING", current_num_workers=0, target_num_workers=0),
    happened("new", 1, 9, "CREATING"),
    happened("new", 1, 12, "TERMINATING"),
    happened("desk", 2, 9, "STARTING"),
]
EVENTS_LATE = [happened("desk", 1, 2, "TERMINATING")]
PRICE, PRICE_LATE = ("one", 1.0, DAYS[0]), ("one", 2.0, DAYS[1])
BEFORE = Told(AUDIT, EVENTS, (PRICE,))
WHOLE = Told([*AUDIT, *LATE], [*EVENTS, *EVENTS_LATE], (PRICE, PRICE_LATE))


@pytest.fixture(scope="module")
def start(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> CostShop:
    return opened(spark, tmp_path_factory.mktemp("commands") / "start", WHOLE)


@pytest.fixture(scope="module")
def at_once(start: CostShop) -> CostShop:
    shop = start.copy(start.root.parent / "at_once")
    shop.load_days((*BRONZE, *SILVER, *GOLD))
    return shop


def told(shop: CostShop) -> dict[str, tuple[float | None, str | None, int | None, list[int]]]:
    """Per command what it cost, its notebook's name, how many others ran at once, and runs beside it."""
    return {
        r["command_id"]: (r["total_cost"], r["notebook_name"], r["concurrent_commands"], r["job_run_ids"])
        for r in shop.stored(COMMANDS)
    }


def test_what_commands_cost(at_once: CostShop) -> None:
    """A dollar an hour on the first day, two from then on; worked out by hand."""
    assert told(at_once) == {
        # 22:00-22:30 alone, -23:00 with one, -01:00 alone, -01:15 with one, -01:30 with two, -01:45 with one, -02:00.
        "over midnight": (pytest.approx(0.5 + 0.25 + 1.0 + 2.0 + 0.25 + 0.5 / 3 + 0.25 + 0.5), "draft", 2, [7]),
        "before midnight": (0.25, "draft", 1, []),
        "after midnight": (pytest.approx(0.25 + 0.5 / 3), "draft", 2, []),
        "late": (pytest.approx(0.5 / 3 + 0.25), "draft", 2, []),
        "later": (2.0, "report", 0, []),
        "unpriced": (None, None, 0, []),
    }
    (unpriced,) = at_once.stored(COMMANDS, command_id="unpriced")
    assert unpriced["cost_status"].startswith("missing price of driver node unpriced")
    whole = sum(r["total_cost"] for r in at_once.stored(COMMANDS, cluster_id="desk"))
    assert whole == pytest.approx(2 * 1.0 + 2 * 2.0 + 2.0), "commands pay what the cluster cost while one of them ran"


def test_another_order_and_late_data_end_in_the_same_rows(start: CostShop, at_once: CostShop) -> None:
    shop = start.copy(start.root.parent / "late")
    shop.tell(BEFORE)
    shop.load_days((*PRICES[:1], *BRONZE, *SILVER))
    for days in ((1, 2, 3), (0,)):
        shop.load_days(GOLD, *days)
    assert told(shop)["after midnight"] == (0.25, "report", 1, [7])
    shop.tell(WHOLE)
    shop.load_days((*PRICES[:1], *BRONZE, *SILVER, *GOLD), 0, 1)
    assert differences(shop, at_once, COMPARED) == ""


def test_repeating_a_day_writes_nothing(at_once: CostShop) -> None:
    rows = {name: at_once.stored(name) for name in GOLD}
    at_once.load_days(GOLD, 1)
    assert {name: at_once.stored(name) for name in GOLD} == rows


def test_a_later_day_reads_no_file_of_old_days(start: CostShop, at_once: CostShop) -> None:
    """Law 10: of states and runs that ended days before, nothing is looked at: it loads although the files are gone."""
    shop = start.copy(start.root.parent / "later")
    shop.tell(Told([*WHOLE.audit, command("last", 3, 10, 1)], WHOLE.events, WHOLE.prices))
    shop.load_days((*PRICES[:1], *BRONZE, *SILVER, *GOLD), 0, 1, 2)
    shop.load_days((*BRONZE, *SILVER, *GOLD[:-1]), 3)
    folders = ("clusterstatefact_gold/state_start_date", "jobrun_gold/startDate")
    gone = [file for folder in folders for file in Path(shop.location.root).glob(f"{folder}={DAYS[0]}/*.parquet")]
    assert len(gone) >= 2
    for file in gone:
        file.unlink()
    shop.load_days((COMMANDS,), 3)
    assert told(shop) == {**told(at_once), "last": (2.0, "report", 0, [])}
