"""silver.md 6, gold.md 2.6."""

import itertools
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.gold.account_login_gold import account_login_gold
from overwatch_assets.silver.account_login_silver import account_login_silver
from overwatch_assets.silver.account_mods_silver import account_mods_silver
from overwatch_assets_tests.definition_lines import DAY, HOUR, Record, audit, record
from overwatch_assets_tests.event_lines import rows
from overwatch_assets_tests.literal_rows import rows_of

pytestmark = pytest.mark.engine


def login(at: int, action: str = "samlLogin", user: str | None = "eve@x", **more: Any) -> dict[str, Any]:
    return record("accounts", action, at, by="eve@x", **({"user": user} if user else {}), **more)


def ssh(at: int, action: str = "login") -> Record:
    told = {"instanceId": "i-1", "port": "2200", "publicKey": "ssh-rsa A", "containerId": "c-1", "userName": "ubuntu"}
    return record("ssh", action, at, by="Eve@x", **told)


def logins(spark: SparkSession, *records: Record) -> list[dict[str, Any]]:
    bronze = audit(spark, *records)
    found = rows(account_login_silver(spans=bronze, audit_log_bronze=bronze))
    return sorted(found, key=lambda r: (r["timestamp"], r["login_type"], r["sourceIPAddress"] or "", r["sequence"]))


def whose(spark: SparkSession, *records: Record, mods: tuple[dict[str, Any], ...] = ()) -> list[dict[str, Any]]:
    bronze = audit(spark, *records)
    silver = account_login_silver(spans=bronze, audit_log_bronze=bronze)
    changes = [{"principal": m["user_name"] and m["user_name"].lower(), **m} for m in mods]
    found = account_login_gold(
        spans=silver, account_login_silver=silver, account_mods_silver=rows_of(spark, account_mods_silver, *changes)
    )
    return sorted(rows(found), key=lambda r: r["login_unixTimeMS"])


def test_a_login_by_browser(spark: SparkSession) -> None:
    (row,) = logins(spark, login(DAY, status=403))
    assert row.pop("login_date").isoformat() == "2024-05-01"
    assert row == {
        "timestamp": DAY,
        "login_type": "samlLogin",
        "requestId": f"samlLogin-{DAY}",
        "sourceIPAddress": "10.0.0.9",
        "sequence": 0,
        "serviceName": "accounts",
        "login_user": "eve@x",
        "user_email": "eve@x",
        "userAgent": "a browser",
        "ssh_login_details": None,
        "response": {"errorMessage": None, "result": None, "statusCode": 403},
        "user_key": "eve@x",
    }


def test_a_login_by_ssh_has_its_details_also_without_a_request_id(spark: SparkSession) -> None:
    row, _ = logins(spark, {**ssh(DAY), "requestId": None}, ssh(DAY + 1), ssh(DAY + 2, "logout"))
    assert (row["login_type"], row["serviceName"], row["requestId"]) == ("ssh", "ssh", None)
    assert (row["login_user"], row["user_email"], row["user_key"]) == (None, "Eve@x", "eve@x")
    assert row["ssh_login_details"] == {
        "instance_id": "i-1",
        "login_port": "2200",
        "session_id": "s",
        "login_public_key": "ssh-rsa A",
        "container_id": "c-1",
        "container_user_name": "ubuntu",
    }


def test_logins_of_all_kinds_are_rows_and_nothing_else_is(spark: SparkSession) -> None:
    kinds = [
        *("aadBrowserLogin", "aadTokenLogin", "certLogin", "jwtLogin", "login", "mfaLogin", "oidcBrowserLogin"),
        *("samlLogin", "tokenLogin", "accountLoginCodeAuthentication", "oidcTokenAuthorization"),
        *("inHouseOAuthClientAuthentication", "accountInHouseOAuthClientAuthentication"),
        "passwordVerifyAuthentication",
    ]
    others = ("logout", "changePassword", "generateDbToken", "mintOAuthToken", "addPrincipalToGroup")
    found = logins(
        spark,
        *(login(DAY + n, action) for n, action in enumerate((*kinds, *others))),
        record("sqlpermissions", "login", DAY),
        {**login(DAY), "timestamp": None},
        {**login(DAY + 99), "userIdentity": {"email": "dbadmin"}},
    )
    assert [r["login_type"] for r in found] == kinds


def test_a_login_of_nobody_known_is_a_row(spark: SparkSession) -> None:
    (row,) = logins(spark, {**login(DAY, user=None, status=401), "userIdentity": {"email": None}})
    assert (row["user_email"], row["login_user"], row["user_key"]) == (None, None, None)


def test_a_login_published_twice_is_one_row_and_two_of_one_moment_are_two(spark: SparkSession) -> None:
    told = [
        login(DAY),
        {**login(DAY), "version": "2.0"},
        login(DAY, user="bob@x"),
        {**login(DAY, user="ann@x", status=401), "sourceIPAddress": "10.0.0.8"},
        login(DAY + 1, status=500),
        login(DAY + 1),
    ]
    expected = logins(spark, *told)
    assert len(expected) == 4
    shared = [r for r in expected if r["timestamp"] == DAY and r["sourceIPAddress"] == "10.0.0.9"]
    assert ([r["sequence"] for r in shared], {r["login_user"] for r in shared}) == ([0, 1], {"eve@x", "bob@x"})
    assert expected[-1]["response"]["statusCode"] == 200, "published as failed, then as done"
    for order in list(itertools.permutations(told))[1::199]:
        assert logins(spark, *order) == expected


def test_the_address_is_the_address_and_not_the_ssh_details(spark: SparkSession) -> None:
    (row,) = whose(spark, ssh(DAY))
    assert (row["from_ip_address"], row["ssh_login_details"]["instance_id"]) == ("10.0.0.9", "i-1")
    assert row["ssh_username"] == "ubuntu"


def test_the_user_id_is_the_one_of_that_time(spark: SparkSession) -> None:
    found = whose(
        spark,
        login(DAY),
        login(DAY + HOUR),
        login(DAY + 3 * HOUR, user="EVE@x"),
        ssh(DAY + 5 * HOUR),
        login(DAY + 6 * HOUR, user="bob@x"),
        mods=(
            {"user_name": "eve@x", "user_id": "7", "timestamp": DAY + HOUR},
            {"user_name": "eve@x", "user_id": None, "timestamp": DAY + 2 * HOUR},
            {"user_name": "Eve@x", "user_id": "8", "timestamp": DAY + 4 * HOUR},
            {"user_name": "eve@x", "user_id": "8", "timestamp": DAY + 9 * HOUR},
            {"user_name": None, "principal": "bob@x", "user_id": None, "timestamp": DAY},
        ),
    )
    assert [(r["user_id"], r["users_used"]) for r in found] == [
        ("7", ["eve@x"]),
        ("7", ["eve@x"]),
        ("7", ["eve@x"]),
        ("8", ["eve@x"]),
        (None, ["bob@x"]),
    ]


def test_many_changes_of_an_account_multiply_no_login(spark: SparkSession) -> None:
    mods = tuple({"user_name": "eve@x", "user_id": "7", "timestamp": DAY, "sequence": n} for n in range(5))
    assert len(whose(spark, login(DAY), mods=mods)) == 1
