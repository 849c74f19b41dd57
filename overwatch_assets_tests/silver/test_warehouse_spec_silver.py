"""silver.md 11."""

import itertools
import json
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.bronze.warehouses_snapshot_bronze import warehouses_snapshot_bronze
from overwatch_assets.gold.warehouse_gold import warehouse_gold
from overwatch_assets.silver.warehouse_spec_silver import warehouse_spec_silver
from overwatch_assets_tests.definition_lines import DAY, HOUR, Record, audit, record
from overwatch_assets_tests.event_lines import rows

pytestmark = pytest.mark.engine

Snapshots = tuple[tuple[int, Record], ...]


def create(at: int, warehouse: str = "w", action: str = "createWarehouse", **said: Any) -> Record:
    return record("databrickssql", action, at, result={"id": warehouse}, **said)


def edit(at: int, warehouse: str = "w", action: str = "editWarehouse", **said: Any) -> Record:
    return record("databrickssql", action, at, id=warehouse, **said)


def delete(at: int, warehouse: str = "w", action: str = "deleteWarehouse", **said: Any) -> Record:
    return record("databrickssql", action, at, id=warehouse, **said)


def seen(at: int, warehouse: str = "w", **body: Any) -> tuple[int, Record]:
    return at, {"id": warehouse, **body}


def snapshots(spark: SparkSession, told: Snapshots) -> DataFrame:
    answers = [(body["id"], json.dumps(body), at) for at, body in told]
    return warehouses_snapshot_bronze(spark.createDataFrame(answers, "id string, body string, fetched_ms bigint"))


def frame(spark: SparkSession, *records: Record, seen: Snapshots = ()) -> DataFrame:
    bronze = audit(spark, *records)
    return warehouse_spec_silver(bronze, bronze, snapshots(spark, seen))


def specs(spark: SparkSession, *records: Record, seen: Snapshots = ()) -> list[dict[str, Any]]:
    found = rows(frame(spark, *records, seen=seen))
    return sorted(found, key=lambda r: (r["warehouse_id"], r["timestamp"], r["sequence"]))


WHOLE = {
    "name": "BI",
    "cluster_size": "Small",
    "min_num_clusters": 1,
    "max_num_clusters": 3,
    "auto_stop_mins": 15,
    "spot_instance_policy": "COST_OPTIMIZED",
    "enable_photon": True,
    "channel": {"name": "CHANNEL_NAME_CURRENT"},
    "tags": {"custom_tags": [{"key": "cost center", "value": "4711"}]},
    "enable_serverless_compute": False,
    "warehouse_type": "PRO",
}


def test_a_warehouse_from_its_creation_to_its_deletion(spark: SparkSession) -> None:
    made, changed, gone = specs(
        spark,
        create(DAY, **WHOLE),
        edit(DAY + HOUR, by="bob@x", name="BI 2", cluster_size="Medium"),
        delete(DAY + 24 * HOUR, by="eve@x"),
    )
    assert (made["serviceName"], made["actionName"], made["timestamp"]) == ("databrickssql", "createWarehouse", DAY)
    assert (made["warehouse_id"], made["warehouse_name"], made["cluster_size"]) == ("w", "BI", "Small")
    assert (made["min_num_clusters"], made["max_num_clusters"], made["auto_stop_mins"]) == (1, 3, 15)
    assert (made["spot_instance_policy"], made["warehouse_type"]) == ("COST_OPTIMIZED", "PRO")
    assert (made["enable_photon"], made["enable_serverless_compute"]) == (True, False)
    assert (made["channel"], made["tags"]) == ("CHANNEL_NAME_CURRENT", {"cost center": "4711"})
    assert (made["userEmail"], made["requestId"]) == ("ann@x", f"createWarehouse-{DAY}")
    assert made["response"]["statusCode"] == 200
    assert (changed["userEmail"], changed["warehouse_name"], changed["cluster_size"]) == ("bob@x", "BI 2", "Medium")
    assert (changed["max_num_clusters"], changed["tags"]) == (3, {"cost center": "4711"}), "carried forward"
    assert (gone["actionName"], gone["warehouse_name"], gone["userEmail"]) == ("deleteWarehouse", "BI 2", "eve@x")
    assert {r["createdBy"] for r in (made, changed, gone)} == {"ann@x"}
    assert [r["date"].isoformat() for r in (made, changed, gone)] == ["2024-05-01", "2024-05-01", "2024-05-02"]
    assert made["warehouse_state"] is None


def test_endpoints_are_warehouses(spark: SparkSession) -> None:
    found = specs(
        spark,
        create(DAY, action="createEndpoint", name="a"),
        edit(DAY + 1, action="editEndpoint", name="b"),
        delete(DAY + 2, action="deleteEndpoint"),
    )
    assert [(r["actionName"], r["warehouse_name"]) for r in found] == [
        ("createEndpoint", "a"),
        ("editEndpoint", "b"),
        ("deleteEndpoint", "b"),
    ]


def test_a_null_never_takes_a_value_of_later(spark: SparkSession) -> None:
    """The original filled from up to a thousand rows ahead."""
    first, second = specs(
        spark,
        create(DAY, name="a"),
        edit(DAY + 10, cluster_size="Large", warehouse_type="PRO"),
        seen=(seen(DAY + 20, name="c", cluster_size="X-Large", auto_stop_mins=5),),
    )
    assert (first["cluster_size"], first["warehouse_type"], first["auto_stop_mins"]) == (None, None, None)
    assert (second["warehouse_name"], second["cluster_size"]) == ("c", "Large"), "seen while it was so; as requested"
    assert second["auto_stop_mins"] == 5


def test_what_no_request_says_comes_from_the_snapshot_of_that_time(spark: SparkSession) -> None:
    described = (
        seen(DAY, name="old", cluster_size="Small", max_num_clusters=1, state="STOPPED", creator_name="c@x"),
        seen(DAY + 20, name="new", cluster_size="Small", max_num_clusters=2, state="RUNNING"),
        seen(DAY + 40, name="newest", cluster_size="Large", max_num_clusters=3),
    )
    imputed, edited, later = specs(spark, edit(DAY + 10, auto_stop_mins=7), edit(DAY + 50, name="x"), seen=described)
    assert (imputed["actionName"], imputed["warehouse_name"], imputed["max_num_clusters"]) == ("snapImpute", "old", 1)
    assert (edited["warehouse_name"], edited["max_num_clusters"], edited["auto_stop_mins"]) == ("new", 2, 7)
    assert (later["warehouse_name"], later["cluster_size"], later["auto_stop_mins"]) == ("x", "Small", 7)
    assert {r["createdBy"] for r in (imputed, edited, later)} == {"c@x"}


def test_a_warehouse_that_was_there_before_gets_one_imputed_row(spark: SparkSession) -> None:
    body = {**WHOLE, "size": "SMALL", "state": "RUNNING", "creator_name": "ann@x", "creator_id": 7}
    body |= {"auto_resume": True, "num_clusters": 2, "num_active_sessions": 4, "jdbc_url": "jdbc:spark://h"}
    body |= {"odbc_params": {"hostname": "h", "path": "/p", "protocol": "https", "port": 443}}
    (found,) = specs(spark, seen=(seen(DAY + 30 * HOUR, **body), seen(DAY + 54 * HOUR, **body)))
    assert (found["serviceName"], found["actionName"]) == ("warehouses", "snapImpute")
    assert (found["timestamp"], found["date"].isoformat()) == (DAY + 30 * HOUR, "2024-05-02")
    assert (found["warehouse_state"], found["size"], found["auto_resume"]) == ("RUNNING", "SMALL", True)
    assert (found["createdBy"], found["creator_id"], found["jdbc_url"]) == ("ann@x", 7, "jdbc:spark://h")
    assert (found["num_clusters"], found["num_active_sessions"]) == (2, 4)
    assert found["odbc_params"] == {"hostname": "h", "path": "/p", "protocol": "https", "port": 443}
    assert (found["channel"], found["tags"]) == ("CHANNEL_NAME_CURRENT", {"cost center": "4711"})
    assert [found[n] for n in ("userEmail", "requestId", "response")] == [None] * 3


@pytest.mark.parametrize("earlier", [create(DAY), edit(DAY)])
def test_the_imputed_row_vanishes_when_an_earlier_request_arrives(spark: SparkSession, earlier: Record) -> None:
    known = (seen(DAY + HOUR, name="a"),)
    later = edit(DAY + 2 * HOUR, name="b")
    assert [r["actionName"] for r in specs(spark, later, seen=known)] == ["snapImpute", "editWarehouse"]
    assert [r["actionName"] for r in specs(spark, later, earlier, seen=known)] == [
        earlier["actionName"],
        "editWarehouse",
    ]


def test_failed_requests_and_others_are_no_rows(spark: SparkSession) -> None:
    one = edit(DAY + 1, name="a")
    others = (
        edit(DAY, status=403, name="x"),
        record("databrickssql", "stopWarehouse", DAY, id="w"),
        record("databrickssql", "createQuery", DAY, id="w"),
        {**edit(DAY, name="x"), "timestamp": None},
    )
    assert specs(spark, one, *others) == specs(spark, one)


def test_any_order_gives_the_same_rows_and_every_request_is_one(spark: SparkSession) -> None:
    records = [
        create(DAY, name="a"),
        edit(DAY + 1, request="r1", name="b"),
        edit(DAY + 1, request="r2", name="c"),
        delete(DAY + 1),
    ]
    expected = specs(spark, *records)
    assert [(r["timestamp"] - DAY, r["sequence"]) for r in expected] == [(0, 0), (1, 0), (1, 1), (1, 2)]
    assert expected[-1]["actionName"] == "deleteWarehouse"
    for order in list(itertools.permutations(records))[1::9]:
        assert specs(spark, *order, records[1]) == expected


def test_gold_has_the_documented_names(spark: SparkSession) -> None:
    silver = frame(spark, create(DAY + 123, **WHOLE))
    (found,) = rows(warehouse_gold(silver, silver))
    assert (found["service_name"], found["action_name"]) == ("databrickssql", "createWarehouse")
    assert (found["user_email"], found["created_by"], found["unixTimeMS"]) == ("ann@x", "ann@x", DAY + 123)
    assert found["timestamp"].isoformat() == "2024-05-01T00:00:00.123000"
    assert (found["channel"], found["tags"]) == ("CHANNEL_NAME_CURRENT", {"cost center": "4711"})
