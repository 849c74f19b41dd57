"""Spark on a JVM, with Delta, as a Spark Connect server beside this process.

A child process starts PySpark's JVM, tells the port that it took, and waits for its standard input to end. That input
is a pipe from here: it ends when the session ends and when this process dies, however it dies, and then the child
stops the JVM. The JVM in turn ends when the child is gone. So none of them outlives the session.
"""

import json
import logging
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import pyspark
from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # published without types
from pyspark import SparkContext  # noqa: TID251 - this is the server

import overwatch_assets
from overwatch_assets.engine.jars import delta_jars
from overwatch_assets.engine.java import find_java
from overwatch_assets.errors import ConfigurationError

# The engine's settings, after which come the user's. Folders are added for each server.
SETTINGS = {
    "spark.master": "local[*]",
    "spark.app.name": "overwatch-assets",
    "spark.driver.memory": "2g",
    "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",  # the Connect server
    "spark.connect.grpc.binding.address": "127.0.0.1",  # not all interfaces, which is Spark's default
    "spark.connect.grpc.binding.port": "0",  # a free one
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.eventLog.enabled": "false",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.python.sql.dataFrameDebugging.enabled": "false",  # the client would look at the stack at each call
    "spark.sql.shuffle.partitions": "4",  # 200 by default: most of a small table's time
    "spark.databricks.delta.snapshotPartitions": "2",  # 50 by default, likewise
}

_START_SECONDS = 180
_STOP_SECONDS = 20
_LOG_LINES = 6
_LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""


@contextmanager
def jvm_server(config: Mapping[str, str]) -> Iterator[str]:
    """Start Spark on a JVM, and stop it at the end.

    Args:
        config: Spark settings, which go before ``SETTINGS``. ``spark.jars`` are added to Delta's, and replace them
            where they (or ``spark.jars.packages``) name delta-spark.

    Yields:
        The server's ``sc://`` address, with the token without which it answers nobody.

    Raises:
        ConfigurationError: there is no Java, Delta's JARs cannot be fetched, or Spark does not start; with the last
            lines of its log.
    """
    java = find_java()
    with tempfile.TemporaryDirectory(prefix="overwatch-spark-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folders = {"spark.local.dir": f"{name}/local", "spark.sql.warehouse.dir": f"{name}/warehouse"}
        _write_settings(folder, {**SETTINGS, **folders, **config, **_jars(java, config)})
        token = secrets.token_urlsafe(24)
        with (folder / "log").open("wb") as log:
            child = subprocess.Popen(  # noqa: S603 - this module
                [sys.executable, "-P", "-m", "overwatch_assets.engine.jvm", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(folder, java, token),
                start_new_session=True,  # Ctrl-C is for this process, which then ends the session in its order
            )
        with child:  # closes the pipes, then waits
            try:
                yield f"sc://localhost:{_port(child, folder / 'log')}/;token={token}"
            finally:
                _stop(child)


def _port(child: subprocess.Popen[bytes], log: Path) -> int:
    stdout = cast("IO[bytes]", child.stdout)
    ready, _, _ = select.select([stdout], [], [], _START_SECONDS)
    answer = stdout.readline() if ready else b""
    if answer:
        return int(answer)
    problem = "ended at its start" if ready else f"did not start in {_START_SECONDS} s"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line and not line[0].isspace()]
    raise ConfigurationError(
        f"Spark on a JVM {problem}: check the engine's settings and the end of its log:\n"
        + "\n".join(lines[-_LOG_LINES:])
    )


def _stop(child: subprocess.Popen[bytes]) -> None:
    cast("IO[bytes]", child.stdin).close()
    try:
        child.wait(_STOP_SECONDS + 10)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)


def _jars(java: Path, config: Mapping[str, str]) -> dict[str, str]:
    named = config.get("spark.jars", "")
    if "delta-spark" in named + config.get("spark.jars.packages", ""):
        return {}
    return {"spark.jars": ",".join([*map(str, delta_jars(java)), *filter(None, [named])])}


def _write_settings(folder: Path, settings: Mapping[str, str]) -> None:
    """Spark's configuration folder: a file, since arguments, with keys to storage perhaps, are seen by all users."""
    (folder / "log4j2.properties").write_text(_LOGGING)
    lines = (f"{name} {json.dumps(value)[1:-1]}\n" for name, value in settings.items())  # JSON escapes as Java does
    (folder / "spark-defaults.conf").write_text("".join(lines))


def _environment(folder: Path, java: Path, token: str) -> dict[str, str]:
    inherited = {n: v for n, v in os.environ.items() if not n.startswith(("SPARK_", "PYSPARK_"))}
    package = str(Path(overwatch_assets.__file__).parents[1])
    return {
        **inherited,
        "JAVA_HOME": str(java.parents[1]),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_CONF_DIR": str(folder),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_CONNECT_AUTHENTICATE_TOKEN": token,
        # What Spark's Python workers run, and where they find the functions that they are sent by name.
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
    }


def _serve(folder: str) -> None:
    """Be the child."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what Spark prints goes to the log
    try:
        jvm = cast("Any", SparkContext())._jvm  # noqa: SLF001 - nothing public says the port
        services = jvm.org.apache.spark.sql.connect.service
        port = getattr(getattr(services, "SparkConnectService$"), "MODULE$").localPort()  # a Scala object
        answer.write(f"{port}\n")
        answer.flush()
        sys.stdin.buffer.read()
    except Py4JError:
        traceback.print_exc()  # now: its text is in the JVM
        sys.exit(1)
    finally:
        _stop_group()
    shutil.rmtree(folder, ignore_errors=True)  # for a parent that died


def _stop_group() -> None:
    """End the JVM, which this process leads; with force if it is slow."""

    def kill(*_: object) -> None:
        os.killpg(0, signal.SIGKILL)

    logging.disable()  # py4j tells of each object that it can no longer free in the JVM, after the reason of a failure
    signal.signal(signal.SIGALRM, kill)
    signal.alarm(_STOP_SECONDS)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    with suppress(ChildProcessError):  # the JVM had ended, or never started
        os.wait()


if __name__ == "__main__":
    _serve(sys.argv[1])
