"""The data dictionary says what the contracts say."""

from pathlib import Path

from overwatch_assets.contract.dictionary import render
from overwatch_assets.contract.registry import tables

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
    assert "- Partitioned by: `date`" in part
    assert (
        "- Inputs: `spark_stages_silver` (changed rows by `clusterId`, `SparkContextID`, `StageID`, `StageAttemptID`)"
        in part
    )
    assert "| `stage_id` | `bigint` | Stage. Never null. | `spark_stages_silver.StageID` |" in part
    assert "| `Overwatch_RunID` | `string` | Id of the run that wrote the row. *Bookkeeping.* Never null. |  |" in part


def test_every_table_and_column_is_there() -> None:
    text = render()
    for table in tables().values():
        part = text[text.index(f"### {table.name}\n") :].partition("\n### ")[0]
        assert part.count("\n| `") == len(table.columns)
