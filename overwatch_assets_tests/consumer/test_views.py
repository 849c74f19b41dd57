"""Consumer views over one workspace, several, and several in shared tables."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.config.deployment import Deployment, Workspace
from overwatch_assets.consumer.inventory import inventory
from overwatch_assets.consumer.rendered import render
from overwatch_assets.consumer.views import names, register, views
from overwatch_assets.contract.registry import tables
from overwatch_assets.runner.platform import Platform

pytestmark = pytest.mark.engine

STAGES = tables()["sparkstage_gold"]
NOW = dt.datetime(2024, 5, 2, tzinfo=dt.UTC)


def platform(spark: SparkSession, root: Path, *, shared: bool) -> Platform:
    def workspace(number: str) -> Workspace:
        return Workspace.model_validate(
            {
                "workspace_name": f"w{number}",
                "workspace_id": number,
                "cloud": "AWS",
                "primordial_date": "2024-05-01",
                "storage_prefix": str(root),
                "etl_database_name": "ow",
                "consumer_database_name": "owc",
                "excluded_scopes": "audit:clusters:clusterEvents:pools:jobs:accounts:notebooks:dbsql:notebookCommands:"
                "warehouseEvents:sparkEvents",
            }
        )

    deployment = Deployment(workspaces=(workspace("1"), workspace("2")), external_metastore=shared)
    return Platform(deployment, spark)


def put(opened: Platform, table: str, *rows: dict[str, Any]) -> None:
    contract = tables()[table]
    for row in rows:
        store = opened.store(row["organization_id"])
        store.append(contract, lambda row=row, store=store: store.spark.createDataFrame([row], contract.schema))


def stage(workspace: str, stage_id: int) -> dict[str, Any]:
    return {
        "organization_id": workspace,
        "workspace_name": f"w{workspace}",
        "cluster_id": "c",
        "spark_context_id": "s",
        "stage_id": stage_id,
        "stage_attempt_id": 0,
        "date": dt.date(2024, 5, 1),
        "Pipeline_SnapTS": NOW,
        "Overwatch_RunID": "r",
    }


def found(opened: Platform, query: str, ids: list[str]) -> list[tuple[Any, ...]]:
    register(opened, ids, query=query)
    return sorted(tuple(r.values()) for r in opened.spark.sql(query).toArrow().to_pylist())


@pytest.mark.parametrize("shared", [False, True])
def test_view_has_each_workspaces_rows_once(spark: SparkSession, tmp_path: Path, shared: bool) -> None:
    opened = platform(spark, tmp_path, shared=shared)
    put(opened, "sparkstage_gold", stage("1", 7), stage("2", 8), stage("2", 9))
    query = "select organization_id, stage_id from SparkStage"
    assert found(opened, query, ["1", "2"]) == [("1", 7), ("2", 8), ("2", 9)]
    assert found(opened, query, ["2"]) == [("2", 8), ("2", 9)]
    assert found(opened, "select workspace_name, count(*) from sparkstage_GOLD group by 1", ["1", "2"]) == [
        ("w1", 1),
        ("w2", 2),
    ]
    stored = {(s.organization_id, s.table.name): (s.rows, s.partitions) for s in inventory(opened.deployment)}
    assert stored["1", "sparkstage_gold"] == (1, 1)
    assert stored["2", "sparkstage_gold"] == (2, 1)
    assert stored["1", "sparkjob_gold"] == (None, None)


@pytest.mark.parametrize("shared", [False, True])
def test_a_renamed_workspace_is_called_what_the_deployment_calls_it_now(
    spark: SparkSession, tmp_path: Path, shared: bool
) -> None:
    opened = platform(spark, tmp_path, shared=shared)
    put(opened, "sparkstage_gold", {**stage("1", 7), "workspace_name": "before"}, stage("1", 8), stage("2", 9))
    query = "select workspace_name, stage_id from sparkStage"
    assert found(opened, query, ["1", "2"]) == [("w1", 7), ("w1", 8), ("w2", 9)]
    assert found(opened, query, ["1"]) == [("w1", 7), ("w1", 8)]
    (view,) = (s.sql for s in render(opened.deployment).statements if s.makes == "`owc`.`sparkStage`")
    _, select = view.split(" AS\n", 1)
    shown = spark.sql(f"select workspace_name, stage_id from ({select})").collect()
    assert sorted(map(tuple, shown)) == [("w1", 7), ("w1", 8), ("w2", 9)]


def test_one_workspace_has_a_table_and_the_other_has_not(spark: SparkSession, tmp_path: Path) -> None:
    opened = platform(spark, tmp_path, shared=False)
    put(opened, "sparkstage_gold", stage("2", 8))
    assert found(opened, "select stage_id from sparkStage", ["1", "2"]) == [(8,)]


def test_every_name_is_there_before_anything_is_loaded(spark: SparkSession, tmp_path: Path) -> None:
    opened = platform(spark, tmp_path, shared=False)
    made = register(opened, ["1", "2"])
    assert made == sorted(names())
    assert {"sparkJob", "sparkjob_gold", "pipReport", "pipeline_report", "quarantine_bronze"} <= set(made)
    shown = {name.lower() for name in views()}  # Sail takes instanceDetails and its table for one name
    for name, table in names().items():
        frame = spark.table(name)
        if table.view is not None and name == table.view.name:
            assert tuple(frame.columns) == table.view.columns
        elif name not in shown:
            assert frame.columns == table.schema.names
        if name in ("sparkStage", "pipReport"):
            assert frame.count() == 0


def test_only_mentioned_names_are_made(spark: SparkSession, tmp_path: Path) -> None:
    opened = platform(spark, tmp_path, shared=False)
    assert register(opened, ["1"], query="select 1 from SPARKJOB j join sparkJob using (job_id)") == [
        "SPARKJOB",
        "sparkJob",
    ]


def test_pip_report_has_overwatchs_columns_and_types(spark: SparkSession, tmp_path: Path) -> None:
    opened = platform(spark, tmp_path, shared=False)
    load = {
        "organization_id": "1",
        "workspace_name": "w1",
        "moduleID": 1004,
        "moduleName": "Bronze_AuditLogs",
        "primordialDateString": "2024-05-01",
        "runStartTS": 5,
        "fromTS": 1714521600000,
        "untilTS": 1714608000000,
        "status": "SUCCESS",
        "writeOpsMetrics": {"inserted": "3"},
        "Pipeline_SnapTS": NOW,
        "Overwatch_RunID": "r1",
    }
    later = {**load, "Pipeline_SnapTS": NOW + dt.timedelta(days=1), "Overwatch_RunID": "r2"}
    put(opened, "pipeline_report", load, later)
    register(opened, ["1", "2"], query="pipReport")
    rows = opened.spark.sql("select * from pipReport").toArrow().to_pylist()
    assert [r["Overwatch_RunID"] for r in rows] == ["r2", "r1"]
    assert rows[1] == {
        "organization_id": "1",
        "workspace_name": "w1",
        "module_id": 1004,
        "module_name": "Bronze_AuditLogs",
        "primordialDate": dt.date(2024, 5, 1),
        "fromTS": dt.datetime(2024, 5, 1, tzinfo=dt.UTC),
        "untilTS": dt.datetime(2024, 5, 2, tzinfo=dt.UTC),
        "status": "SUCCESS",
        "write_metrics": [("inserted", "3")],
        "Pipeline_SnapTS": NOW,
        "Overwatch_RunID": "r1",
    }
