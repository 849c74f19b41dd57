"""The data dictionary says what the contracts say."""

import re
from pathlib import Path

import pytest

from overwatch_assets.contract.dictionary import render
from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import Column
from overwatch_assets.contract.units import unit

COMMITTED = Path(__file__).parents[2] / "docs" / "data-dictionary.md"


def test_committed_file_is_not_stale() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == render(), "run `overwatch dictionary`"


def test_one_table() -> None:
    text = render()
    part = text[text.index("### sparkstage_gold\n") :].partition("\n### ")[0].splitlines()
    assert part[2:5] == [
        "Every attempt of every stage. One row: one stage attempt.",
        "",
        "- Module: 3011, Gold_SparkStage",
    ]
    keys = ("organization_id", "cluster_id", "spark_context_id", "stage_id", "stage_attempt_id", "unixTimeMS")
    assert f"- Keys: {', '.join(f'`{k}`' for k in keys)}" in part
    assert (
        "- Write mode: merge; what is rebuilt together is replaced, and rows that are no longer true are deleted"
        in part
    )
    assert "- Incremental columns: `date`, `unixTimeMS`" in part
    assert "- Partition columns: `organization_id`, `date` (`organization_id` where workspaces share tables)" in part
    assert "- Z-order columns: `cluster_id`" in part
    assert "- Consumer view: `sparkStage`" in part
    assert (
        "- Inputs: `spark_stages_silver` (changed rows by `clusterId`, `SparkContextID`, `StageID`, `StageAttemptID`)"
        in part
    )
    assert "| `stage_id` | `bigint` |  | Stage. Never null. | `spark_stages_silver.StageID` |" in part
    assert (
        "| `Overwatch_RunID` | `string` |  | Id of the run that wrote the row. *Bookkeeping.* Never null. |  |" in part
    )


def test_one_view() -> None:
    text = render()
    part = text[text.index("### View clusterStateFact\n") :].partition("\n### ")[0].splitlines()
    assert part[2].startswith("Every state")
    assert "- Database: consumer" in part
    assert "- Table: `clusterstatefact_gold`" in part
    assert "- Incremental columns: `state_start_date`, `unixTimeMS_state_start`" in part
    assert (
        "| `total_cost` | `double` | USD | All of it, dollars; null: no part is known. "
        "| `clusterstatefact_gold.total_cost` |"
    ) in part


def test_every_view_and_column_is_there() -> None:
    text = render()
    for table in tables().values():
        if table.view is not None:
            part = text[text.index(f"### View {table.view.name}\n") :].partition("\n### ")[0]
            assert part.count("\n| `") == len(table.view.columns)
            assert f"- Database: {'ETL' if table.view.of_etl else 'consumer'}" in part


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        ("Start, epoch ms; null: not started.", "epoch ms"),
        ("DBUs of the driver, dollars.", "USD"),
        ("DBUs of the driver.", "DBU"),
        ("Core hours of all its nodes.", "core h"),
        ("The same in hours.", "h"),
        ("Hash of its bytes: the same input is one.", ""),
        ("Workers at the state's start: they cost DBUs.", ""),
    ],
)
def test_the_unit_is_what_the_meaning_says(doc: str, expected: str) -> None:
    assert unit(Column("x", "bigint", doc)) == expected
    assert unit(Column("x", "string", doc)) == ""


def test_numbers_named_for_a_unit_have_one() -> None:
    named = re.compile(
        r"(_ms|MS|Millis|_TS|fromTS|untilTS|_cost|[pP]rice|bytes|Bytes|_S|_H|ours|seconds|mins|minutes|dbus)$"
    )
    columns = [(t.name, c) for t in tables().values() for c in t.columns if c.type in ("int", "bigint", "double")]
    assert [(t, c.name) for t, c in columns if named.search(c.name) and not unit(c)] == []


def test_every_table_and_column_is_there() -> None:
    text = render()
    for table in tables().values():
        part = text[text.index(f"### {table.name}\n") :].partition("\n### ")[0]
        assert part.count("\n| `") == len(table.columns)
