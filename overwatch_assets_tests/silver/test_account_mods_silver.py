"""silver.md 7, gold.md 2.5."""

import itertools
from typing import Any

import pytest
from pyspark.sql import SparkSession, functions as F

from overwatch_assets.gold.account_mods_gold import account_mods_gold
from overwatch_assets.silver.account_mods_silver import account_mods_silver
from overwatch_assets_tests.definition_lines import DAY, HOUR, Record, audit, record
from overwatch_assets_tests.event_lines import rows

pytestmark = pytest.mark.engine


def change(action: str, at: int, user: str | None = "eve@x", user_id: str | None = None, **more: Any) -> Record:
    said = {"targetUserName": user, "targetUserId": user_id, "endpoint": "scim"}
    return record("accounts", action, at, **{n: v for n, v in said.items() if v is not None}, **more)


def mods(spark: SparkSession, *records: Record) -> list[dict[str, Any]]:
    bronze = audit(spark, *records)
    spans = bronze.where("event_principal is not null").select(F.col("event_principal").alias("principal")).distinct()
    found = account_mods_silver(spans=spans, audit_log_bronze=bronze)
    return sorted(rows(found), key=lambda r: (r["timestamp"], r["principal"], r["sequence"]))


def test_a_user_comes_to_a_group(spark: SparkSession) -> None:
    told = change("addPrincipalToGroup", DAY, user_id="7", targetGroupName="admins", targetGroupId="11", status=403)
    (row,) = mods(spark, told)
    assert row.pop("date").isoformat() == "2024-05-01"
    assert row == {
        "principal": "eve@x",
        "timestamp": DAY,
        "serviceName": "accounts",
        "actionName": "addPrincipalToGroup",
        "endpoint": "scim",
        "requestId": f"addPrincipalToGroup-{DAY}",
        "sequence": 0,
        "modified_by": "ann@x",
        "user_name": "eve@x",
        "user_id": "7",
        "group_name": "admins",
        "group_id": "11",
        "sourceIPAddress": "10.0.0.9",
        "userAgent": "a browser",
        "response": {"errorMessage": None, "result": None, "statusCode": 403},
    }


def test_all_seven_actions_are_rows_and_no_others(spark: SparkSession) -> None:
    seven = (
        "add",
        "addPrincipalToGroup",
        "removePrincipalFromGroup",
        "setAdmin",
        "removeAdmin",
        "updateUser",
        "delete",
    )
    others = ("login", "createGroup", "generateDbToken")
    found = mods(
        spark,
        *(change(action, DAY + n) for n, action in enumerate((*seven, *others))),
        record("groups", "add", DAY, targetUserName="eve@x"),
        {**change("add", DAY), "timestamp": None},
    )
    assert [r["actionName"] for r in found] == list(seven)


def test_every_user_of_a_bulk_request_is_a_row(spark: SparkSession) -> None:
    several = [change("add", DAY, f"{name}@x", request="bulk") for name in "abc"]
    twice = change("updateUser", DAY, "a@x", "1", request="bulk"), change("updateUser", DAY, "A@x", "2", request="bulk")
    found = mods(spark, *several, *twice, several[0])
    assert [(r["principal"], r["actionName"], r["sequence"]) for r in found] == [
        ("a@x", "add", 0),
        ("a@x", "updateUser", 0),
        ("a@x", "updateUser", 1),
        ("b@x", "add", 0),
        ("c@x", "add", 0),
    ]


def test_the_user_id_comes_from_the_next_change_that_says_it_else_from_the_last(spark: SparkSession) -> None:
    found = mods(
        spark,
        change("updateUser", DAY),
        change("updateUser", DAY + 1, user_id="7"),
        change("setAdmin", DAY + 2, "Eve@X"),
        change("add", DAY + 3, "bob@x"),
    )
    assert [(r["user_name"], r["user_id"]) for r in found] == [
        ("eve@x", "7"),
        ("eve@x", "7"),
        ("Eve@X", "7"),
        ("bob@x", None),
    ]


def test_who_is_added_again_under_a_name_has_their_own_id(spark: SparkSession) -> None:
    found = mods(
        spark,
        change("add", DAY, user_id="7"),
        change("add", DAY + 1, status=409),
        change("delete", DAY + HOUR),
        change("add", DAY + 2 * HOUR),
        change("updateUser", DAY + 2 * HOUR, user_id="8"),
        change("setAdmin", DAY + 3 * HOUR),
    )
    assert [(r["actionName"], r["user_id"]) for r in found] == [
        ("add", "7"),
        ("add", "7"),
        ("delete", "7"),
        ("add", "8"),
        ("updateUser", "8"),
        ("setAdmin", "8"),
    ]


def test_changes_without_a_user_name_are_rows_of_what_they_name(spark: SparkSession) -> None:
    found = mods(
        spark,
        change("delete", DAY, None, "7"),
        change("addPrincipalToGroup", DAY + 1, None, targetGroupName="admins"),
        change("addPrincipalToGroup", DAY + 2, None, targetGroupId="11"),
        change("add", DAY + 3, None),
    )
    assert [(r["principal"], r["user_id"]) for r in found] == [("7", "7"), ("admins", None), ("11", None), ("?", None)]


def test_any_order_gives_the_same_rows(spark: SparkSession) -> None:
    told = [
        change("add", DAY),
        change("updateUser", DAY, user_id="7"),
        change("updateUser", DAY, request="other"),
        change("add", DAY, status=500),
        change("delete", DAY),
    ]
    expected = mods(spark, *told)
    assert [r["user_id"] for r in expected] == ["7"] * 4, "the add that failed first, and then did not, is one"
    for order in list(itertools.permutations(told))[1::29]:
        assert mods(spark, *order, order[0]) == expected


def test_gold_has_the_documented_columns(spark: SparkSession) -> None:
    bronze = audit(spark, change("add", DAY, user_id="7"))
    spans = bronze.select(F.col("event_principal").alias("principal"))
    silver = account_mods_silver(spans=spans, audit_log_bronze=bronze)
    (row,) = rows(account_mods_gold(spans=silver, account_mods_silver=silver))
    assert (row["mod_unixTimeMS"], row["mod_date"].isoformat(), row["action"]) == (DAY, "2024-05-01", "add")
    assert (row["from_ip_address"], row["user_agent"], row["request_id"]) == ("10.0.0.9", "a browser", f"add-{DAY}")
