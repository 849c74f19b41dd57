"""What was done with notebooks, from audit records; worked out by hand."""

from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from overwatch_assets.gold.notebook_gold import notebook_gold
from overwatch_assets.silver.notebook_silver import notebook_silver
from overwatch_assets_tests.definition_lines import DAY, HOUR, audit, record

pytestmark = pytest.mark.engine


def rows(spark: SparkSession, *records: dict[str, Any]) -> list[Row]:
    found = notebook_silver(spark.range(0), audit(spark, *records)).collect()
    return sorted(found, key=lambda r: (r["timestamp"], r["actionName"], r["sequence"]))


def done(action: str, at: int = DAY, **more: Any) -> dict[str, Any]:
    return record("notebook", action, at, **{"notebookId": "5", **more})


def test_a_name_is_the_stated_one_else_what_the_path_ends_with(spark: SparkSession) -> None:
    created, named, bare = rows(
        spark,
        done("createNotebook", DAY, path="/Users/ann/plan"),
        done("createNotebook", DAY + 1, path="/Users/ann/plan", notebookName="Plan", request="r2"),
        done("detachNotebook", DAY + 2, clusterId="c1"),
    )
    assert [(r["notebookName"], r["path"]) for r in (created, named, bare)] == [
        ("plan", "/Users/ann/plan"),
        ("Plan", "/Users/ann/plan"),
        (None, None),
    ]
    assert (bare["clusterId"], bare["userEmail"], bare["requestId"], bare["response"]["statusCode"]) == (
        "c1",
        "ann@x",
        f"detachNotebook-{DAY + 2}",
        200,
    )


def test_every_change_of_a_batch_is_a_row_also_of_one_request_and_millisecond(spark: SparkSession) -> None:
    one, two, three = rows(
        spark,
        done("renameNotebook", request="r", oldName="a", newName="b", parentPath="/x"),
        done("renameNotebook", request="r", oldName="b", newName="c", parentPath="/x"),
        done("renameNotebook", DAY + 1, request="r", oldName="c", newName="d", parentPath="/x"),
    )
    assert {(r["sequence"], r["timestamp"] - DAY) for r in (one, two, three)} == {(0, 0), (1, 0), (0, 1)}
    assert {r["newName"] for r in (one, two)} == {"b", "c"}
    assert (three["nameAfter"], three["pathAfter"], three["parentPath"]) == ("d", "/x/d", "/x")


def test_where_a_notebook_lies_from_then_on(spark: SparkSession) -> None:
    found = rows(
        spark,
        done("moveNotebook", DAY, oldPath="/x/a", newPath="/y/b/"),
        done("renameNotebook", DAY + 1, newName="c"),  # in which folder is not said
        done("renameNotebook", DAY + 2, newName="d", parentPath="/y/"),
        done("runCommand", DAY + 3, path="/z/e", commandId="1"),
    )
    assert [(r["nameAfter"], r["pathAfter"]) for r in found] == [
        ("b", "/y/b/"),
        (None, None),
        ("d", "/y/d"),
        (None, None),
    ]


def test_refused_requests_and_other_services_are_no_rows_and_folders_are(spark: SparkSession) -> None:
    (folder,) = rows(
        spark,
        done("createNotebook", status=403),
        record("workspace", "createNotebook", DAY, notebookId="5"),
        record("notebook", "moveFolder", DAY, oldPath="/x", newPath="/y"),
        record("notebook", "openNotebook", None, notebookId="5"),
    )
    assert (folder["notebookId"], folder["oldPath"], folder["newPath"], folder["pathAfter"]) == (None, "/x", "/y", None)


def test_a_record_in_two_forms_is_one_row(spark: SparkSession) -> None:
    once = done("createNotebook", path="/x/a")
    assert len(rows(spark, once, {**once, "version": "2.0"}, once)) == 1


def test_a_command_began_before_its_record_was_written(spark: SparkSession) -> None:
    timed, instant, odd, long = rows(
        spark,
        done("runCommand", DAY + HOUR, executionTime="1800.5", commandId="1"),
        done("runCommand", DAY + HOUR + 1, executionTime="0", commandId="2"),
        done("runCommand", DAY + HOUR + 2, executionTime="-4", commandId="3"),
        done("runCommand", DAY + HOUR + 3, executionTime="1e15", commandId="4"),
    )
    assert timed["startMS"] == DAY + HOUR - 1_800_500
    assert [r["startMS"] - r["timestamp"] for r in (instant, odd, long)] == [0, 0, 0]
    assert [r["commandId"] for r in (timed, instant, odd, long)] == ["1", "2", "3", "4"]


def test_gold_has_the_documented_names(spark: SparkSession) -> None:
    silver = notebook_silver(spark.range(0), audit(spark, done("createNotebook", DAY + 250, path="/x/a")))
    (row,) = notebook_gold(spark.range(0), silver).collect()
    assert (row["notebook_id"], row["notebook_name"], row["notebook_path"]) == ("5", "a", "/x/a")
    assert (row["action"], row["unixTimeMS"], row["user_email"]) == ("createNotebook", DAY + 250, "ann@x")
    assert row["timestamp"].microsecond == 250_000
