"""The demo: workspaces of the sample, loaded as Dagster assets at three times of the story's clock.

A demo's folder, `home`:

    deployment.yaml   the deployment file, and the price files that it names
    sample.json       the clouds of the workspaces, the story's clock, which the sample's API follows, and its port
    tokens/, world/   what a real deployment has elsewhere: secrets, audit logs (on Azure in a hub), cluster logs
    system-tables/    Databricks' system tables, as Delta tables
    storage/          the tables
    dagster/          Dagster's instance

The first load of a day ends where the story's clock stands; the load of the next day completes it. Running the demo
again on a folder that has it loads the last days once more, which changes nothing, and also finishes one that was
interrupted. A folder of another release of the tables, or of other workspaces, is emptied first; Dagster's instance
stays, since a web server may be running on it.
"""

import datetime as dt
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path

import yaml

from overwatch_assets import __version__
from overwatch_assets.config.fields import Cloud
from overwatch_assets.config.loading import VARIABLE
from overwatch_assets.errors import ConfigurationError, OverwatchError
from overwatch_assets.sample import warehouses, workplace
from overwatch_assets.sample.accounts import tokens
from overwatch_assets.sample.clusters import bodies
from overwatch_assets.sample.events import events
from overwatch_assets.sample.hub import SampleHub
from overwatch_assets.sample.jobs import jobs, pools
from overwatch_assets.sample.queries import queries
from overwatch_assets.sample.server import Fault, Known, SampleApi
from overwatch_assets.sample.story import CLOUDS, DAYS, LOOKS, PLATFORM, SampleWorkspace, Story, story
from overwatch_assets.sample.world import AUDIT_LOGS, CLUSTER_LOGS, write_until

Progress = Callable[[str, int, int], None]

_SYSTEM_TABLES = "system-tables"
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
    """`sample.json`: the story's clock, how many looks are loaded, the API's port, and what the tables were made by.

    Also the clouds of the workspaces.
    """

    now: dt.datetime
    loaded: int
    port: int
    made_by: str
    clouds: tuple[Cloud, ...]

    @classmethod
    def read(cls, home: Path) -> "_State":
        stored = json.loads((home / "sample.json").read_bytes())
        now, clouds = dt.datetime.fromisoformat(stored["now"]), tuple(map(Cloud, stored.get("clouds", CLOUDS)))
        return cls(now, stored["loaded"], stored["port"], stored["made_by"], clouds)

    def write(self, home: Path) -> None:
        stored = {**asdict(self), "now": self.now.isoformat()}
        _put(home / "sample.json", json.dumps(stored, indent=1) + "\n")


def run(home: Path, *, progress: Progress, clouds: tuple[Cloud, ...] | None = None) -> DemoResult:
    """Load the sample into `home`, which is made if there is none.

    Args:
        home: the demo's folder.
        progress: told what is done next, how many steps are done, and how many there are.
        clouds: of which to load the workspaces; None: those that `home` has, or `CLOUDS`.

    Raises:
        ConfigurationError: `home` is no folder, or another demo is running in it.
        DemoError: a load failed: which, and why.
    """
    home = home.absolute()
    with _alone(home):
        _prepared(home, clouds)
        with serving(home):
            results = tuple(_looks(home, progress))
    return DemoResult(home / "deployment.yaml", home / "dagster", results)


def set_up_instance(dagster_home: Path) -> None:
    """Give Dagster's instance our settings, unless it has its own."""
    settings = resources.files("overwatch_assets.orchestration").joinpath("dagster.yaml").read_text()
    _put(dagster_home / "dagster.yaml", settings, keep=True)


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
    """Give the variables with which Dagster shows the demo in `home`: deployment, instance, the story's clock."""
    home = home.absolute()
    return {
        VARIABLE: str(home / "deployment.yaml"),
        "DAGSTER_HOME": str(home / "dagster"),
        "OVERWATCH_NOW": _State.read(home).now.isoformat(),
    }


def _looks(home: Path, progress: Progress) -> Iterator[Look]:
    """Load what is not loaded yet; the last look if all is.

    Raises:
        DemoError: a load failed.
    """
    first = min(_State.read(home).loaded, len(LOOKS) - 1)
    told = _told(home)
    steps = _Steps(progress, loads=(len(LOOKS) - first) * len(told.workspaces))
    with _loaders(home) as loaders, ThreadPoolExecutor(len(loaders)) as pool:
        for number in range(first, len(LOOKS)):
            began = time.monotonic()
            now, days = LOOKS[number], DAYS[max(0, number - 1) : number + 1]
            steps.say(f"{days[-1]}: audit logs, cluster logs and clusters until {now:%H:%M} UTC")
            write_until(told, home / "world", now)
            warehouses.write_system_tables(told, home / _SYSTEM_TABLES, now)
            replace(_State.read(home), now=now).write(home)
            asked = {
                "now": now.isoformat(),
                "first": days[0].isoformat(),
                "last": days[-1].isoformat(),
                "checks": number == len(LOOKS) - 1,  # they look at what is stored, so once is enough
            }
            running = [pool.submit(loader.load, asked, steps) for loader in loaders]
            run_ids = tuple(each.result() for each in running)
            replace(_State.read(home), loaded=number + 1).write(home)
            yield Look(now, days, run_ids, time.monotonic() - began)


class _Steps:
    """Counts loads for the caller's progress."""

    def __init__(self, progress: Progress, *, loads: int) -> None:
        from overwatch_assets.contract.registry import modules  # noqa: PLC0415 - imports Spark's client

        self._progress, self._lock = progress, threading.Lock()
        self._done, self._total = 0, loads * len(modules())

    def say(self, what: str) -> None:
        """Tell what is being done."""
        self._progress(what, self._done, self._total)

    def count(self, what: str) -> None:
        """Tell that a load is done."""
        with self._lock:
            self._done += 1
            self.say(what)


@dataclass(frozen=True)
class _Loader:
    """The process that loads one workspace (`loader.py`)."""

    workspace: SampleWorkspace
    process: "subprocess.Popen[str]"
    log: Path

    def load(self, asked: Mapping[str, object], steps: _Steps) -> str:
        """Load all tables for some days in one Dagster run, and return its id.

        Raises:
            DemoError: a table could not be loaded, or the process ended.
        """
        assert self.process.stdin is not None  # noqa: S101 - both are pipes
        assert self.process.stdout is not None  # noqa: S101
        with suppress(BrokenPipeError):  # it has ended: so does what it tells
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
        for line in self.process.stdout:
            said = json.loads(line)
            if "run_id" in said:
                return str(said["run_id"])
            if "error" in said:
                raise DemoError(f"The demo could not load {self.workspace.name}: {said['error']}")
            steps.count(f"{asked['last']}: {said['loaded']}")
        code = self.process.wait()
        raise DemoError(f"The process that loads {self.workspace.name} ended with code {code}: see {self.log}.")


@contextmanager
def _loaders(home: Path) -> Iterator[list[_Loader]]:
    """Start a process for each workspace, and end them."""
    package = Path(__file__).parents[2]
    path = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
    # The processes share the cores: one that plans for all of them takes a fifth longer on tables as small as these.
    variables = {
        **os.environ,
        **environment(home),
        "OVERWATCH_NOW": LOOKS[-1].isoformat(),  # partitions end there; each load states its own clock
        "PYTHONPATH": path,
        "SAIL_EXECUTION__DEFAULT_PARALLELISM": "1",
    }
    loaders = []
    try:
        for workspace in _told(home).workspaces:
            log = home / "dagster" / f"demo-{workspace.name}.log"
            command = [sys.executable, "-m", "overwatch_assets.sample.loader", str(home), workspace.workspace_id]
            with log.open("w") as errors:
                process = subprocess.Popen(  # noqa: S603 - our own words
                    command,
                    env=variables,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    start_new_session=True,  # an interrupt ends this process, which then ends them
                )
            loaders.append(_Loader(workspace, process, log))
        yield loaders
        for loader in loaders:
            loader.process.communicate()
    finally:
        for loader in loaders:
            loader.process.kill()  # of no effect on one that has ended
            loader.process.communicate()


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


def _prepared(home: Path, clouds: tuple[Cloud, ...] | None) -> None:
    """Write what a demo needs besides its tables; begin anew if those are of another release or of others, or gone."""
    state = _state(home)
    wanted = clouds or (state.clouds if state else CLOUDS)
    told = story(clouds=wanted)
    made_by = _made_by(told)
    if state is None or state.made_by != made_by or not (home / "storage").is_dir():
        for name in ("storage", "world", _SYSTEM_TABLES):
            _discard(home / name)
        state = _State(LOOKS[0], 0, state.port if state else 0, made_by, wanted)
        state.write(home)
    for folder in ("storage", "dagster", "tokens"):
        (home / folder).mkdir(exist_ok=True)
    for workspace in told.workspaces:
        token = _token_file(home, workspace)
        if not token.exists():
            _write_secret(token, f"dapi{secrets.token_hex(16)}\n")
    set_up_instance(home / "dagster")
    mounts = [
        f"{w.facts.log_destination},{home / 'world' / w.name / CLUSTER_LOGS},{w.workspace_id}\n"
        for w in told.workspaces
    ]
    _put(home / "mounts.csv", "mountPoint,source,workspace_id\n" + "".join(mounts))
    for w in told.workspaces:
        _put(home / f"prices-{w.name}.csv", (resources.files(__package__) / f"prices-{w.name}.csv").read_text("utf-8"))
    _write_deployment(home, state.port)


def _state(home: Path) -> _State | None:
    try:
        return _State.read(home)
    except (OSError, ValueError, KeyError, TypeError):  # absent, or not as we write it
        return None


def _told(home: Path) -> Story:
    """The story of the demo in a folder."""
    return story(clouds=_State.read(home).clouds)


def _is_demo(home: Path) -> bool:
    return _state(home) is not None and (home / "deployment.yaml").is_file()


def _made_by(told: Story) -> str:
    """What tables depend on: the release, the contracts and the story."""
    from overwatch_assets.contract.registry import tables  # noqa: PLC0415 - imports Spark's client

    of = [__version__, told.seed, *(w.name for w in told.workspaces)]
    of += [(t.name, t.version, t.schema.jsonValue()) for t in tables().values()]
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:16]


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


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _has_hub(workspace: SampleWorkspace) -> bool:
    return workspace.facts.audit_log_format == "capture"


def _hub_file(home: Path, workspace: SampleWorkspace) -> Path:
    return home / "tokens" / f"{workspace.name}-hub"


def _audit_logs(home: Path, workspace: SampleWorkspace) -> dict[str, str]:
    """The fields that say where a workspace's audit logs are: on Azure in a hub, of which the files are the store."""
    if _has_hub(workspace):
        return {"eh_name": AUDIT_LOGS, "eh_connection": f"file:{_hub_file(home, workspace)}"}
    return {
        "auditlogprefix_source_path": str(home / "world" / workspace.name / AUDIT_LOGS),
        "audit_log_format": workspace.facts.audit_log_format,
    }


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
            "api_requests_per_second": 1000,  # it answers for the demo alone
            "token": f"file:{_token_file(home, w)}",
            **_audit_logs(home, w),
            "mount_mapping_path": str(home / "mounts.csv"),
            "prices": str(home / f"prices-{w.name}.csv"),
            "job_runs_snapshot": True,
            "warehouse_events_source": str(home / _SYSTEM_TABLES / w.name / warehouses.WAREHOUSE_EVENTS),
        }
        for w in _told(home).workspaces
    ]
    head = "# The sample's workspaces, written by `overwatch demo`; its API answers while `overwatch ui` runs.\n"
    _put(home / "deployment.yaml", head + yaml.safe_dump({"workspaces": rows}, sort_keys=False))


@contextmanager
def _api(home: Path) -> Iterator[None]:
    """Serve on the port of `sample.json`; on another one if a stranger has it."""
    tokens = {_token_file(home, w).read_text().strip(): w for w in _told(home).workspaces}
    state = _State.read(home)
    api = _listening(home, tokens, state.port)
    if api is None and _answers(state.port, next(iter(tokens))):
        yield
        return
    with api or SampleApi(_workspaces(home, tokens), _faults(tokens)) as served:
        if served.port != state.port:
            replace(state, port=served.port).write(home)
            _write_deployment(home, served.port)
        with _hubs(home):
            yield


@contextmanager
def _hubs(home: Path) -> Iterator[None]:
    """Serve the hubs of the workspaces that have one, and write down how to reach them."""
    with ExitStack() as served:
        for workspace in filter(_has_hub, _told(home).workspaces):
            folder = home / "world" / workspace.name / AUDIT_LOGS
            hub = served.enter_context(SampleHub(AUDIT_LOGS, folder, secrets.token_hex(16)))
            _write_secret(_hub_file(home, workspace), hub.connection)
        yield


def _listening(home: Path, tokens: Mapping[str, SampleWorkspace], port: int) -> SampleApi | None:
    try:
        return SampleApi(_workspaces(home, tokens), _faults(tokens), port=port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return None


def known_at(workspace: SampleWorkspace, at: int) -> Known:
    """Give what a workspace's API knows at a moment, epoch ms; who asks is the platform's user, an admin."""
    return Known(
        clusters=bodies(workspace, at),
        jobs=jobs(workspace, at),
        pools=pools(workspace, at),
        events=events(workspace, at),
        libraries=workplace.libraries(workspace, at),
        policies=workplace.policies(workspace, at),
        instance_profiles=workplace.instance_profiles(workspace),
        init_scripts=workplace.init_scripts(workspace, at),
        tokens=tokens(workspace, at),
        runs=workplace.runs(workspace, at),
        queries=queries(workspace, at),
        warehouses=warehouses.bodies(workspace, at),
        caller=PLATFORM.email,
    )


def _workspaces(home: Path, tokens: Mapping[str, SampleWorkspace]) -> dict[str, Callable[[], Known]]:
    def following_the_clock(workspace: SampleWorkspace) -> Callable[[], Known]:
        def now() -> Known:
            at = round(_State.read(home).now.timestamp() * 1000)
            return known_at(workspace, at)

        return now

    return {token: following_the_clock(workspace) for token, workspace in tokens.items()}


def _faults(tokens: Mapping[str, SampleWorkspace]) -> list[Fault]:
    return [
        Fault(f"/api/*/clusters/{verb}", {"cluster_id": c.cluster_id}, token=token, times=None, status=403)
        for token, workspace in tokens.items()
        for c in workspace.clusters
        if c.forbidden
        for verb in ("get", "events")
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
