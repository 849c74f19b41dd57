"""`load-event-logs` from files to the report, and the commands that read what it wrote."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import deltalake
import orjson
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner, Result

from overwatch_assets.cli import app
from overwatch_assets.cli.event_logs import BRONZE, spark_tables
from overwatch_assets.cli.where import spark_only
from overwatch_assets.contract.registry import tables
from overwatch_assets.rules.days import DAY_MS, day_of
from overwatch_assets.runner.runner import Runner
from overwatch_assets.runner.window import Window, to_ms
from overwatch_assets.sample.logs import RECORDED, recorded, retime
from overwatch_assets.sources.registry import Sources
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore

pytestmark = pytest.mark.engine

MAY_2024 = 1714521600000


def overwatch(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.stderr
    return result


def lines(result: Result) -> list[Any]:
    return [orjson.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """Folder of logs, storage folder, and what the first call said as JSON."""
    home = tmp_path_factory.mktemp("load")
    logs = home / "logs"
    logs.mkdir()
    for name in ("failures-spark35.zstd", "stream-spark35.zstd"):
        shutil.copy(RECORDED / name, logs)
    result = overwatch("load-event-logs", logs, "--storage", home / "tables", "--json")
    return logs, home / "tables", orjson.loads(result.stdout)


def test_report_is_what_the_recorder_counted(loaded: tuple[Path, Path, dict[str, Any]]) -> None:
    said = loaded[2]
    manifest = {m["name"]: m for m in orjson.loads((RECORDED / "manifest.json").read_bytes())}
    both = [manifest["failures-spark35.zstd"], manifest["stream-spark35.zstd"]]
    report = said["report"]
    assert said["organization_id"] == "local"
    assert said["new"] is True
    assert said["message"] == f"{sum(m['records'] for m in both)} new records of 2 files."
    assert report["applications"] == 2
    for name, counted in (
        ("jobs", "jobs"),
        ("stages", "stage_attempts"),
        ("tasks", "tasks"),
        ("sql_executions", "executions"),
    ):
        total = sum(m["counts"][counted] for m in both)
        assert report[name]["all"] == total
        assert report[name]["open"] == total - sum(m["counts"][f"{counted}_ended"] for m in both)
    assert report["executors"] == sum(m["counts"]["executors"] for m in both)
    # ExceptionFailure 7 and 16, FetchFailed 3, ExecutorLostFailure 2; a killed task has not failed.
    assert report["tasks"]["failed"] == 28
    assert report["killed_tasks"] == 3
    assert sum(n for _, n in report["task_failures"]) == 28
    assert dict(report["task_failures"])["FetchFailed"] == 3
    slowest = [s["run_time_ms"] for s in report["slowest_stages"]]
    assert len(slowest) == 10
    assert slowest == sorted(slowest, reverse=True)
    skew = [s["skew"] for s in report["most_skewed_stages"]]
    assert skew == sorted(skew, reverse=True)
    assert all(
        s["skew"] == pytest.approx(s["longest_task_ms"] / s["median_task_ms"], abs=1e-3)
        for s in report["most_skewed_stages"]
    )


def test_every_spark_table_has_rows(loaded: tuple[Path, Path, dict[str, Any]]) -> None:
    stored = {t["name"]: t for t in orjson.loads(overwatch("tables", "--json", "--storage", loaded[1]).stdout)}
    assert set(stored) == set(tables())
    for table in spark_tables():
        assert stored[table.name]["rows"] > 0, table.name
        assert stored[table.name]["partitions"] == 1, table.name
    task = stored["sparktask_gold"]
    assert (task["layer"], task["module_id"], task["view"], task["rows"]) == (
        "gold",
        3012,
        "sparkTask",
        loaded[2]["report"]["tasks"]["all"],
    )
    assert task["path"] == f"{loaded[1]}/local/overwatch.db/sparktask_gold"
    assert {"name": "task_id", "type": "bigint", "doc": "Task, unique in its Spark context."} in task["columns"]
    assert stored["audit_log_bronze"]["rows"] is None
    shown = overwatch("tables", "--storage", loaded[1]).stdout
    assert f"Workspace local, each table in {loaded[1]}/local/overwatch.db/<table>" in shown


def test_second_call_says_that_nothing_is_new(loaded: tuple[Path, Path, dict[str, Any]]) -> None:
    logs, storage, first = loaded
    again = orjson.loads(overwatch("load-event-logs", logs, "--storage", storage, "--json").stdout)
    assert again["message"] == "Nothing new in 2 files."
    assert (again["new"], again["loaded_days"]) == (False, [])
    assert again["report"] == first["report"]


def test_sql_by_view_and_by_table_in_any_spelling(loaded: tuple[Path, Path, dict[str, Any]]) -> None:
    query = (
        "select (select count(*) from SPARKJOB) as jobs, count(*) as stages from sparkstage_gold s, (select 1 as one)"
    )
    (row,) = lines(overwatch("sql", query, "--json", "--storage", loaded[1]))
    assert row == {"jobs": loaded[2]["report"]["jobs"]["all"], "stages": loaded[2]["report"]["stages"]["all"]}


def test_sql_shows_views_columns_and_types(loaded: tuple[Path, Path, dict[str, Any]]) -> None:
    (row,) = lines(
        overwatch("sql", "select * from sparkTask order by task_id limit 1;", "--json", "--storage", loaded[1])
    )
    view = tables()["sparktask_gold"].view
    assert view is not None
    assert list(row) == list(view.columns)
    assert row["task_end_reason"]["Reason"] in ("Success", "ExceptionFailure")
    assert dt.datetime.fromisoformat(row["timestamp"]).timestamp() * 1000 == row["unixTimeMS"]


def test_sql_of_a_table_that_was_never_loaded_has_its_columns(loaded: tuple[Path, Path, dict[str, Any]]) -> None:
    query = "select count(request_id) as n, count(*) as rows from audit_log_bronze where date > '2020-01-01'"
    columns = tables()["audit_log_bronze"].schema.names
    query = query.replace("request_id", columns[3])
    assert lines(overwatch("sql", query, "--json", "--storage", loaded[1])) == [{"n": 0, "rows": 0}]


def test_sql_as_a_table_with_a_limit(loaded: tuple[Path, Path, dict[str, Any]]) -> None:
    shown = overwatch("sql", "select task_id from sparkTask order by 1", "--limit", "2", "--storage", loaded[1]).stdout
    assert "┃ task_id ┃" in shown
    assert shown.rstrip().endswith("more than 2 rows: --limit or --json shows more")
    answer = overwatch("queries", "run", "failed_and_speculative_tasks", "--limit", "1", "--storage", loaded[1]).stdout
    assert answer.rstrip().endswith("more than 1 rows: --limit or --format json shows more")


@pytest.mark.parametrize("query", ["select nope from sparkTask", "selec 1", "select * from nowhere", ""])
def test_sql_errors_are_one_line(loaded: tuple[Path, Path, dict[str, Any]], query: str) -> None:
    result = CliRunner().invoke(app, ["sql", query, "--storage", str(loaded[1])])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("The query failed: ")


@pytest.mark.parametrize(
    "query",
    [
        "delete from {}",
        "/* all */ delete from {}",
        "explain delete from {}",
        "EXPLAIN ANALYZE\ndelete from {}",
        "with one as (select 1 as id) insert into {} select * from one",
        "from sparkJob insert into {} select job_id",
        "select 1; delete from {}",
        "select 1) select 1; delete from {}; with x as (select 1",
        "clear cache",
    ],
)
def test_sql_that_is_no_query_is_refused(loaded: tuple[Path, Path, dict[str, Any]], tmp_path: Path, query: str) -> None:
    table = str(tmp_path / "kept")
    deltalake.write_deltalake(table, pa.table({"id": [1, 2]}))
    result = CliRunner().invoke(app, ["sql", query.format(f"delta.`{table}`"), "--storage", str(loaded[1])])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("The query failed: ")
    assert result.stderr.endswith("Only queries can be asked, nothing that writes\n")
    assert deltalake.DeltaTable(table).version() == 0


@pytest.mark.parametrize(
    "query",
    [
        "\n-- one\nwith x as (select 1 as one) select one, one from x order by one limit 1 -- no more",
        "/* one */ (values (1))",
        "table sparkJob",
        "show databases",
        "describe table sparkJob",
        "explain extended select 1",
    ],
)
def test_sql_that_is_a_query_of_any_kind_is_answered(loaded: tuple[Path, Path, dict[str, Any]], query: str) -> None:
    assert lines(overwatch("sql", query, "--json", "--storage", loaded[1]))


def test_report_is_pip_report_newest_first(loaded: tuple[Path, Path, dict[str, Any]]) -> None:
    rows = lines(overwatch("report", "--json", "--storage", loaded[1]))
    assert list(rows[0]) == [
        "organization_id",
        "workspace_name",
        "module_id",
        "module_name",
        "primordialDate",
        "fromTS",
        "untilTS",
        "status",
        "write_metrics",
        "Pipeline_SnapTS",
        "Overwatch_RunID",
    ]
    snaps = [r["Pipeline_SnapTS"] for r in rows]
    assert snaps == sorted(snaps, reverse=True)
    assert {r["module_id"] for r in rows} == {1006, *(t.module_id for t in spark_tables())}
    oldest_bronze = [r for r in rows if r["module_id"] == 1006][-1]
    assert oldest_bronze["status"] == "SUCCESS"
    assert (oldest_bronze["primordialDate"], oldest_bronze["fromTS"]) == ("1970-01-01", "1970-01-01T00:00:00+00:00")
    assert oldest_bronze["write_metrics"]["inserted"] == str(loaded[2]["counts"]["inserted"])


def test_ids_given_and_what_an_earlier_call_left_undone(tmp_path: Path, spark: SparkSession) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(
        b"".join(retime(recorded("interrupted-spark35.zstd.inprogress"), start_ms=MAY_2024, app_id="app-1"))
    )
    workspace = spark_only(str(tmp_path / "t"), "77", (str(log),))
    store = TableStore(spark, Location(workspace.table_root(external_metastore=False)), "77")
    now = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
    Runner(workspace, store, Sources(default_cluster_id="c-1"), now).load(tables()[BRONZE], Window(0, to_ms(now)))

    options = ("--storage", tmp_path / "t", "--organization-id", "77", "--cluster-id", "c-1")
    shown = overwatch("load-event-logs", log, *options)

    assert shown.stdout.startswith("Nothing new in 1 file; what an earlier load left undone is done.\n")
    assert "Slowest stages" in shown.stdout
    assert "spark_tasks_silver 2024-05-01: SUCCESS" in shown.stderr
    query = "select distinct organization_id, cluster_id, spark_context_id from sparkTask"
    assert lines(overwatch("sql", query, "--json", "--storage", tmp_path / "t")) == [
        {"organization_id": "77", "cluster_id": "c-1", "spark_context_id": "app-1"}
    ]


def test_folder_without_logs_and_records_after_the_clock(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    nothing = overwatch("load-event-logs", tmp_path / "logs", "--storage", tmp_path / "t")
    assert nothing.stdout == "No event logs were found there.\n"
    now = to_ms(dt.datetime.now(dt.UTC))
    name, start = "interrupted-spark35.zstd.inprogress", now - 2 * DAY_MS
    moved = retime(recorded(name), start_ms=start, app_id="app-1", stretch=2e4)
    (tmp_path / "logs" / "a").write_bytes(b"".join(moved))
    (tmp_path / "logs" / "b").write_bytes(b"".join(retime(recorded(name), start_ms=now + DAY_MS, app_id="app-2")))
    said = orjson.loads(overwatch("load-event-logs", tmp_path / "logs", "--storage", tmp_path / "t", "--json").stdout)
    assert "are after this machine's clock: only spark_events_bronze has them until then." in said["message"]
    assert " 1 file left for later: the first record is after this machine's clock." in said["message"]
    assert (said["counts"]["files listed"], said["report"]["applications"]) == (2, 1)
    assert said["loaded_days"][0].startswith(str(day_of(start)))
