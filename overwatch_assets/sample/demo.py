"""The demo: the sample's two workspaces, loaded as Dagster assets at three times of the story's clock.

A demo's folder, `home`:

    deployment.yaml   the deployment file
    sample.json       the story's clock, which the sample's API follows, and the port that it listens on
    tokens/, world/   what a real deployment has elsewhere: tokens, audit logs and cluster logs
    storage/          the tables
    dagster/          Dagster's instance

The first load of a day ends where the story's clock stands; the load of the next day completes it. Running the demo
again on a folder that has it loads the last days once more, which changes nothing, and also finishes one that was
interrupted. A folder of another release of the tables is emptied first; Dagster's instance stays, since a web server
may be running on it.
"""

import datetime as dt
import errno
import fcntl
import hashlib
import json
import logging
import os
import secrets
import shutil
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module, reload, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from overwatch_assets import __version__
from overwatch_assets.config.loading import VARIABLE
from overwatch_assets.errors import ConfigurationError, OverwatchError
from overwatch_assets.sample.clusters import bodies
from overwatch_assets.sample.server import Fault, SampleApi
from overwatch_assets.sample.story import DAYS, LOOKS, SampleWorkspace, story
from overwatch_assets.sample.world import AUDIT_LOGS, CLUSTER_LOGS, write_until

if TYPE_CHECKING:
    from dagster import Definitions, ExecuteInProcessResult

Progress = Callable[[str, int, int], None]

DATABASE, CONSUMER_DATABASE = "overwatch_etl", "overwatch"


class DemoError(OverwatchError):
    """A load of the demo failed."""


@dataclass(frozen=True)
class Look:
    """One time of the story's clock: what was loaded then, by one Dagster run for each workspace."""

    now: dt.datetime
    days: tuple[dt.date, ...]
    run_ids: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class DemoResult:
    """A loaded demo: its deployment file, Dagster's home, and the loads of this call."""

    deployment_file: Path
    dagster_home: Path
    results: tuple[Look, ...]


@dataclass(frozen=True)
class _State:
    """`sample.json`: the story's clock, how many looks are loaded, the API's port, and what the tables were made by."""

    now: dt.datetime
    loaded: int
    port: int
    made_by: str

    @classmethod
    def read(cls, home: Path) -> "_State":
        stored = json.loads((home / "sample.json").read_bytes())
        return cls(dt.datetime.fromisoformat(stored["now"]), stored["loaded"], stored["port"], stored["made_by"])

    def write(self, home: Path) -> None:
        stored = {"now": self.now.isoformat(), "loaded": self.loaded, "port": self.port, "made_by": self.made_by}
        _put(home / "sample.json", json.dumps(stored, indent=1) + "\n")


def run(home: Path, *, progress: Progress) -> DemoResult:
    """Load the sample into `home`, which is made if there is none.

    Args:
        home: the demo's folder.
        progress: told what is done next, how many steps are done, and how many there are.

    Raises:
        ConfigurationError: `home` is no folder, or another demo is running in it.
        DemoError: a load failed: which, and why.
    """
    home = home.absolute()
    with _alone(home):
        _prepared(home)
        with serving(home):
            results = tuple(_looks(home, progress))
    return DemoResult(home / "deployment.yaml", home / "dagster", results)


@contextmanager
def serving(home: Path) -> Iterator[None]:
    """Answer the API of the demo's workspaces at the address in its deployment file, unless somebody does already.

    The answers are those of the story's clock as it stands in `home`. If a stranger listens there, another port is
    chosen and written into the deployment file: serve before that is read. `home` without a demo: nothing is done.
    """
    home = home.absolute()
    if not _is_demo(home):
        yield
        return
    with _api(home):
        yield


def environment(home: Path) -> dict[str, str]:
    """Give the variables with which Dagster shows the demo in `home`: its deployment, its instance, the story's clock."""
    home = home.absolute()
    return {
        VARIABLE: str(home / "deployment.yaml"),
        "DAGSTER_HOME": str(home / "dagster"),
        "OVERWATCH_NOW": _State.read(home).now.isoformat(),
    }


def _looks(home: Path, progress: Progress) -> Iterator[Look]:
    """Load what is not loaded yet; the last look if all is.

    Raises:
        DemoError: a step of a run failed.
    """
    first = min(_State.read(home).loaded, len(LOOKS) - 1)
    progress("starting", 0, 0)
    with _dagster(home, progress, looks=len(LOOKS) - first) as load:
        for number in range(first, len(LOOKS)):
            began = time.monotonic()
            now, days = LOOKS[number], DAYS[max(0, number - 1) : number + 1]
            write_until(story(), home / "world", now)
            replace(_State.read(home), now=now).write(home)
            run_ids = load(now, days, number == len(LOOKS) - 1)
            replace(_State.read(home), loaded=number + 1).write(home)
            yield Look(now, days, run_ids, time.monotonic() - began)


_Load = Callable[[dt.datetime, tuple[dt.date, ...], bool], tuple[str, ...]]


@contextmanager
def _dagster(home: Path, progress: Progress, *, looks: int) -> Iterator[_Load]:
    """Lend a function that loads all tables for some days, one run of `home`'s Dagster for each workspace, side by side.

    Its third argument says whether the asset checks are part of the runs.
    """
    with _variables(environment(home)), _quiet() as steps:
        import dagster as dg  # noqa: PLC0415 - takes two seconds
        from dagster._core.instance.ref import InstanceRef  # noqa: PLC0415 - as above

        from overwatch_assets.contract.registry import modules  # noqa: PLC0415 - imports Spark's client
        from overwatch_assets.orchestration import settings  # noqa: PLC0415 - imports Dagster
        from overwatch_assets.orchestration.partitions import range_tags  # noqa: PLC0415 - as above

        workspaces = [w.workspace_id for w in story().workspaces]
        steps.begin(progress, len(modules()) * len(workspaces) * looks)
        job = _definitions().resolve_job_def("all_job")
        keys = [dg.AssetKey(t.name) for t in modules()]

        def run_one(instance: dg.DagsterInstance, tags: Mapping[str, str], *, checks: bool) -> str:
            done = job.execute_in_process(
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                instance=instance,
                tags=tags,
                asset_selection=None if checks else keys,
                raise_on_error=False,
            )
            if not done.success:
                raise DemoError(_why(done))
            return done.run_id

        def load(now: dt.datetime, days: tuple[dt.date, ...], checks: bool) -> tuple[str, ...]:  # noqa: FBT001 - one caller
            steps.day = days[-1]
            tags = [{**range_tags(w, days[0], days[-1]), settings.NOW_TAG: now.isoformat()} for w in workspaces]
            with ThreadPoolExecutor(len(tags)) as pool:
                runs = [pool.submit(run_one, instance, each, checks=checks) for each in tags]
                try:
                    return tuple(each.result() for each in runs)
                except BaseException:
                    steps.stopped = True
                    raise

        # Captured output would be this process's, hence the command line's own.
        captured = {"compute_logs": {"module": _NO_CAPTURE[0], "class": _NO_CAPTURE[1]}}
        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home / "dagster"), overrides=captured)) as instance:
            yield load


_NO_CAPTURE = ("dagster._core.storage.noop_compute_log_manager", "NoOpComputeLogManager")


def _definitions() -> "Definitions":
    """What Dagster loads for the deployment that the environment names, also if it was loaded for another one."""
    from overwatch_assets.orchestration import settings  # noqa: PLC0415 - imports Dagster

    name = "overwatch_assets.definitions"
    settings.deployment.cache_clear()
    module = reload(sys.modules[name]) if name in sys.modules else import_module(name)
    definitions: Definitions = module.defs
    return definitions


def _why(done: "ExecuteInProcessResult") -> str:
    """The first failed step's own words."""
    for event in done.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            said = error.message.strip() if error is not None else event.message
            return f"The demo could not load {event.step_key}: {said}"
    return f"The demo's run {done.run_id} failed: `overwatch ui` shows it."


class _Steps(logging.Handler):
    """Tells progress from the runner's log, which has a line for each load."""

    day: dt.date = DAYS[0]
    stopped = False

    def begin(self, progress: Progress, total: int) -> None:
        """Tell `progress` from now on."""
        self._progress, self._done, self._total = progress, 0, total

    def emit(self, record: logging.LogRecord) -> None:
        """Count one load; end the run that it is of after an interrupt."""
        if self.stopped:
            raise KeyboardInterrupt
        self._done += 1
        assert isinstance(record.args, tuple)  # noqa: S101 - the runner's own line
        self._progress(f"{self.day} {record.args[1]}", self._done, self._total)


@contextmanager
def _quiet() -> Iterator[_Steps]:
    """Keep Dagster's and the runner's log lines from the screen; count the runner's."""
    runner, steps = logging.getLogger("overwatch_assets.runner.runner"), _Steps()
    before = runner.level, runner.propagate
    runner.addHandler(steps)
    runner.setLevel(logging.INFO)
    runner.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Dagster's on its own beta features
            yield steps
    finally:
        runner.removeHandler(steps)
        runner.level, runner.propagate = before


@contextmanager
def _variables(given: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold a demo's folder against a second demo; make it if there is none."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigurationError(f"{home} is no folder: name another one for the demo.") from error
    with (home / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"Another demo is running in {home}: wait for it, or name another folder."
            ) from error
        yield


def _prepared(home: Path) -> _State:
    """Write what a demo needs besides its tables; begin anew if the tables are of another release or are gone."""
    made_by = _made_by()
    state = _state(home)
    if state is None or state.made_by != made_by or not (home / "storage").is_dir():
        for name in ("storage", "world"):
            _discard(home / name)
        state = _State(LOOKS[0], 0, state.port if state else 0, made_by)
        state.write(home)
    for folder in ("storage", "dagster", "tokens"):
        (home / folder).mkdir(exist_ok=True)
    for workspace in story().workspaces:
        token = _token_file(home, workspace)
        if not token.exists():
            token.touch(mode=0o600)
            token.write_text(f"dapi{secrets.token_hex(16)}\n")
    settings = resources.files("overwatch_assets.orchestration").joinpath("dagster.yaml").read_text()
    _put(home / "dagster/dagster.yaml", settings, keep=True)
    mounts = [
        f"/mnt/cluster-logs,{home / 'world' / w.name / CLUSTER_LOGS},{w.workspace_id}\n" for w in story().workspaces
    ]
    _put(home / "mounts.csv", "mountPoint,source,workspace_id\n" + "".join(mounts))
    _write_deployment(home, state.port)
    return state


def _state(home: Path) -> _State | None:
    try:
        return _State.read(home)
    except (OSError, ValueError, KeyError, TypeError):  # absent, or not as we write it
        return None


def _is_demo(home: Path) -> bool:
    return _state(home) is not None and (home / "deployment.yaml").is_file()


def _made_by() -> str:
    """What tables depend on: the release, the contracts and the story."""
    from overwatch_assets.contract.registry import tables  # noqa: PLC0415 - imports Spark's client

    told = [__version__, story().seed, *((t.name, t.version, t.schema.jsonValue()) for t in tables().values())]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _discard(folder: Path) -> None:
    """Remove a folder, under whatever is reading it."""
    if folder.exists():
        aside = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _put(path: Path, text: str, *, keep: bool = False) -> None:
    """Write a file at once, if it is not so already; `keep` leaves any that is there."""
    if path.is_file() and (keep or path.read_text() == text):
        return
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


def _token_file(home: Path, workspace: SampleWorkspace) -> Path:
    return home / "tokens" / workspace.name


def _write_deployment(home: Path, port: int) -> None:
    rows = [
        {
            "workspace_name": w.name,
            "workspace_id": w.workspace_id,
            "cloud": str(w.cloud),
            "primordial_date": DAYS[0].isoformat(),
            "storage_prefix": str(home / "storage"),
            "etl_database_name": DATABASE,
            "consumer_database_name": CONSUMER_DATABASE,
            "workspace_url": w.url,
            "api_url": f"http://127.0.0.1:{port}",
            "token": f"file:{_token_file(home, w)}",
            "auditlogprefix_source_path": str(home / "world" / w.name / AUDIT_LOGS),
            "mount_mapping_path": str(home / "mounts.csv"),
        }
        for w in story().workspaces
    ]
    head = "# The sample's two workspaces, written by `overwatch demo`; its API answers while `overwatch ui` runs.\n"
    _put(home / "deployment.yaml", head + yaml.safe_dump({"workspaces": rows}, sort_keys=False))


@contextmanager
def _api(home: Path) -> Iterator[None]:
    """Serve on the port of `sample.json`; on another one if a stranger has it."""
    tokens = {_token_file(home, w).read_text().strip(): w for w in story().workspaces}
    state = _State.read(home)
    api = _listening(home, tokens, state.port)
    if api is None and _answers(state.port, next(iter(tokens))):
        yield
        return
    with api or SampleApi(_workspaces(home, tokens), _faults(tokens)) as served:
        if served.port != state.port:
            _State(state.now, state.loaded, served.port, state.made_by).write(home)
            _write_deployment(home, served.port)
        yield


def _listening(home: Path, tokens: Mapping[str, SampleWorkspace], port: int) -> SampleApi | None:
    try:
        return SampleApi(_workspaces(home, tokens), _faults(tokens), port=port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return None


def _workspaces(home: Path, tokens: Mapping[str, SampleWorkspace]) -> dict[str, Callable[[], dict[str, Any]]]:
    def following_the_clock(workspace: SampleWorkspace) -> Callable[[], dict[str, Any]]:
        return lambda: dict(bodies(workspace, round(_State.read(home).now.timestamp() * 1000)))

    return {token: following_the_clock(workspace) for token, workspace in tokens.items()}


def _faults(tokens: Mapping[str, SampleWorkspace]) -> list[Fault]:
    return [
        Fault("/api/*/clusters/get", {"cluster_id": c.cluster_id}, token=token, times=None, status=403)
        for token, workspace in tokens.items()
        for c in workspace.clusters
        if c.forbidden
    ]


def _answers(port: int, token: str) -> bool:
    """Tell whether a sample API with this home's tokens listens there."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/2.1/clusters/list", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310 - as above
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
