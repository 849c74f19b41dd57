"""Accounts loaded day by day: whose a login was heals when a change of the account comes late."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.runner.difference import content_of
from overwatch_assets_tests.definition_lines import DAY, HOUR, Record, record
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, World

pytestmark = pytest.mark.engine

DAYS = (DAY1, DAY2, DAY3)
MADE = ("account_login_silver", "account_mods_silver", "account_mods_gold", "account_login_gold")


def login(hours: int, user: str = "eve@x") -> Record:
    return record("accounts", "samlLogin", DAY + hours * HOUR, user=user)


def change(action: str, hours: int, **said: Any) -> Record:
    return record("accounts", action, DAY + hours * HOUR, targetUserName="eve@x", **said)


ON_TIME = {
    DAY1: [login(2), login(3, "bob@x")],
    DAY2: [login(26)],
    DAY3: [change("updateUser", 50, targetUserId="8"), login(51)],
}
LATE = {DAY1: [change("add", 1, targetUserId="7")], DAY2: [change("delete", 30), change("add", 31)]}


def chain(world: World, days: Iterable[dt.date]) -> None:
    for name in ("audit_log_bronze", *MADE):
        world.load(name, *days)


def whose(world: World) -> dict[tuple[str, int], str | None]:
    return {
        (r["login_user"], (r["login_unixTimeMS"] - DAY) // HOUR): r["user_id"] for r in world.rows("account_login_gold")
    }


def test_days_that_come_late_end_in_the_rows_of_those_on_time(spark: SparkSession, tmp_path: Path) -> None:
    late, on_time = World(spark, tmp_path / "late", {}), World(spark, tmp_path / "on_time", {})
    for day, lines in ON_TIME.items():
        for world in (late, on_time):
            world.deliver(day, "a.json", lines)
    for day, lines in LATE.items():
        on_time.deliver(day, "b.json", lines)
    chain(on_time, DAYS)
    chain(late, DAYS)
    assert whose(late) == {("eve@x", 2): "8", ("bob@x", 3): None, ("eve@x", 26): "8", ("eve@x", 51): "8"}
    for day, lines in LATE.items():
        late.deliver(day, "b.json", lines)
    for day in (DAY2, DAY1):
        chain(late, [day])
    assert whose(late) == {("eve@x", 2): "7", ("bob@x", 3): None, ("eve@x", 26): "7", ("eve@x", 51): "8"}
    for name in MADE:
        assert said(late, name) == said(on_time, name), name
    before = {name: late.store.version(tables()[name]) for name in MADE}
    chain(late, DAYS)
    assert {name: late.store.version(tables()[name]) for name in MADE} == before


def said(world: World, name: str) -> list[int]:
    rows = world.store.read(tables()[name]).select(content_of(tables()[name].compared).alias("said"))
    return sorted(r["said"] for r in rows.collect())
