"""The sample's story: a workspace on each of some clouds, three days, who ran what on which cluster, from one seed.

What the other modules tell (audit lines, API bodies, event logs, files) is derived from here, so ids and times agree.
Times are epoch milliseconds, UTC.
"""

import datetime as dt
import functools
import json
import random
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import orjson

from overwatch_assets.config.fields import Cloud
from overwatch_assets.errors import SourceError
from overwatch_assets.sample.clouds import FACTS, CloudFacts, Node
from overwatch_assets.sample.logs import RECORDED, own_time, recorded, retime

FIRST_DAY = dt.date(2024, 5, 1)
DAYS = tuple(FIRST_DAY + dt.timedelta(days=n) for n in range(3))
SEED = 20240501
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
FIRST_MS = (FIRST_DAY - dt.date(1970, 1, 1)).days * DAY
# When the demo looks at the world: the evening of each day, while applications are open.
LOOKS = tuple(
    dt.datetime(day.year, day.month, day.day, hour, minute, tzinfo=dt.UTC)
    for day, (hour, minute) in zip(DAYS, ((23, 0), (23, 0), (23, 30)), strict=True)
)

MONTH_END = "/Shared/finance/month-end"  # where a notebook lies in the end

_USAGE = "spark.databricks.clusterUsageTags."
# Ids in the recorded notebooks' log.
_RECORDED_JOB, _RECORDED_RUNS = 77, (9001, 9002)
_RECORDED_NOTEBOOKS = (4_400_000_000_000_001, 4_400_000_000_000_002, 4_400_000_000_000_003)


@dataclass(frozen=True)
class User:
    """Somebody who works in a workspace: a role's address and the workspace's own id for it."""

    email: str
    user_id: int


PLATFORM = User("platform@example.com", 1_000_000_000_000_001)
ANALYST = User("analyst@example.com", 1_000_000_000_000_002)
ENGINEER = User("engineer@example.com", 1_000_000_000_000_003)
ETL = User("etl@example.com", 1_000_000_000_000_004)
FINANCE = User("finance@example.com", 1_000_000_000_000_005)


@dataclass(frozen=True)
class Application:
    """A Spark application: a recorded event log at another time, under other names.

    `hosts` are the driver's address and those of the two workers. `bad_line` puts a line that is no JSON in its middle.
    """

    recording: str
    app_id: str
    app_name: str
    start_ms: int
    stretch: float
    spark_context_id: str
    cluster_id: str
    hosts: tuple[str, str, str]
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    replace: Mapping[str, str] = field(default_factory=dict, repr=False)
    raw_replace: Mapping[str, str] = field(default_factory=dict, repr=False)
    bad_line: bool = False

    @cached_property
    def lines(self) -> list[bytes]:
        """The whole log, a line each, with line breaks."""
        lines = list(
            retime(
                (_replaced(line, self.raw_replace) for line in recorded(self.recording)),
                start_ms=self.start_ms,
                stretch=self.stretch,
                app_id=self.app_id,
                app_name=self.app_name,
                spark_context_id=self.spark_context_id,
                cluster_id=self.cluster_id,
                host_map=dict(zip(_RECORDED_HOSTS, self.hosts, strict=True)),
                properties=self.properties,
                replace=self.replace,
            )
        )
        if self.bad_line:
            middle = len(lines) // 2
            lines.insert(middle, lines[middle][: len(lines[middle]) // 3] + b"\n")
        return lines

    @cached_property
    def written_ms(self) -> list[int]:
        """When each line was written: not before its own time, nor before the line above it."""
        at, times = self.start_ms, []
        for line in self.lines:
            at = max(at, _time_of(line) or 0)
            times.append(at)
        return times

    @property
    def ended_ms(self) -> int:
        """When the last line was written."""
        return self.start_ms + round(_recording(self.recording).duration_ms * self.stretch)

    def count_until(self, now_ms: int) -> int:
        """How many whole lines there are at a moment."""
        return bisect_right(self.written_ms, now_ms)

    def when(self, recorded_ms: int) -> int:
        """Give the story's time of a recorded one."""
        return self.start_ms + round((recorded_ms - _recording(self.recording).first_ms) * self.stretch)


@dataclass(frozen=True)
class Uptime:
    """From a cluster's start to its termination; `terminated_ms` None: it runs beyond the story's end."""

    requested_ms: int
    running_ms: int
    terminated_ms: int | None
    started_by: User
    reason: str
    application: Application | None = None


@dataclass(frozen=True)
class Cluster:
    """A cluster and its uptimes in the story, in order.

    `created_ms` before the story's first day: its creation is in no audit log. `forbidden`: `clusters/get` answers 403.
    `pool_id`: its nodes come from this pool. `init_scripts`: it runs the cloud's script when it starts.
    """

    cluster_id: str
    name: str
    source: str
    creator: User
    spark_version: str
    workers: int
    autoscale: tuple[int, int] | None
    autotermination_minutes: int
    created_ms: int
    tags: Mapping[str, str]
    uptimes: tuple[Uptime, ...] = ()
    edited_ms: int | None = None
    deleted_ms: int | None = None
    delivers_logs: bool = True
    forbidden: bool = False
    pool_id: str | None = None
    init_scripts: bool = False

    def uptime(self, now_ms: int) -> Uptime | None:
        """Find the uptime that is going on, or the last one; None before the first."""
        return next((up for up in reversed(self.uptimes) if up.requested_ms <= now_ms), None)

    def exists(self, now_ms: int) -> bool:
        """Whether it has been created and is not permanently deleted."""
        return self.created_ms <= now_ms and (self.deleted_ms is None or now_ms < self.deleted_ms)


@dataclass(frozen=True)
class Pool:
    """An instance pool; `edits` are new limits of its size, each with its time."""

    pool_id: str
    name: str
    creator: User
    created_ms: int
    min_idle: int
    max_capacity: int
    edits: tuple[tuple[int, int], ...] = ()

    def capacity(self, now_ms: int) -> int:
        """Give the limit of its size at a moment."""
        return next((limit for at, limit in reversed(self.edits) if at <= now_ms), self.max_capacity)


@dataclass(frozen=True)
class Change:
    """A change of a job's settings: an update of some of them, or a reset that states them all."""

    at_ms: int
    action: str
    settings: Mapping[str, Any]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A job. `task_type` as audit logs say it."""

    job_id: int
    name: str
    task_type: str
    owner: User
    created_ms: int
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Run:
    """A run of one task of a job; `parent_run_id` is the run of the whole job.

    `launch`: the action that began it; `repairRun` begins a failed run's tasks again. `cancelled_ms`: somebody asked
    for its end.
    """

    job: Job
    run_id: int
    parent_run_id: int
    task_key: str
    cluster_id: str
    on_job_cluster: bool
    trigger: str
    started_ms: int
    ended_ms: int
    succeeded: bool
    launch: str = "runTriggered"
    cancelled_ms: int | None = None
    repair_id: int | None = None


@dataclass(frozen=True)
class Command:
    """A notebook command."""

    notebook_id: int
    path: str
    command_id: str
    text: str
    user: User
    cluster_id: str
    started_ms: int
    ended_ms: int


@dataclass(frozen=True)
class SampleWorkspace:
    """One workspace of the story."""

    name: str
    workspace_id: str
    cloud: Cloud
    url: str
    clusters: tuple[Cluster, ...]
    jobs: tuple[Job, ...]
    runs: tuple[Run, ...]
    commands: tuple[Command, ...]
    pools: tuple[Pool, ...]

    @property
    def facts(self) -> CloudFacts:
        """What it has of its cloud."""
        return FACTS[self.cloud]

    @property
    def node_type(self) -> str:
        """The type of workers."""
        return self.facts.worker.name

    @property
    def driver_node_type(self) -> str:
        """The type of drivers."""
        return self.facts.driver.name

    def cluster(self, cluster_id: str) -> Cluster:
        """Find a cluster."""
        return next(c for c in self.clusters if c.cluster_id == cluster_id)

    def driver(self, cluster: Cluster) -> Node:
        """Give the node of a cluster's driver; a pool has one type for all nodes."""
        return self.facts.worker if cluster.pool_id else self.facts.driver


@dataclass(frozen=True)
class Story:
    """All of it."""

    seed: int
    workspaces: tuple[SampleWorkspace, ...]


@dataclass(frozen=True)
class _Place:
    """A workspace before its story: its recorded logs, the Databricks runtime, and the day on which a job fails."""

    name: str
    spark: str
    spark_version: str
    fails_on: int = 0


_PLACES = {
    Cloud.AWS: _Place("retail-prod", "spark35", "15.1.x-scala2.12", fails_on=1),
    Cloud.AZURE: _Place("retail-lab", "spark42", "17.3.x-scala2.13"),
    Cloud.GCP: _Place("retail-apps", "spark35", "15.4.x-scala2.12"),
}
CLOUDS = (Cloud.AWS, Cloud.AZURE)
"""The clouds of the demo's workspaces unless others are asked for."""


@functools.cache
def story(seed: int = SEED, clouds: tuple[Cloud, ...] = CLOUDS) -> Story:
    """Tell the story of a workspace on each of some clouds.

    The same seed gives the same ids, times and bytes; a workspace's do not depend on the others.
    """
    return Story(seed, tuple(_Plot(seed, cloud).workspace() for cloud in clouds))


@dataclass(frozen=True)
class _Recording:
    name: str
    app_name: str
    first_ms: int
    duration_ms: int
    jobs: tuple[tuple[str, int, int | None], ...]  # group, start, end
    stream_runs: tuple[str, ...]


_RECORDED_HOSTS = ("10.139.64.4", "10.139.64.5", "10.139.64.6")


@functools.cache
def _manifest() -> dict[str, dict[str, int | str]]:
    return {entry["name"]: entry for entry in json.loads((RECORDED / "manifest.json").read_bytes())}


@functools.cache
def _recording(name: str) -> _Recording:
    entry = _manifest()[name]
    first, last = int(entry["first_ms"]), int(entry["last_ms"])
    starts: dict[int, tuple[str, int]] = {}
    ends: dict[int, int] = {}
    streams = []
    for line in recorded(name):
        if b'"SparkListenerJob' in line[:40]:
            event = orjson.loads(line)
            if "Submission Time" in event:
                group = (event.get("Properties") or {}).get("spark.jobGroup.id", "")
                starts[event["Job ID"]] = (group, event["Submission Time"])
            else:
                ends[event["Job ID"]] = event["Completion Time"]
        elif b"QueryStartedEvent" in line[:100]:
            streams.append(orjson.loads(line)["runId"])
    jobs = tuple((group, at, ends.get(job)) for job, (group, at) in sorted(starts.items()))
    return _Recording(name, str(entry["app_name"]), first, last - first, jobs, tuple(streams))


def _replaced(line: bytes, names: Mapping[str, str]) -> bytes:
    for old, new in names.items():
        line = line.replace(old.encode(), new.encode())
    return line


def _time_of(line: bytes) -> int | None:
    try:
        return own_time(orjson.loads(line))
    except orjson.JSONDecodeError:  # the line that is bad on purpose
        return None


class _Plot:
    """Makes one workspace; draws ids and minutes from its own stream of random numbers."""

    def __init__(self, seed: int, cloud: Cloud) -> None:
        self._cloud, self._facts, self._place = cloud, FACTS[cloud], _PLACES[cloud]
        name = self._place.name
        self._random = random.Random(f"{seed} {name}")  # noqa: S311 - a story, not a secret
        self._others = random.Random(f"{seed} {name} pools and people's runs")  # noqa: S311 - as above
        self._workspace_id = str(self._number(16))
        self._url = f"https://{self._facts.host.format(name=name, workspace_id=self._workspace_id)}"
        self._subnet = f"10.{self._random.randint(1, 250)}.{self._random.randint(0, 250)}"
        self._clusters: list[Cluster] = []
        self._runs: list[Run] = []
        self._commands: list[Command] = []
        old = FIRST_MS - 40 * DAY
        self._etl = Job(self._number(12), "orders-etl", "python", ETL, old)
        tagged = {"tags": {"cost-center": "4711"}, "timeout_seconds": 14_400}
        self._report = Job(
            self._number(12),
            "nightly-report",
            "notebook",
            ENGINEER,
            old + DAY,
            (Change(FIRST_MS + DAY + 10 * HOUR, "update", tagged, ("email_notifications",)),),
        )
        retried = (Change(FIRST_MS + 2 * DAY + 11 * HOUR, "reset", {"max_retries": 3}),)
        self._stream = Job(self._number(12), "orders-stream", "python", ETL, old + 2 * DAY, retried)
        self._risk = Job(self._number(12), "risk-scores", "python", ENGINEER, self._at(0, 10))
        self._export = Job(self._other(12), "orders-export", "python", ANALYST, old + 3 * DAY)
        self._pools = (
            Pool(
                self._pool_id(old),
                "etl-pool",
                PLATFORM,
                old,
                min_idle=1,
                max_capacity=10,
                edits=((FIRST_MS + DAY + 9 * HOUR, 12), (FIRST_MS + 2 * DAY + 9 * HOUR, 16)),
            ),
            Pool(
                self._pool_id(FIRST_MS + 9 * HOUR),
                "science-pool",
                ENGINEER,
                FIRST_MS + 9 * HOUR,
                min_idle=0,
                max_capacity=6,
                edits=((FIRST_MS + 2 * DAY + 12 * HOUR, 8),),
            ),
        )

    def workspace(self) -> SampleWorkspace:
        """Tell the three days of this workspace."""
        self._shared_analytics()
        self._ml_sandbox()
        self._finance_restricted()
        for day in range(3):
            self._job_cluster(self._etl, "load", "etl", self._at(day, 2), stretch=20, pool_id=self._pools[0].pool_id)
        for day in (0, 1):
            midnight = FIRST_MS + (day + 1) * DAY
            self._job_cluster(self._stream, "stream", "stream", self._open_at("stream", 4, midnight, 200), stretch=200)
        fails_at = self._at(self._place.fails_on, 14)
        self._job_cluster(self._risk, "score", "failures", fails_at, stretch=30, succeeded=False)
        self._peoples_runs()
        self._month_end()
        return SampleWorkspace(
            name=self._place.name,
            workspace_id=self._workspace_id,
            cloud=self._cloud,
            url=self._url,
            clusters=tuple(self._clusters),
            jobs=(self._etl, self._report, self._stream, self._risk, self._export),
            runs=tuple(sorted(self._runs, key=lambda run: run.started_ms)),
            commands=tuple(self._commands),
            pools=self._pools,
        )

    def _shared_analytics(self) -> None:
        """Run two notebooks and a job at once, each day; open at the second midnight and at the story's end."""
        created = FIRST_MS - 50 * DAY + 9 * HOUR + self._random.randrange(HOUR)
        cluster = self._cluster("shared-analytics", PLATFORM, created, {"team": "analytics"}, autoscale=(2, 4))
        end = _ms(LOOKS[-1])
        notebooks = {str(old): str(self._number(16)) for old in _RECORDED_NOTEBOOKS}
        recording = self._recording("notebooks")
        uptimes = []
        for start, stretch in (
            (self._at(0, 8), 240),
            (self._open_at("notebooks", 12, FIRST_MS + 2 * DAY, 120), 120),
            (self._open_at("notebooks", 12, end, 240), 240),
        ):
            parent, *tasks = (self._number(12) for _ in range(3))
            # Job 77's ids stand in properties as whole values and in job groups as parts.
            properties = {
                f'"spark.databricks.job.{name}":"{old}"': f'"spark.databricks.job.{name}":"{new}"'
                for name, old, new in (
                    ("id", _RECORDED_JOB, self._report.job_id),
                    ("runId", _RECORDED_RUNS[0], tasks[0]),
                )
            }
            groups = {
                f"job-{_RECORDED_JOB}-run-{old}": f"job-{self._report.job_id}-run-{new}"
                for old, new in zip(_RECORDED_RUNS, tasks, strict=True)
            }
            app = replace(
                self._application(recording, start, stretch, cluster),
                replace=notebooks | groups,
                raw_replace=properties,
            )
            uptimes.append(
                Uptime(
                    requested_ms=start - 4 * MINUTE,
                    running_ms=start + MINUTE // 2,
                    terminated_ms=None if app.ended_ms > end else app.ended_ms + 60 * MINUTE,
                    started_by=ANALYST,
                    reason="INACTIVITY",
                    application=app,
                )
            )
            self._notebook_runs(recording, app, parent, tasks)
            self._notebook_commands(recording, app, notebooks)
        edited = self._at(1, 9)
        self._clusters.append(replace(cluster, uptimes=tuple(uptimes), edited_ms=edited, init_scripts=True))

    def _notebook_runs(self, recording: _Recording, app: Application, parent: int, tasks: Iterable[int]) -> None:
        for old, run_id, key in zip(_RECORDED_RUNS, tasks, ("report", "publish"), strict=True):
            spans = [(at, end) for group, at, end in recording.jobs if f"run-{old}-" in group]
            self._runs.append(
                Run(
                    job=self._report,
                    run_id=run_id,
                    parent_run_id=parent,
                    task_key=key,
                    cluster_id=app.cluster_id,
                    on_job_cluster=False,
                    trigger="periodic",
                    started_ms=app.when(min(at for at, _ in spans)) - 2_000,
                    ended_ms=app.when(max(end or at for at, end in spans)) + 2_000,
                    succeeded=True,
                )
            )

    def _notebook_commands(self, recording: _Recording, app: Application, notebooks: Mapping[str, str]) -> None:
        """Tell the commands behind the job groups `<repl>_<command>_<hash>` of the two people's notebooks."""
        people = {"1001": (0, ANALYST, "explore-orders"), "1002": (1, ENGINEER, "train")}
        folders = {ANALYST: "/Users/analyst@example.com", ENGINEER: "/Repos/engineer@example.com/models"}
        for group in dict.fromkeys(group for group, _, _ in recording.jobs):
            repl, _, rest = group.partition("_")
            if repl not in people:
                continue
            number, user, name = people[repl]
            spans = [(at, end) for other, at, end in recording.jobs if other == group]
            self._commands.append(
                Command(
                    notebook_id=int(notebooks[str(_RECORDED_NOTEBOOKS[number])]),
                    path=f"{folders[user]}/{name}",
                    command_id=rest.partition("_")[0],
                    text=f"-- command {rest.partition('_')[0]} of {name}",
                    user=user,
                    cluster_id=app.cluster_id,
                    started_ms=app.when(min(at for at, _ in spans)) - 500,
                    ended_ms=app.when(max(end or at for at, end in spans)) + 500,
                )
            )

    def _peoples_runs(self) -> None:
        """Run an export by hand each day that the shared cluster is up, and once a check beside the report.

        The first export succeeds, the second is cancelled, the third fails and is repaired.
        """
        cluster = next(c for c in self._clusters if c.name == "shared-analytics")
        report = min((run for run in self._runs if run.job is self._report), key=lambda run: run.started_ms)
        check = Job(self._other(12), "one-off-check", "python", ANALYST, report.started_ms)
        self._by_hand(check, "check", cluster, report.started_ms + 5 * MINUTE, launch="submitRun")
        first, second, third = (up.running_ms + 20 * MINUTE for up in cluster.uptimes)
        self._by_hand(self._export, "export", cluster, first)
        self._by_hand(self._export, "export", cluster, second, succeeded=False, cancelled_ms=second + 12 * MINUTE)
        failed = self._by_hand(self._export, "export", cluster, third, succeeded=False)
        self._runs.append(
            replace(
                failed,
                run_id=self._other(12),
                started_ms=failed.ended_ms + 10 * MINUTE,
                ended_ms=failed.ended_ms + 25 * MINUTE,
                succeeded=True,
                launch="repairRun",
                repair_id=self._other(12),
            )
        )

    def _month_end(self) -> None:
        """Run a command of one more notebook over the second midnight, beside others on the shared cluster."""
        cluster = next(c for c in self._clusters if c.name == "shared-analytics")
        midnight = FIRST_MS + 2 * DAY
        self._commands.append(
            Command(
                notebook_id=self._other(16),
                path=MONTH_END,
                command_id="7001",
                text="OPTIMIZE sales.orders",
                user=PLATFORM,
                cluster_id=cluster.cluster_id,
                started_ms=midnight - 20 * MINUTE,
                ended_ms=midnight + 25 * MINUTE,
            )
        )

    def _by_hand(
        self,
        job: Job,
        task_key: str,
        cluster: Cluster,
        start: int,
        *,
        launch: str = "runNow",
        succeeded: bool = True,
        cancelled_ms: int | None = None,
    ) -> Run:
        run = Run(
            job=job,
            run_id=self._other(12),
            parent_run_id=self._other(12),
            task_key=task_key,
            cluster_id=cluster.cluster_id,
            on_job_cluster=False,
            trigger="manual",
            started_ms=start,
            ended_ms=start + 20 * MINUTE if cancelled_ms is None else cancelled_ms + 4_000,
            succeeded=succeeded,
            launch=launch,
            cancelled_ms=cancelled_ms,
        )
        self._runs.append(run)
        return run

    def _ml_sandbox(self) -> None:
        """Create a cluster on the first day, let its driver die with a job open, and delete it on the third."""
        created = self._at(0, 15)
        cluster = self._cluster("ml-sandbox", ENGINEER, created, {"team": "science"}, autotermination_minutes=120)
        recording = self._recording("interrupted")
        app = replace(self._application(recording, created + 4 * MINUTE, 60, cluster), bad_line=True)
        up = Uptime(
            requested_ms=created,
            running_ms=created + 5 * MINUTE,
            terminated_ms=app.ended_ms + 20 * MINUTE,
            started_by=ENGINEER,
            reason="DRIVER_UNREACHABLE",
            application=app,
        )
        self._clusters.append(replace(cluster, uptimes=(up,), edited_ms=self._at(1, 11), deleted_ms=self._at(2, 10)))

    def _finance_restricted(self) -> None:
        """Run a cluster that the platform's user may not see, and that delivers no logs."""
        created = FIRST_MS - 20 * DAY + 13 * HOUR + self._random.randrange(HOUR)
        cluster = self._cluster("finance-restricted", FINANCE, created, {"team": "finance"}, autotermination_minutes=0)
        uptimes = tuple(
            Uptime(self._at(day, 9), self._at(day, 9) + 9 * MINUTE, self._at(day, 17), FINANCE, "USER_REQUEST")
            for day in range(3)
        )
        self._clusters.append(replace(cluster, uptimes=uptimes, delivers_logs=False, forbidden=True))

    def _job_cluster(
        self,
        job: Job,
        task_key: str,
        kind: str,
        start: int,
        *,
        stretch: float,
        succeeded: bool = True,
        pool_id: str | None = None,
    ) -> None:
        """Run a job of one task on a cluster of its own."""
        recording = self._recording(kind)
        parent, run_id = self._number(12), self._number(12)
        requested = start - 3 * MINUTE
        cluster = self._cluster(
            f"job-{job.job_id}-run-{run_id}-{task_key}",
            job.owner,
            requested,
            {"team": "data", "JobId": str(job.job_id), "RunName": job.name},
            source="JOB",
            autotermination_minutes=0,
            pool_id=pool_id,
        )
        app = self._application(recording, start, stretch, cluster)
        of_run = {
            "spark.databricks.job.id": str(job.job_id),
            "spark.databricks.job.runId": str(run_id),
            "spark.databricks.job.type": job.task_type,
            "user": job.owner.email,
            "userID": str(job.owner.user_id),
        }
        app = replace(
            app,
            properties={**app.properties, **of_run},
            replace={run: self._uuid() for run in recording.stream_runs},
        )
        self._runs.append(
            Run(
                job=job,
                run_id=run_id,
                parent_run_id=parent,
                task_key=task_key,
                cluster_id=cluster.cluster_id,
                on_job_cluster=True,
                trigger="periodic",
                started_ms=requested - 2_000,
                ended_ms=app.ended_ms + 5_000,
                succeeded=succeeded,
            )
        )
        up = Uptime(requested, start + MINUTE // 2, app.ended_ms + MINUTE, job.owner, "JOB_FINISHED", application=app)
        self._clusters.append(replace(cluster, uptimes=(up,)))

    def _cluster(
        self,
        name: str,
        creator: User,
        created: int,
        tags: Mapping[str, str],
        *,
        source: str = "UI",
        autoscale: tuple[int, int] | None = None,
        autotermination_minutes: int = 60,
        pool_id: str | None = None,
    ) -> Cluster:
        """Define a cluster; its uptimes come later."""
        return Cluster(
            cluster_id=self._cluster_id(created),
            name=name,
            source=source,
            creator=creator,
            spark_version=self._place.spark_version,
            workers=2,
            autoscale=autoscale,
            autotermination_minutes=autotermination_minutes,
            created_ms=created,
            tags=tags,
            pool_id=pool_id,
        )

    def _application(self, recording: _Recording, start: int, stretch: float, cluster: Cluster) -> Application:
        return Application(
            recording=recording.name,
            app_id=f"app-{_utc(start):%Y%m%d%H%M%S}-0000",
            app_name=recording.app_name,
            start_ms=start,
            stretch=stretch,
            spark_context_id=str(self._number(19)),
            cluster_id=cluster.cluster_id,
            hosts=(self._ip(), self._ip(), self._ip()),
            properties=self._usage(cluster),
        )

    def _usage(self, cluster: Cluster) -> dict[str, str]:
        """Give the properties that Databricks gives to the Spark jobs of a cluster."""
        low, high = cluster.autoscale or (cluster.workers, cluster.workers)
        tags = {
            "Vendor": "Databricks",
            "Creator": cluster.creator.email,
            "ClusterName": cluster.name,
            "ClusterId": cluster.cluster_id,
            **cluster.tags,
        }
        all_tags = [{"key": key, "value": value} for key, value in tags.items()]
        return {
            "spark.databricks.api.url": self._url,
            "spark.databricks.cloudProvider": str(self._cloud),
            "spark.databricks.clusterSource": cluster.source,
            "spark.databricks.workerNodeTypeId": self._facts.worker.name,
            f"{_USAGE}autoTerminationMinutes": str(cluster.autotermination_minutes),
            f"{_USAGE}clusterAllTags": json.dumps(all_tags, separators=(",", ":")),
            f"{_USAGE}clusterAvailability": self._facts.availability,
            f"{_USAGE}clusterMaxWorkers": str(high),
            f"{_USAGE}clusterMinWorkers": str(low),
            f"{_USAGE}clusterName": cluster.name,
            f"{_USAGE}clusterOwnerUserId": str(cluster.creator.user_id),
            f"{_USAGE}clusterScalingType": "autoscaling" if cluster.autoscale else "fixed_size",
            f"{_USAGE}clusterTargetWorkers": str(cluster.workers),
            f"{_USAGE}clusterWorkers": str(cluster.workers),
            f"{_USAGE}containerZoneId": self._facts.zone,
            f"{_USAGE}dataPlaneRegion": self._facts.region,
            f"{_USAGE}driverNodeType": (self._facts.worker if cluster.pool_id else self._facts.driver).name,
            f"{_USAGE}sparkVersion": cluster.spark_version,
            **({f"{_USAGE}clusterInstancePoolId": cluster.pool_id} if cluster.pool_id else {}),
        }

    def _open_at(self, kind: str, job: int, moment: int, stretch: float) -> int:
        """When to start an application so that this Spark job of it is half done at a moment."""
        recording = self._recording(kind)
        _, start, end = recording.jobs[job]
        half = (start + (end or start)) / 2 - recording.first_ms
        return moment - round(half * stretch)

    def _recording(self, kind: str) -> _Recording:
        name = next((name for name in _manifest() if name.startswith(f"{kind}-{self._place.spark}.")), None)
        if name is None:
            raise SourceError(
                f"There is no recorded log {kind}-{self._place.spark} in {RECORDED}; run `make record-sample`."
            )
        return _recording(name)

    def _at(self, day: int, hour: int) -> int:
        """Draw a moment within five minutes after an hour."""
        return FIRST_MS + day * DAY + hour * HOUR + self._random.randrange(5 * MINUTE)

    def _number(self, digits: int) -> int:
        return self._random.randrange(10 ** (digits - 1), 9 * 10 ** (digits - 1))

    def _other(self, digits: int) -> int:
        return self._others.randrange(10 ** (digits - 1), 9 * 10 ** (digits - 1))

    def _pool_id(self, created: int) -> str:
        letters = "".join(self._others.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=8))
        return f"{_utc(created):%m%d-%H%M%S}-pool-{letters}"

    def _cluster_id(self, created: int) -> str:
        letters = "".join(self._random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=8))
        return f"{_utc(created):%m%d-%H%M%S}-{letters}"

    def _ip(self) -> str:
        return f"{self._subnet}.{self._random.randint(4, 250)}"

    def _uuid(self) -> str:
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _utc(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)


def _ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)
