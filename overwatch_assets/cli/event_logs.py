"""`overwatch load-event-logs`: event logs into the Spark tables, and a report on what ran. No Dagster in here."""

import datetime as dt
import gc
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from overwatch_assets.cli.output import Steps, console, print_json, print_table
from overwatch_assets.cli.where import absolute, spark_only
from overwatch_assets.config.deployment import Workspace
from overwatch_assets.consumer.spark_report import SparkReport, Stage, Total, spark_report
from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import Table
from overwatch_assets.engine.session import session
from overwatch_assets.errors import ConfigurationError, SourceError, StorageError
from overwatch_assets.rules.days import DAY_MS, day_start_ms
from overwatch_assets.runner.due import due_windows
from overwatch_assets.runner.runner import Result, Runner
from overwatch_assets.runner.window import Window, to_ms
from overwatch_assets.sources.registry import Sources
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.tables import TableStore

BRONZE = "spark_events_bronze"
_MIB = 1 << 20
_CONNECT_PORT = 15002  # Spark's default
_CONNECT_S = 10.0


@dataclass(frozen=True)
class Loading:
    """What a call did.

    Attributes:
        counts: what the bronze load counted: files, records, quarantined lines.
        windows: windows of the silver and gold loads; none: nothing was new.
        ahead: days after the clock's own, which cannot be loaded yet.
        report: on all applications under the storage folder, also of earlier calls.
    """

    workspace: Workspace
    counts: dict[str, int]
    windows: tuple[Window, ...]
    ahead: tuple[Window, ...]
    report: SparkReport


def spark_tables() -> list[Table]:
    """Return the silver and gold tables that are made of event logs alone, upstreams first."""
    made = {BRONZE}
    for table in tables().values():
        if table.layer in ("silver", "gold") and set(table.required) <= made:
            made.add(table.name)
    return [t for n, t in tables().items() if n in made and n != BRONZE]


def load(
    workspace: Workspace,
    *,
    cluster_id: str | None,
    engine: Literal["sail", "spark"],
    remote: str | None,
    now: dt.datetime,
    steps: Steps,
) -> Loading:
    """Load the event logs of a workspace into its Spark tables.

    Raises:
        OverwatchError: a path is missing, the engine does not start, or a load failed.
    """
    derived = spark_tables()
    _check(workspace, remote)
    with session(engine, remote=remote) as spark:
        location = Location(workspace.table_root(external_metastore=False))
        store = TableStore(spark, location, workspace.workspace_id)
        runner = Runner(workspace, store, Sources(default_cluster_id=cluster_id), now, progress=steps)
        loaded = _step(runner, tables()[BRONZE], Window(0, to_ms(now)), steps)
        behind = due_windows(store, tables()[BRONZE], derived)
        windows = [Window(w.from_ms, min(w.until_ms, to_ms(now))) for w in behind]
        due = [w for w in windows if w.from_ms < w.until_ms]
        steps.expect(1 + len(due) * len(derived))
        for window in due:
            for result in runner.load_side_by_side(derived, window):
                steps.finished(_said(result))
        report = spark_report(store)
    tomorrow = day_start_ms(now.date()) + DAY_MS
    ahead = tuple(Window(max(w.from_ms, tomorrow), w.until_ms) for w in behind if w.until_ms > tomorrow)
    return Loading(workspace, loaded.counts, tuple(due), ahead, report)


def _check(workspace: Workspace, remote: str | None) -> None:
    """Find what is wrong before an engine is started for it."""
    for path in workspace.cluster_log_prefixes:
        if path.startswith("/") and not Path(path).exists():
            raise SourceError(f"There is nothing at {path}: check the path of the event logs")
    root = workspace.table_root(external_metastore=False)
    if root.startswith("/"):
        try:
            Path(root).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"The tables cannot be written to {root}: {error.strerror}") from error
    if remote is not None:
        _check_remote(remote)


def _check_remote(remote: str) -> None:
    """Ask for a connection first: the Spark client itself tries for ten minutes."""
    url = urlsplit(remote)
    if url.scheme != "sc" or not url.hostname:
        raise ConfigurationError("--remote must be a Spark Connect server, sc://host:port")
    try:
        socket.create_connection((url.hostname, url.port or _CONNECT_PORT), timeout=_CONNECT_S).close()
    except OSError as error:
        raise ConfigurationError(
            f"No Spark Connect server answers at {url.hostname}:{url.port or _CONNECT_PORT}: {error.strerror or error}"
        ) from error


def _step(runner: Runner, table: Table, window: Window, steps: Steps) -> Result:
    steps(table.name, 0, 1)
    result = runner.load(table, window)
    steps.finished(_said(result))
    return result


def _said(result: Result) -> str:
    return f"{result.table} {result.window}: {result.status}, {result.seconds:.1f} s"


def run(
    paths: list[str],
    *,
    storage: str,
    organization_id: str,
    cluster_id: str | None,
    engine: Literal["sail", "spark"],
    remote: str | None,
    as_json: bool,
) -> None:
    """Load, then print the report."""
    gc.freeze()  # what was imported stays: looking through it again and again takes part of a second
    workspace = spark_only(storage, organization_id, tuple(paths))
    now = dt.datetime.now(dt.UTC)
    with Steps(1 + len(spark_tables())) as steps:
        loading = load(workspace, cluster_id=cluster_id, engine=engine, remote=remote, now=now, steps=steps)
    if as_json:
        print_json(as_document(loading))
    else:
        _print(loading, absolute(storage))


def as_document(loading: Loading) -> dict[str, Any]:
    """Return what the command did and its report, as JSON has it."""
    return {
        "organization_id": loading.workspace.workspace_id,
        "tables": loading.workspace.table_root(external_metastore=False),
        "message": message(loading),
        "new": bool(loading.counts.get("inserted")),
        "counts": loading.counts,
        "loaded_days": [str(w) for w in loading.windows],
        "report": asdict(loading.report),
    }


def message(loading: Loading) -> str:
    """Say what was new, in a sentence or a few."""
    counts = loading.counts
    files, inserted = counts.get("files read", 0), counts.get("inserted", 0)
    if not counts.get("files listed"):
        said = "No event logs were found there."
    elif inserted:
        said = f"{inserted} new records of {_files(files)}."
    else:
        said = f"Nothing new in {_files(counts['files listed'])}" + (
            "; what an earlier load left undone is done." if loading.windows else "."
        )
    if failed := counts.get("files failed"):
        said += f" {_files(failed)} could not be read."
    if later := counts.get("files after the window"):
        said += f" {_files(later)} left for later: the first record is after this machine's clock."
    if refused := counts.get("quarantined"):
        said += f" {refused} lines or files were refused: they are in quarantine_bronze, with the reason."
    if loading.ahead:
        days = ", ".join(str(w) for w in loading.ahead)
        said += f" Records of {days} are after this machine's clock: only {BRONZE} has them until then."
    return said


def _print(loading: Loading, storage: str) -> None:
    out, report = console(), loading.report
    out.print(message(loading))
    if not report.applications:
        return
    rows: list[tuple[object, ...]] = [("applications", report.applications, None, None)]
    totals: list[tuple[str, Total]] = [
        ("SQL executions", report.sql_executions),
        ("jobs", report.jobs),
        ("stages", report.stages),
        ("tasks", report.tasks),
    ]
    rows += [(name, t.all, t.failed, t.open) for name, t in totals]
    rows.append(("executors", report.executors, None, None))
    spilled = f"Spilled: {_mib(report.memory_spilled_bytes)} of memory, {_mib(report.disk_spilled_bytes)} on disk"
    killed = f"; tasks killed: {report.killed_tasks}" if report.killed_tasks else ""
    print_table("What ran", ("", "all", "failed", "still open"), rows, below=spilled + killed)
    if report.task_failures:
        print_table("Why tasks failed", ("reason", "tasks"), report.task_failures)
    _print_stages("Slowest stages", report.slowest_stages, lambda s: s.run_time_ms)
    _print_stages("Most skewed stages (longest over median task)", report.most_skewed_stages, lambda s: s.skew)
    where = f"--storage {storage}"
    out.print(f'Ask for more: overwatch sql "select * from sparkStage" {where}; overwatch tables {where}')


def _print_stages(title: str, stages: tuple[Stage, ...], has: Callable[[Stage], object]) -> None:
    if not any(has(s) for s in stages):
        return
    header = ("application", "stage", "name", "seconds", "tasks", "failed", "median task ms", "longest task ms", "skew")
    print_table(
        title,
        (*header, "spilled MiB"),
        [
            (
                s.spark_context_id,
                f"{s.stage_id}.{s.stage_attempt_id}",
                s.name,
                None if s.run_time_ms is None else s.run_time_ms / 1000,
                s.tasks,
                s.failed_tasks,
                s.median_task_ms,
                s.longest_task_ms,
                s.skew,
                round(s.memory_spilled_bytes / _MIB, 1),
            )
            for s in stages
        ],
    )


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _mib(size: int) -> str:
    return f"{size / _MIB:,.1f} MiB"
