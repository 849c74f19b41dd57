"""What we are measured against: Spark's History Server, and a plain DuckDB parse as the floor."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pyspark

from overwatch_assets.engine.java import find_java


@dataclass(frozen=True)
class Cost:
    """Wall time, CPU time of all cores, and peak memory of one process."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def run(command: list[str], environment: dict[str, str] | None = None) -> Cost:
    """Run a command to its end.

    Linux counts into a process's peak what its parent held when it started it: whoever calls this holds little.

    Raises:
        RuntimeError: it failed; with its last lines.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **(environment or {})})
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command[:4])} failed: {output.read().decode(errors='replace')[-2000:]}")
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def history_server(logs: list[Path], heap: str) -> Cost:
    """From the start of the History Server to the last answered `/stages` of every application."""
    home = Path(pyspark.__file__).parent
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder, "logs")
        directory.mkdir()
        for log in logs:
            os.link(log, directory / log.name)
        settings = {
            "spark.history.fs.logDirectory": directory.as_uri(),
            "spark.history.ui.port": str(port),
            "spark.history.retainedApplications": "1000",
            "spark.ui.retainedJobs": "10000000",
            "spark.ui.retainedStages": "10000000",
            "spark.ui.retainedTasks": "10000000",
            "spark.ui.retainedDeadExecutors": "100000",
            "spark.sql.ui.retainedExecutions": "10000000",
        }
        file = Path(folder, "history.conf")
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        environment = {
            **os.environ,
            "JAVA_HOME": str(find_java().parents[1]),
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": heap,
        }
        began = time.monotonic()
        process = subprocess.Popen(
            [
                str(home / "bin" / "spark-class"),
                "org.apache.spark.deploy.history.HistoryServer",
                "--properties-file",
                str(file),
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for log in _listed(port, len(logs)):
                _get(port, f"applications/{log}/stages")
            seconds = time.monotonic() - began
        finally:
            process.terminate()
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = 0
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _listed(port: int, expected: int) -> list[str]:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        try:
            found = _get(port, "applications")
        except (urllib.error.URLError, ConnectionError):
            found = []
        if len(found) == expected:
            return [_path(application) for application in found]
        time.sleep(0.1)
    raise RuntimeError(f"the History Server did not list {expected} applications in 10 minutes")


def _path(application: dict[str, object]) -> str:
    attempts = application["attempts"]
    assert isinstance(attempts, list)
    attempt = attempts[0].get("attemptId")
    return f"{application['id']}/{attempt}" if attempt else str(application["id"])


def _get(port: int, path: str) -> list[dict[str, object]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=600) as answer:
        found: list[dict[str, object]] = json.load(answer)
    return found


FLOOR = """
COPY (
  SELECT j->>'$.Event' AS event,
         (j->>'$."Stage ID"')::BIGINT AS stage_id,
         (j->>'$."Task Info"."Task ID"')::BIGINT AS task_id,
         (j->>'$."Task Info"."Launch Time"')::BIGINT AS launch,
         (j->>'$."Task Info"."Finish Time"')::BIGINT AS finish,
         j->'$."Task Info"."Accumulables"' AS accumulables,
         j->'$."Task Metrics"' AS metrics,
         j AS raw
  FROM (SELECT line::JSON AS j FROM read_csv('{log}', columns={{'line': 'VARCHAR'}}, delim='\\0', quote='', escape='', header=false,
        max_line_size=100000000, auto_detect=false))
) TO '{out}' (FORMAT parquet, COMPRESSION snappy)
"""


def duckdb_parse(logs: list[Path]) -> Cost:
    """What DuckDB takes to parse the task fields of the logs and write them, with the raw line, as Parquet."""
    with tempfile.TemporaryDirectory() as folder:
        each = [FLOOR.format(log=log, out=Path(folder, f"{number}.parquet")) for number, log in enumerate(logs)]
        return run([sys.executable, "-c", "import duckdb, sys; duckdb.execute(sys.argv[1])", ";".join(each)])
