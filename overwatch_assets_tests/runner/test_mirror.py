"""A table that mirrors its source: prices, loaded through the runner."""

import datetime as dt
from pathlib import Path
from typing import Any

import deltalake
import pytest
from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.contract import Column, Insert, Linked, Mirror, Source, table
from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import ConfigurationError
from overwatch_assets.rules.days import day_start_ms
from overwatch_assets.runner.insert import Reading
from overwatch_assets.runner.runner import Result, Runner
from overwatch_assets.runner.state import TABLE_CHANGES
from overwatch_assets.sources.registry import Sources
from overwatch_assets.sources.standard import standard_sources
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, World, at

HEADER = "table,key,Compute_Contract_Price,Hourly_DBUs,contract_price,activeFrom\n"
OWN_LIST = "instance,*\ninstance,A.large,1,0.5,,2024-05-01\ninstance,b.large,2,,,2024-05-01\n"


@pytest.fixture
def world(spark: SparkSession, tmp_path: Path) -> World:
    made = World(spark, tmp_path, {"prices": str(tmp_path / "prices.csv")})
    put(made, OWN_LIST)
    return made


def put(world: World, rows: str) -> None:
    (world.folder / "prices.csv").write_text(HEADER + rows)


def prices(world: World) -> list[tuple[Any, ...]]:
    rows = world.rows("instancedetails")
    names = ("API_Name", "Compute_Contract_Price", "Hourly_DBUs", "activeFrom", "activeUntil", "isActive")
    return sorted(tuple(row[n] for n in names) for row in rows)


def changes(world: World, number: int) -> list[tuple[int, dict[str, list[str]]]]:
    """Start and keys of the records of one write of the table."""
    rows = world.store.read(TABLE_CHANGES).where(f"table_name = 'instancedetails' and number = {number}")
    return sorted(((r["fromTS"], r["keys"]) for r in rows.collect()), key=str)


@pytest.mark.engine
def test_rows_change_vanish_and_appear_and_keys_are_recorded(world: World) -> None:
    first = world.load("instancedetails", DAY1)
    assert (first.status, first.counts["inserted"]) == ("SUCCESS", 2)
    assert prices(world) == [
        ("A.large", 1.0, 0.5, DAY1, None, True),
        ("b.large", 2.0, None, DAY1, None, True),
    ]
    day1, day3 = day_start_ms(DAY1), day_start_ms(DAY3)
    assert changes(world, 1) == [(day1, {"node_type_key": ["a.large"]}), (day1, {"node_type_key": ["b.large"]})]

    put(
        world,
        "instance,*\ninstance,A.large,1,0.5,,2024-05-01\ninstance,A.large,3,,,2024-05-02\n"
        "instance,c.large,4,1,,2024-05-01\n",
    )
    second = world.load("instancedetails", DAY3)
    assert {n: second.counts[n] for n in ("inserted", "updated", "deleted")} == {
        "inserted": 2,
        "updated": 1,
        "deleted": 1,
    }
    assert prices(world) == [
        ("A.large", 1.0, 0.5, DAY1, DAY2, False),
        ("A.large", 3.0, 0.5, DAY2, None, True),
        ("c.large", 4.0, 1.0, DAY1, None, True),
    ]
    assert changes(world, 2) == [(day3, {"node_type_key": [key]}) for key in ("a.large", "b.large", "c.large")]
    written = deltalake.DeltaTable(f"{world.store.location.root}/instancedetails").history()
    assert [commit["operation"] for commit in written] == ["MERGE", "WRITE", "CREATE TABLE"]  # the latest first


@pytest.mark.engine
def test_a_repeat_writes_nothing_whatever_the_window_and_the_day_of_the_run(world: World) -> None:
    world.load("instancedetails", DAY2)
    before, rows = world.store.version(tables()["instancedetails"]), prices(world)
    records = world.store.read(TABLE_CHANGES).count()
    late = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    for load in (
        world.load("instancedetails", DAY2),
        world.load("instancedetails", DAY1, now=late),
        world.load("instancedetails", DAY3, now=late),
    ):
        assert (load.status, load.counts) == ("SUCCESS", {})
    assert (world.store.version(tables()["instancedetails"]), prices(world)) == (before, rows)
    assert world.store.read(TABLE_CHANGES).count() == records


@pytest.mark.engine
def test_an_empty_source_empties_the_table_and_one_that_was_not_read_leaves_it(world: World) -> None:
    world.load("instancedetails", DAY1)
    away = Sources(readers={"price_list": lambda _: Reading(empty="not there")})
    assert world.load("instancedetails", DAY1, sources=away).status == "EMPTY: not there"
    assert len(prices(world)) == 2
    put(world, "instance,*\n")
    assert world.load("instancedetails", DAY1).counts["deleted"] == 2
    assert prices(world) == []


@pytest.mark.engine
def test_other_workspaces_rows_of_a_shared_table_stay(world: World) -> None:
    other = World(world.spark, world.folder, {**world.fields, "workspace_id": "456"})
    root = world.workspace.table_root(external_metastore=True)

    def load(of: World, day: dt.date) -> Result:
        store = TableStore(of.spark, Location(root), of.workspace.workspace_id, shared=True)
        runner = Runner(of.workspace, store, standard_sources(of.workspace), at(DAY3, 23))
        (window,) = runner.windows([day])
        return runner.load(tables()["instancedetails"], window)

    load(world, DAY1)
    load(other, DAY1)
    put(world, "instance,*\n")
    assert load(world, DAY2).counts["deleted"] == 2
    table = deltalake.DeltaTable(f"{root}/instancedetails")
    assert table.to_pyarrow_table().column("organization_id").to_pylist() == ["456", "456"]


@pytest.mark.engine
def test_a_wrong_price_file_fails_the_load_and_leaves_the_rows(world: World) -> None:
    world.load("instancedetails", DAY1)
    put(world, "instance,x,1,,,2024-05-09\n")
    with pytest.raises(ConfigurationError, match=r"prices.csv:2: instance x: has a gap from 2024-05-01"):
        world.load("instancedetails", DAY1)
    assert len(prices(world)) == 2


def test_what_a_mirror_needs() -> None:
    def wrong_bronze(rows: DataFrame) -> DataFrame:
        return rows

    wrong_bronze.__module__ = "overwatch_assets.bronze.wrong_bronze"
    for entity, role in (((), Source()), (("id",), Linked(("id",)))):
        make = table(
            module_id=1,
            module_name="Wrong",
            columns=(Column("id", "string", "Id."),),
            keys=("id",),
            entity=entity,
            rebuild=Mirror(),
            inputs={"rows": role},
        )
        with pytest.raises(ConfigurationError, match="a mirror needs an entity, and reads its source alone"):
            make(wrong_bronze)
    assert not isinstance(tables()["instancedetails"].rebuild, Insert)
