"""silver.md 2."""

import datetime as dt
import itertools
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.bronze.pools_snapshot_bronze import pools_snapshot_bronze
from overwatch_assets.gold.instancepool_gold import instancepool_gold
from overwatch_assets.silver.pools_silver import pools_silver
from overwatch_assets_tests.definition_lines import DAY, HOUR, Record, audit, record, snapshots
from overwatch_assets_tests.event_lines import rows

pytestmark = pytest.mark.engine

Snapshots = tuple[tuple[int, Record], ...]


def create(at: int, pool: str = "p", **said: Any) -> Record:
    return record("instancePools", "create", at, result={"instance_pool_id": pool}, **said)


def edit(at: int, pool: str = "p", **said: Any) -> Record:
    return record("instancePools", "edit", at, instance_pool_id=pool, **said)


def delete(at: int, pool: str = "p", **said: Any) -> Record:
    return record("instancePools", "delete", at, instance_pool_id=pool, **said)


def seen(at: int, pool: str = "p", **body: Any) -> tuple[int, Record]:
    return at, {"instance_pool_id": pool, **body}


def pools(spark: SparkSession, *records: Record, seen: Snapshots = ()) -> list[dict[str, Any]]:
    bronze = audit(spark, *records)
    found = pools_silver(
        spans=bronze,
        audit_log_bronze=bronze,
        pools_snapshot_bronze=snapshots(spark, pools_snapshot_bronze, *seen),
    )
    return sorted(rows(found), key=lambda r: (r["instance_pool_id"], r["timestamp"], r["sequence"]))


def test_a_pool_from_its_creation_to_its_deletion(spark: SparkSession) -> None:
    made, changed, gone = pools(
        spark,
        create(
            DAY,
            instance_pool_name="small",
            node_type_id="i3.xlarge",
            min_idle_instances=0,
            max_capacity=20,
            idle_instance_autotermination_minutes=15,
            preloaded_spark_versions=["13.3.x-scala2.12"],
            aws_attributes={"zone_id": "us-east-1a"},
            custom_tags={"team": "fin"},
        ),
        edit(DAY + HOUR, by="bob@x", instance_pool_name="large", max_capacity=50),
        delete(DAY + 24 * HOUR, by="eve@x"),
    )
    assert (made["serviceName"], made["actionName"], made["timestamp"]) == ("instancePools", "create", DAY)
    assert (made["instance_pool_name"], made["node_type_id"], made["min_idle_instances"]) == ("small", "i3.xlarge", 0)
    assert (made["max_capacity"], made["idle_instance_autotermination_minutes"]) == (20, 15)
    assert (made["aws_attributes"], made["azure_attributes"]) == ({"zone_id": "us-east-1a"}, None)
    assert made["request_details"]["requestId"] == f"create-{DAY}"
    assert made["request_details"]["response"]["statusCode"] == 200
    assert (made["request_details"]["sourceIPAddress"], made["request_details"]["userAgent"]) == (
        "10.0.0.9",
        "a browser",
    )
    created = {
        "created_by": "ann@x",
        "created_at_epochMillis": DAY,
        "created_at": dt.datetime.fromisoformat("2024-05-01"),
    }
    assert [r["create_details"] for r in (made, changed, gone)] == [created] * 3, "carried forward"
    assert (changed["instance_pool_name"], changed["node_type_id"], changed["max_capacity"]) == (
        "large",
        "i3.xlarge",
        50,
    )
    assert (changed["delete_details"], gone["delete_details"]["deleted_by"]) == (None, "eve@x")
    assert gone["delete_details"]["deleted_at_epochMillis"] == DAY + 24 * HOUR
    assert (gone["instance_pool_name"], gone["custom_tags"]) == ("large", {"team": "fin"}), "what it was is still known"
    assert [r["date"].isoformat() for r in (made, changed, gone)] == ["2024-05-01", "2024-05-01", "2024-05-02"]


def test_preloaded_versions_of_audit_are_kept(spark: SparkSession) -> None:
    (made,) = pools(
        spark,
        create(DAY, preloaded_spark_versions=["13.3.x-scala2.12"]),
        seen=(seen(DAY + 1, preloaded_spark_versions=["14.3.x-scala2.12"]),),
    )
    assert made["preloaded_spark_versions"] == '["13.3.x-scala2.12"]'


def test_no_edit_is_dropped(spark: SparkSession) -> None:
    found = pools(
        spark,
        create(DAY, max_capacity=1),
        edit(DAY + 1, request="a", max_capacity=2),
        edit(DAY + 1, request="b", max_capacity=3),
        edit(DAY + 2, max_capacity=4),
    )
    assert [(r["timestamp"] - DAY, r["sequence"]) for r in found] == [(0, 0), (1, 0), (1, 1), (2, 0)]
    assert {r["max_capacity"] for r in found} == {1, 2, 3, 4}
    twice = pools(spark, edit(DAY + 1, max_capacity=2), edit(DAY + 1, max_capacity=2))
    assert len(twice) == 1, "published twice"


def test_any_order_gives_the_same_rows(spark: SparkSession) -> None:
    records = [
        create(DAY, instance_pool_name="a"),
        edit(DAY + 1, request="a", instance_pool_name="b"),
        edit(DAY + 1, request="b", instance_pool_name="c"),
        delete(DAY + 1),
    ]
    expected = pools(spark, *records)
    assert expected[-1]["actionName"] == "delete"
    for order in list(itertools.permutations(records))[1::9]:
        assert pools(spark, *order) == expected


def test_a_failed_request_is_a_row_and_changes_nothing(spark: SparkSession) -> None:
    found = pools(
        spark,
        create(DAY, max_capacity=1),
        edit(DAY + 1, status=403, max_capacity=9),
        delete(DAY + 2, status=500),
        edit(DAY + 3, instance_pool_name="n"),
    )
    assert [r["max_capacity"] for r in found] == [1, 1, 1, 1]
    assert [r["request_details"]["response"]["statusCode"] for r in found] == [200, 403, 500, 200]
    assert [r["delete_details"] for r in found] == [None] * 4


def test_what_no_request_says_comes_from_the_snapshot_of_that_time(spark: SparkSession) -> None:
    described = (
        seen(DAY, instance_pool_name="old", node_type_id="m", custom_tags={"team": "a"}, min_idle_instances=1),
        seen(DAY + 20, instance_pool_name="new", node_type_id="m", custom_tags={"team": "b"}, min_idle_instances=2),
        seen(DAY + 40, instance_pool_name="newest", node_type_id="m", custom_tags={"team": "c"}, min_idle_instances=3),
    )
    imputed, edited, later = pools(
        spark, edit(DAY + 10, max_capacity=5), edit(DAY + 50, instance_pool_name="x"), seen=described
    )
    assert (imputed["actionName"], imputed["instance_pool_name"], imputed["min_idle_instances"]) == (
        "snapImpute",
        "old",
        1,
    )
    assert (edited["instance_pool_name"], edited["custom_tags"], edited["max_capacity"]) == ("new", {"team": "b"}, 5)
    assert (later["instance_pool_name"], later["node_type_id"], later["max_capacity"]) == ("x", "m", 5)


def test_a_pool_that_was_there_before_gets_one_imputed_row_at_its_first_snapshot(spark: SparkSession) -> None:
    late = DAY + 30 * HOUR
    (imputed,) = pools(
        spark, seen=(seen(late + 24 * HOUR, instance_pool_name="b"), seen(late, instance_pool_name="a", max_capacity=2))
    )
    assert (imputed["actionName"], imputed["timestamp"], imputed["instance_pool_name"]) == ("snapImpute", late, "a")
    assert imputed["date"] == dt.date(2024, 5, 2), "the day of its time"
    assert (imputed["serviceName"], imputed["max_capacity"]) == ("instancePools", 2)
    assert [imputed[n] for n in ("create_details", "delete_details", "request_details")] == [None] * 3


@pytest.mark.parametrize("earlier", [create(DAY), edit(DAY)])
def test_the_imputed_row_vanishes_when_an_earlier_request_arrives(spark: SparkSession, earlier: Record) -> None:
    known = (seen(DAY + HOUR, instance_pool_name="a"),)
    later = edit(DAY + 2 * HOUR, max_capacity=3)
    assert [r["actionName"] for r in pools(spark, later, seen=known)] == ["snapImpute", "edit"]
    assert [r["actionName"] for r in pools(spark, later, earlier, seen=known)] == [earlier["actionName"], "edit"]


def test_requests_of_other_kinds_and_without_a_time_are_no_rows(spark: SparkSession) -> None:
    acl = record("instancePools", "changeInstancePoolAcl", DAY, instance_pool_id="p")
    assert pools(spark, acl, edit(DAY + 1), {**edit(DAY + 2), "timestamp": None}) == pools(spark, edit(DAY + 1))


def test_pools_do_not_mix(spark: SparkSession) -> None:
    found = pools(spark, create(DAY, "p", node_type_id="a"), create(DAY, "q", node_type_id="b"), edit(DAY + 1, "q"))
    assert [(r["instance_pool_id"], r["node_type_id"]) for r in found] == [("p", "a"), ("q", "b"), ("q", "b")]


def test_gold_is_the_same_rows(spark: SparkSession) -> None:
    bronze = audit(spark, create(DAY, instance_pool_name="a"))
    silver = pools_silver(
        spans=bronze, audit_log_bronze=bronze, pools_snapshot_bronze=snapshots(spark, pools_snapshot_bronze)
    )
    assert rows(instancepool_gold(spans=silver, pools_silver=silver).select(*silver.columns)) == rows(silver)
