"""Spark's History Server of the installed pyspark, and a client of its REST API."""

import datetime as dt
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark
import requests

from overwatch_assets.engine.java import find_java

_UNLIMITED = "100000000"
_SETTINGS = {
    "spark.history.ui.port": "0",
    "spark.history.fs.update.interval": "1s",
    "spark.history.retainedApplications": "1000",
    "spark.ui.retainedJobs": _UNLIMITED,
    "spark.ui.retainedStages": _UNLIMITED,
    "spark.ui.retainedTasks": _UNLIMITED,
    "spark.ui.retainedDeadExecutors": _UNLIMITED,
    "spark.sql.ui.retainedExecutions": _UNLIMITED,
}
_START_SECONDS = 120
_STARTED = re.compile(r"Bound HistoryServer to .*started at http://\S+?:(\d+)")


@dataclass(frozen=True)
class HistoryServer:
    """A running server."""

    url: str

    def applications(self) -> list[str]:
        """Ids of the applications that it has found."""
        return [a["id"] for a in self._get("applications")]

    def jobs(self, app_id: str) -> list[dict[str, Any]]:
        return self._get(f"applications/{app_id}/jobs")

    def stages(self, app_id: str) -> list[dict[str, Any]]:
        return self._get(f"applications/{app_id}/stages")

    def tasks(self, app_id: str, stage_id: int, attempt: int) -> list[dict[str, Any]]:
        return self._get(f"applications/{app_id}/stages/{stage_id}/{attempt}/taskList?length=10000000")

    def executors(self, app_id: str) -> list[dict[str, Any]]:
        return self._get(f"applications/{app_id}/allexecutors")

    def executions(self, app_id: str) -> list[dict[str, Any]]:
        return self._get(f"applications/{app_id}/sql?details=false&planDescription=false&length=10000000")

    def wait_for(self, count: int) -> None:
        """Wait until it has found so many applications."""
        _wait(lambda: len(self.applications()) >= count, f"{count} applications at {self.url}")

    def _get(self, path: str) -> Any:
        answer = requests.get(f"{self.url}/api/v1/{path}", timeout=60)
        answer.raise_for_status()
        return answer.json()


def epoch_ms(text: str | None) -> int | None:
    """Epoch ms of a time as the REST API writes it, always in GMT."""
    if text is None:
        return None
    at = dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fGMT").replace(tzinfo=dt.UTC)
    return (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


@contextmanager
def history_server(logs: Path, work: Path) -> Iterator[HistoryServer]:
    """Serve a folder of event logs on loopback, at a free port."""
    home = Path(pyspark.__file__).parent
    settings = work / "history-server.conf"
    settings.write_text("".join(f"{k} {v}\n" for k, v in {**_SETTINGS, **_folder(logs)}.items()))
    output = work / "history-server.log"
    environment = {
        **{n: v for n, v in os.environ.items() if not n.startswith(("SPARK_", "PYSPARK_"))},
        "JAVA_HOME": str(find_java().parents[1]),
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "1g",
    }
    command = [str(home / "bin" / "spark-class"), "org.apache.spark.deploy.history.HistoryServer"]
    with output.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--properties-file", str(settings)], env=environment, stdout=out, stderr=out, cwd=work
        )
    try:
        _wait(
            lambda: process.poll() is not None or _STARTED.search(output.read_text(errors="replace")),
            f"the History Server: {output}",
        )
        started = _STARTED.search(output.read_text(errors="replace"))
        assert started, output.read_text(errors="replace")[-2000:]
        yield HistoryServer(f"http://127.0.0.1:{started[1]}")
    finally:
        process.terminate()
        process.wait(30)


def _folder(logs: Path) -> dict[str, str]:
    return {"spark.history.fs.logDirectory": logs.as_uri()}


def _wait(done: Any, what: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not done():
        assert time.monotonic() < deadline, f"waited {_START_SECONDS} s for {what}"
        time.sleep(0.2)


def place_log(recorded: Path, app_id: str, logs: Path) -> None:
    """Put a recorded log where the server finds it: named by its application and codec, as Spark names it."""
    open_end = ".inprogress" if recorded.suffix == ".inprogress" else ""
    shutil.copy(recorded, logs / f"{app_id}.zstd{open_end}")
