"""Views as SQL for a metastore: what is written, and what is read. `engine/test_jvm.py` gives it to a metastore."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from overwatch_assets.config.deployment import Deployment
from overwatch_assets.consumer.dialect import Dialect
from overwatch_assets.consumer.rendered import Script, render
from overwatch_assets.consumer.views import register, views
from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import ConfigurationError
from overwatch_assets_tests.consumer.test_views import platform, put, stage

STAGES = "select organization_id, stage_id from sparkStage where {}"


def deployment(*, shared: bool = False, etl: str = "ow", consumer: str = "owc", root: str = "/t") -> Deployment:
    def workspace(number: str, *, active: bool = True) -> dict[str, Any]:
        return {
            "workspace_name": f"w{number}",
            "workspace_id": number,
            "cloud": "AWS",
            "primordial_date": "2024-05-01",
            "storage_prefix": root,
            "etl_database_name": etl,
            "consumer_database_name": consumer,
            "excluded_scopes": "audit:clusters:clusterEvents:pools:jobs:accounts:notebooks:dbsql:notebookCommands:"
            "warehouseEvents:sparkEvents",
            "active": active,
        }

    rows = (workspace("1"), workspace("2-b"), workspace("3", active=False))
    return Deployment.model_validate({"workspaces": rows, "external_metastore": shared})


def made(script: Script, name: str) -> list[str]:
    return [s.sql for s in script.statements if s.makes == name]


def everywhere(path: str) -> bool:
    return True


def short(text: str) -> str:
    """A statement without its columns and its comment."""
    lines = [("SELECT ..." if line.startswith("SELECT ") else line.split(" COMMENT ")[0]) for line in text.split("\n")]
    return "\n".join(lines)


def test_tables_apart_are_a_union_of_paths_with_their_workspace_as_a_literal() -> None:
    script = render(deployment(), exists=everywhere)
    assert script.text.startswith(
        "CREATE SCHEMA IF NOT EXISTS `ow` COMMENT 'Overwatch' WITH DBPROPERTIES ('OVERWATCHDB' = 'TRUE');\n\n"
        "CREATE SCHEMA IF NOT EXISTS `owc` COMMENT 'Overwatch' WITH DBPROPERTIES ('OVERWATCHDB' = 'TRUE');\n"
    )
    (view,) = made(script, "`owc`.`sparkStage`")
    assert view == (
        "CREATE OR REPLACE VIEW `owc`.`sparkStage` COMMENT 'Every attempt of every stage. One row: one stage attempt.' AS\n"
        "SELECT '1' AS organization_id, 'w1' AS workspace_name, `spark_context_id`, `stage_id`, "
        "`stage_attempt_id`, `cluster_id`, `unixTimeMS`, `timestamp`, `date`, `stage_runtime`, `stage_info`, `event_log_start`, "
        "`event_log_end`\n"
        "FROM delta.`/t/1/ow.db/sparkstage_gold`\n"
        "UNION ALL\n"
        "SELECT '2-b' AS organization_id, 'w2-b' AS workspace_name, `spark_context_id`, `stage_id`, "
        "`stage_attempt_id`, `cluster_id`, `unixTimeMS`, `timestamp`, `date`, `stage_runtime`, `stage_info`, `event_log_start`, "
        "`event_log_end`\n"
        "FROM delta.`/t/2-b/ow.db/sparkstage_gold`"
    )
    (table,) = made(script, "`ow`.`sparkstage_gold`")
    assert short(table) == (
        "CREATE OR REPLACE VIEW `ow`.`sparkstage_gold`\nSELECT ...\nFROM delta.`/t/1/ow.db/sparkstage_gold`\n"
        "UNION ALL\nSELECT ...\nFROM delta.`/t/2-b/ow.db/sparkstage_gold`"
    )


def test_shared_tables_are_external_tables_and_views_of_their_workspaces() -> None:
    script = render(deployment(shared=True, root="/it's"), exists=everywhere)
    (table,) = made(script, "`ow`.`sparkstage_gold`")
    assert table == (
        "CREATE TABLE IF NOT EXISTS `ow`.`sparkstage_gold` USING DELTA LOCATION '/it\\'s/ow.db/sparkstage_gold'"
    )
    (view,) = made(script, "`owc`.`sparkStage`")
    assert short(view) == (
        "CREATE OR REPLACE VIEW `owc`.`sparkStage`\nSELECT ...\nFROM delta.`/it's/ow.db/sparkstage_gold`\n"
        "WHERE organization_id IN ('1', '2-b')"
    )
    assert (
        "`organization_id`, CASE organization_id WHEN '1' THEN 'w1' WHEN '2-b' THEN 'w2-b' END AS workspace_name"
        in view
    )


def test_the_hive_metastore_of_databricks_is_named() -> None:
    script = render(deployment(), Dialect.hive, exists=everywhere)
    assert made(script, "`hive_metastore`.`owc`.`job`")
    assert "SCHEMA IF NOT EXISTS `hive_metastore`.`ow` " in script.text


def test_unity_catalog_has_tables_and_its_schemas_are_never_made() -> None:
    script = render(deployment(etl="main.ow", consumer="main.owc"), exists=everywhere)
    assert not any(s.sql.startswith("CREATE SCHEMA") for s in script.statements)
    assert script.text.startswith(
        "-- main.ow must be there; who may make it runs: CREATE SCHEMA IF NOT EXISTS `main`.`ow` COMMENT 'Overwatch' "
    )
    assert made(script, "`main`.`ow`.`job_gold__2_2d_b`") == [
        "CREATE TABLE IF NOT EXISTS `main`.`ow`.`job_gold__2_2d_b` USING DELTA LOCATION '/t/2-b/main.ow.db/job_gold'"
    ]
    expected = "SELECT ...\nFROM `main`.`ow`.`job_gold__1`\nUNION ALL\nSELECT ...\nFROM `main`.`ow`.`job_gold__2_2d_b`"
    assert short(made(script, "`main`.`owc`.`job`")[0]).split("\n", 1)[1] == expected
    assert short(made(script, "`main`.`ow`.`job_gold`")[0]).split("\n", 1)[1] == expected
    assert "delta.`" not in script.text


def test_all_tables_and_views_stand_in_their_databases() -> None:
    script = render(deployment(), exists=everywhere)
    names = [s.makes for s in script.statements]
    assert len(names) == len(set(names))
    of_etl = {"accountLogin", "accountMod", "pipReport"}
    expected = {f"`ow`.`{n}`" for n in {*tables(), *of_etl}} | {f"`owc`.`{n}`" for n in set(views()) - of_etl}
    assert set(names) == expected | {"ow", "owc"}


def test_in_one_database_a_table_stands_for_the_view_of_its_name() -> None:
    script = render(deployment(consumer="ow"), exists=everywhere)
    names = [s.makes.lower() for s in script.statements]
    assert len(names) == len(set(names))
    assert "`ow`.`instancedetails`" in names
    assert made(script, "`ow`.`job`")


def test_a_share_shows_its_workspaces_and_nobody_who_signs_in() -> None:
    script = render(deployment(), workspaces=["2-b"], consumer="share", exists=everywhere)
    assert {s.makes for s in script.statements} == {
        "share",
        *(f"`share`.`{name}`" for name, (view, _) in views().items() if not view.of_etl),
    }
    assert "/t/1/" not in script.text
    shared = render(deployment(shared=True), workspaces=["2-b"], exists=everywhere).text
    assert "IN ('2-b')" in shared
    assert "'1'" not in shared
    unity = render(deployment(etl="m.ow", consumer="m.owc"), workspaces=["2-b"], exists=everywhere)
    assert "/t/1/" not in unity.text
    assert not made(unity, "`m`.`ow`.`account_login_gold__2_2d_b`")
    assert made(unity, "`m`.`ow`.`job_gold__2_2d_b`")
    assert not made(unity, "`m`.`ow`.`job_gold`"), "only the share's own views"


def test_what_no_workspace_has_loaded_is_an_empty_view_and_named() -> None:
    script = render(deployment(), exists=lambda path: path == "/t/1/ow.db/job_gold")
    (view,) = made(script, "`owc`.`sparkStage`")
    assert view.endswith("WHERE false")
    assert "CAST(NULL AS bigint) AS `stage_id`" in view
    assert short(made(script, "`owc`.`job`")[0]).endswith("\nSELECT ...\nFROM delta.`/t/1/ow.db/job_gold`")
    assert "sparkStage" in script.empty
    assert "job" not in script.empty
    assert script.text.startswith("-- Not loaded yet, so empty until this is run again: ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dialect": Dialect.unity}, "A database of unity has a name such as catalog.schema, which ow is not"),
        ({"dialect": Dialect.hive, "etl": "a.b"}, "A database of hive has a name without a dot, which a.b is not"),
        ({"etl": "a.b"}, "A database of unity has a name such as catalog.schema, which owc is not"),
        (
            {"etl": "a.b.c", "consumer": "a.d"},
            "A database of unity has a name such as catalog.schema, which a.b.c is not",
        ),
        (
            {"etl": "a.b", "consumer": "a.b"},
            "In Unity Catalog tables and views need two schemas, but both are to be in a.b",
        ),
        ({"workspaces": ["9"]}, "Workspace 9 is not in the deployment file, which has 1, 2-b."),
        ({"workspaces": ["3"]}, "Workspace 3 is not active: set active to true in the deployment file."),
    ],
)
def test_wrong_names_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        render(deployment(), **given, exists=everywhere)
    assert str(refused.value) == said


@pytest.mark.engine
@pytest.mark.parametrize("shared", [False, True])
def test_a_query_over_one_workspace_opens_no_file_of_another(spark: SparkSession, tmp_path: Path, shared: bool) -> None:
    opened = platform(spark, tmp_path, shared=shared)
    put(opened, "sparkstage_gold", stage("1", 7), stage("2", 8))
    files = [p for p in tmp_path.rglob("*.parquet") if "organization_id=2" in str(p) or "/2/" in str(p)]
    assert len(files) == 1
    files[0].write_bytes(b"no parquet")
    script = render(opened.deployment)
    for name in ("`owc`.`sparkStage`", "`owc`.`sparkJob`", "`ow`.`pipReport`"):
        # Temporary views, because Sail loses the quotes of a path when it keeps a view.
        (view,) = made(script, name)
        start = f"CREATE OR REPLACE VIEW {name} "
        assert view.startswith(start)
        spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {name.split('.')[1]} {view.removeprefix(start)}").collect()
    unreadable(spark)
    if not shared:  # a literal is known whatever is asked of it, a partition by plain comparisons
        assert answers(spark, STAGES.format("upper(organization_id) = '1'")) == [("1", 7)]
    assert answers(spark, "select count(*) from sparkJob") == [(0,)]
    assert answers(spark, "select count(*) from pipReport") == [(0,)]
    register(opened, ["1", "2"], query="sparkStage")
    unreadable(spark)
    register(opened, ["1"], query="sparkStage")
    assert answers(spark, STAGES.format("true")) == [("1", 7)]


def unreadable(spark: SparkSession) -> None:
    """Workspace 2 can't be read, and who asks for 1 does not notice."""
    assert answers(spark, STAGES.format("organization_id = '1'")) == [("1", 7)]
    with pytest.raises(PySparkException, match=r"(?i)parquet"):
        answers(spark, STAGES.format("true"))


def answers(spark: SparkSession, query: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in spark.sql(query).collect())
