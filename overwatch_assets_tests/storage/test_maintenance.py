"""Maintenance changes files and no rows, and loads go on after it."""

import json
import os
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from overwatch_assets.cli import app
from overwatch_assets.contract.registry import tables
from overwatch_assets.storage.maintenance import Optimized, optimize
from overwatch_assets_tests.laws.literal_costs import (
    BRONZE,
    DAYS,
    PRICES,
    SEGMENTS,
    SILVER,
    STATES,
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

TOLD = Told(
    audit=[
        *(created(c, 0, 1, "one") for c in ("c1", "c2")),
        started(1, "c1", 0, 3),
        ended(1, 1, 3),
        started(2, "c2", 2, 3),
    ],
    events=[
        happened(c, day, hour, kind)
        for c in ("c1", "c2")
        for day in range(3)
        for hour, kind in ((2, "STARTING"), (2.5, "RUNNING"), (20, "TERMINATING"))
    ],
    prices=[("one", 1.0, DAYS[0])],
)
NAMES = (*BRONZE, *SILVER)


def test_rows_stay_and_loads_go_on(spark: SparkSession, tmp_path: Path) -> None:
    shop = opened(spark, tmp_path / "optimized", TOLD)
    for day in range(2):
        shop.load_days(NAMES, day)
    other = shop.copy(tmp_path / "left")
    before = {name: shop.rows(name) for name in (*NAMES, *PRICES, "table_changes")}
    files = {name: shop.store().file_count(tables()[name]) for name in before}
    result = CliRunner().invoke(app, ["optimize", "--storage", str(tmp_path / "optimized" / "tables"), "--json"])
    assert result.exit_code == 0, result.output
    done = {Path(row["table"]).name: row for row in json.loads(result.stdout)}
    assert {name: row["files before"] for name, row in done.items() if name in files} == files
    assert done[STATES]["files after"] == 2
    assert done["table_changes"]["files after"] < files["table_changes"]
    assert {name: shop.rows(name) for name in before} == before
    again = optimize(shop.location.path(STATES), tables()[STATES])
    assert again == Optimized(before=2, after=2, removed=0)
    for each in (shop, other):
        each.load_days(NAMES, 2)
    assert differences(shop, other, NAMES) == ""
    assert shop.cost("c1")[DAYS[2]] == other.cost("c1")[DAYS[2]] == pytest.approx(18.0)
    assert shop.stored(SEGMENTS, cluster_id="c2")[0]["unixTimeMS_state_start"] >= at(0, 2)


def test_the_logs_of_the_runners_own_tables_stay_short(spark: SparkSession, tmp_path: Path) -> None:
    """They get a commit for each load, and an engine lists them all each time it reads."""
    shop = opened(spark, tmp_path / "short", TOLD)
    for day in range(2):
        shop.load_days(NAMES, day)
    own, other = "table_changes", STATES
    before = {name: shop.rows(name) for name in (own, other)}
    logs = {name: Path(shop.location.path(name)) / "_delta_log" for name in before}
    commits = {name: len(list(log.glob("*.json"))) for name, log in logs.items()}
    assert commits[own] > 10
    past = time.time() - 3600
    for log in logs.values():
        for file in log.iterdir():
            os.utime(file, (past, past))
    for name in before:
        optimize(shop.location.path(name), tables()[name])
    kept = list(logs[own].glob("*.json"))
    assert len(kept) <= 2
    assert {f.stem for f in logs[own].glob("*.crc")} <= {f.stem for f in kept}
    assert len(list(logs[other].glob("*.json"))) >= commits[other], "people may ask for an older version of a table"
    assert {name: shop.rows(name) for name in before} == before
    shop.load_days(NAMES, 2)
    assert shop.cost("c1")[DAYS[2]] == pytest.approx(18.0)


def test_an_unknown_table_is_named() -> None:
    result = CliRunner().invoke(app, ["optimize", "nothing_gold"])
    assert result.exit_code == 2
    assert "There is no table called nothing_gold; `overwatch tables` lists them" in result.output
