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
import os
import secrets
import shutil
import urllib.error
import urllib.request
from importlib import import_module, reload, resources
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from overwatch_assets import __version__
from overwatch_assets.config.loading import VARIABLE
from overwatch_assets.errors import ConfigurationError, OverwatchError
from overwatch_assets.sample.clusters import bodies
from overwatch_assets.sample.server import Fault, SampleApi
from overwatch_assets.sample.story import DAYS, LOOKS, SampleWorkspace, story
from overwatch_assets.sample.world import AUDIT_LOGS, CLUSTER_LOGS, write_until

Progress = Callable[[str, int, int], None]

DATABASE, CONSUMER_DATABASE = "overwatch_etl", "overwatch"
class DemoError(OverwatchError):
    """A load of the demo failed."""


@dataclass(frozen=True)
class Look:
    """One time of the story's clock: what was loaded then, by one Dagster run over both workspaces."""

    now: dt.datetime
    days: tuple[dt.date, ...]
    run_id: str
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
        state = _prepared(home)
        with serving(home):
            results = tuple(_looks(home, state, progress))
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


def _looks(home: Path, state: _State, progress: Progress) -> Iterator[Look]:
    """Load what is not loaded yet; the last look if all is.

    Raises:
        DemoError: a step of a run failed.
    """
    first = min(state.loaded, len(LOOKS) - 1)
    progress("starting Dagster", 0, 0)
    with _dagster(home) as load:
        for number in range(first, len(LOOKS)):
            began = time.monotonic()
            now, days = LOOKS[number], DAYS[max(0, number - 1) : number + 1]
            progress(f"{days[-1]}: writing the world", 0, 0)
            write_until(story(), home / "world", now)
            replace(_State.read(home), now=now).write(home)
            run_id = load(now, days, progress)
            replace(_State.read(home), loaded=number + 1).write(home)
            yield Look(now, days, run_id, time.monotonic() - began)


_Load = Callable[[dt.datetime, tuple[dt.date, ...], Progress], str]


@contextmanager
def _dagster(home: Path) -> Iterator[_Load]:
    """Lend a function that loads some days of both workspaces, all tables, in one run of `home`'s Dagster instance."""
    with _variables(environment(home)):
        import dagster as dg  # noqa: PLC0415 - takes two seconds
        from dagster._core.instance.ref import InstanceRef

        from overwatch_assets.orchestration import settings
        from overwatch_assets.orchestration.partitions import RANGE_END, RANGE_START, key_of
        t=time.time()
        settings.deployment.cache_clear()
        known = "overwatch_assets.definitions" in sys.modules
        module = import_module("overwatch_assets.definitions")
        if known:
            reload(module)
        job = module.defs.resolve_job_def("all_job")
        print("defs",time.time()-t); t=time.time()
        ids = [w.workspace_id for w in story().workspaces]

        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home / "dagster"))) as instance:
            print("instance",time.time()-t)
            def load(now: dt.datetime, days: tuple[dt.date, ...], progress: Progress) -> str:
                tags = {
                    RANGE_START: key_of(days[0], ids[0]),
                    RANGE_END: key_of(days[-1], ids[-1]),
                    settings.NOW_TAG: now.isoformat(),
                }
                t=time.time()
                done = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
                print("run",time.time()-t, done.success)
                if not done.success:
                    raise DemoError(str([e.message for e in done.all_events if e.is_step_failure]))
                return done.run_id

            yield load


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
            raise ConfigurationError(f"Another demo is running in {home}: wait for it, or name another folder.") from error
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
    request = urllib.request.Request(  # noqa: S310 - http on loopback
        f"http://127.0.0.1:{port}/api/2.1/clusters/list", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310 - as above
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
