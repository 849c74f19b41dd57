"""Random workspaces: a seed and a number of days give a story of clusters, runs and prices, to the millisecond.

A story says what really happened. `random_logs` tells it as Databricks would, `truth` adds up what it cost; neither
knows the other. Some things are told badly on purpose, where a rule of docs/differences.md says what is then true:

| what | how it is told | what is true |
|---|---|---|
| end of a job's cluster | no event; sometimes a request to end it | the request's time, else the end of its last run |
| end of another cluster, before its next start | no event | its idle minutes after its last run's end |
| end of a cancelled run | only the cancellation | the cancellation |
| end of a run (`ended_told`) | not at all | it is open |
| start of a run (`began_told`) | not at all | nothing is known of its time on the cluster: it costs nothing |
| price of a node type (`Price.listed`) | in no price file | what depends on it is unknown |
"""

import datetime as dt
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from overwatch_assets.sample.story import DAY, FIRST_DAY, FIRST_MS, HOUR, MINUTE

SECOND = 1_000
OFF, STARTING, WORKING = "off", "starting", "working"
INTERACTIVE, AUTOMATED, LIGHT = "interactive", "automated", "jobsLight"
NODE, RATE, PHOTON = "instance", "dbu", "photon"
PRICED_SINCE = dt.date(2024, 1, 1)
"""The first day of every price."""
_LOST_AFTER = 2 * HOUR  # an end that is not told is this long before the story's end
_SHORT_OF_SILENCE = 50 * MINUTE  # a job's cluster that no run uses for an hour is taken to have ended


@dataclass(frozen=True)
class Price:
    """What something costs from a day on; None: nobody says. Fractions are short decimals.

    Attributes:
        key: a node type, or a SKU.
        amount: dollars an hour of a node, dollars a DBU, or the factor of Photon.
        dbus: DBUs an hour of a node.
        listed: it is in the price file.
    """

    kind: str
    key: str
    since: dt.date
    amount: Fraction | None
    dbus: Fraction | None = None
    listed: bool = True


@dataclass(frozen=True)
class Definition:
    """What a cluster consists of. `worker` None: a single node; `least` < `most`: it scales."""

    name: str
    driver: str
    worker: str | None
    least: int
    most: int
    sold_as: str
    photon: bool = False
    version: str = "15.1.x-scala2.12"
    idle_minutes: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    pool_id: str | None = None


@dataclass(frozen=True)
class Moment:
    """Something that happened to a cluster, and how it is from then on.

    Attributes:
        phase: OFF, STARTING (nodes are paid, DBUs are not) or WORKING.
        there: workers that run.
        aimed: workers that the cloud was asked for.
        told: there is an event of it.
    """

    at: int
    kind: str
    phase: str
    there: int = 0
    aimed: int = 0
    told: bool = True


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    Attributes:
        definitions: what it consisted of, each from a time on.
        logged: its creation is in the audit logs.
        comes_back: it may be started again after its end.
        deleted_ms: when somebody deleted it for good.
        end_requests: when somebody asked for its end.
    """

    cluster_id: str
    definitions: tuple[tuple[int, Definition], ...]
    moments: tuple[Moment, ...]
    logged: bool
    comes_back: bool = True
    deleted_ms: int | None = None
    end_requests: tuple[int, ...] = ()

    @property
    def created_ms(self) -> int:
        """When it was made."""
        return self.moments[0].at

    def known(self, until: int) -> list[Moment]:
        """What has happened to it before a time."""
        return [m for m in self.moments if m.at < until]

    def over(self, until: int) -> int | None:
        """When the last happened to it, if it is gone for good before a time."""
        known = self.known(until)
        if known and known[-1].phase == OFF and (not self.comes_back or known[-1].at == self.deleted_ms):
            return known[-1].at
        return None


@dataclass(frozen=True)
class Run:
    """One life of a task's run.

    Attributes:
        job_run_id: the run of the whole job.
        parent: the run that started it with `dbutils.notebook.run`.
        state: how it ended.
        cancelled_ms: when somebody asked for its end.
        repair_id: the repair that it belongs to.
    """

    run_id: int
    job_run_id: int
    job_id: int
    cluster_id: str
    cluster_type: str
    start: int
    end: int
    task_key: str
    state: str = "Succeeded"
    parent: int | None = None
    cancelled_ms: int | None = None
    repair_id: int | None = None
    began_told: bool = True
    ended_told: bool = True


@dataclass(frozen=True)
class Request:
    """What asks for a job's run or repairs it: `action` is that of the audit log. `token`: of equal ones one counts."""

    at: int
    action: str
    job_run_id: int
    job_id: int
    cluster_id: str
    task_key: str
    token: str | None = None
    repair_id: int | None = None


@dataclass(frozen=True)
class Job:
    """A job, and the times of what was done to it: `create`, `update`, `reset`, `delete`."""

    job_id: int
    name: str
    changes: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Pool:
    """An instance pool. `created_ms` before the first day: its creation is in no audit log."""

    pool_id: str
    name: str
    node_type: str
    created_ms: int


@dataclass(frozen=True)
class Story:
    """A workspace, from its first day to `until_ms`, when it is looked at."""

    seed: int
    days: tuple[dt.date, ...]
    until_ms: int
    clusters: tuple[Cluster, ...]
    runs: tuple[Run, ...]
    requests: tuple[Request, ...]
    jobs: tuple[Job, ...]
    pools: tuple[Pool, ...]
    prices: tuple[Price, ...]


def random_story(seed: int, days: int = 5) -> Story:
    """Tell a story: the same seed and number of days give the same.

    Args:
        seed: of all that is random in it.
        days: 2 or more; the last one is looked at before its end.
    """
    return _Plot(seed, days).story()


class _Draft:
    """A cluster in the making: its time goes on with each thing that happens to it."""

    def __init__(self, rng: random.Random, cluster_id: str, definition: Definition, *, logged: bool) -> None:
        self.rng, self.cluster_id, self.logged = rng, cluster_id, logged
        self.definitions: list[tuple[int, Definition]] = []
        self.definition = definition
        self.moments: list[Moment] = []
        self.uptimes: list[tuple[int, int]] = []
        self.end_requests: list[int] = []
        self.there = 0
        self.at = 0
        self.begun = 0

    def after(self, least: int, most: int) -> int:
        """A moment later than all so far."""
        return self.at + self.rng.randint(least, most)

    def happens(self, at: int, kind: str, phase: str, aimed: int | None = None, *, told: bool = True) -> None:
        """Its time goes on to something that happens."""
        on = phase != OFF
        self.moments.append(
            Moment(at, kind, phase, self.there * on, (self.there if aimed is None else aimed) * on, told)
        )
        self.at = at

    def begins(self, at: int) -> None:
        """It is started, and works some minutes later."""
        first = not self.moments
        if first:
            self.definitions.append((at, self.definition))
        self.begun, self.there = at, self.definition.least
        self.happens(at, "CREATING" if first else "STARTING", STARTING)
        self._gets_ready()

    def _gets_ready(self) -> None:
        if self.rng.random() < 0.7:
            self.happens(self.after(1, 90 * SECOND), "INIT_SCRIPTS_STARTED", STARTING)
            self.happens(self.after(1, 60 * SECOND), "INIT_SCRIPTS_FINISHED", STARTING)
        if self.rng.random() < 0.5:
            self.happens(self.after(1, 60 * SECOND), "DRIVER_HEALTHY", WORKING)
        self.happens(self.after(1, 120 * SECOND), "RUNNING", WORKING)

    def lives(self, until: int, *, restarts: bool = True) -> None:
        """Things happen to it until a time."""
        while (at := self.after(MINUTE, 9 * HOUR)) < until - 20 * MINUTE:
            midnight = (self.at // DAY + 1) * DAY
            over_midnight = self.rng.randint(1, 4 * MINUTE)
            if self.definition.least < self.definition.most:
                if self.at < midnight - over_midnight < at + 4 * HOUR and midnight + 20 * MINUTE < until:
                    at = midnight - over_midnight
                self._scales(at, self.rng.randint(over_midnight, 12 * MINUTE))
            elif restarts and self.rng.random() < 0.3:
                self.happens(at, "RESTARTING", STARTING)
                self._gets_ready()
            else:
                self.happens(at, "EXPANDED_DISK", WORKING)

    def _scales(self, at: int, takes: int) -> None:
        sizes = [n for n in range(self.definition.least, self.definition.most + 1) if n != self.there]
        aimed = self.rng.choice(sizes)
        self.happens(at, "RESIZING", WORKING, aimed)
        kind = "UPSIZE_COMPLETED" if aimed > self.there else "RUNNING"
        self.there = aimed
        self.happens(at + takes, kind, WORKING)

    def is_edited(self, at: int, definition: Definition) -> None:
        """Somebody edits it; it is restarted if it is on."""
        self.definition = definition
        self.definitions.append((at, definition))
        self.there = definition.least
        if self.moments[-1].phase == OFF:
            self.happens(at, "EDITED", OFF)
            return
        self.happens(at, "EDITED", WORKING)
        self.happens(self.after(1, 5 * SECOND), "RESTARTING", STARTING)
        self._gets_ready()

    def ends(self, at: int, *, told: bool = True, requested: bool = True, disk: bool = False) -> None:
        """It is off from then on; its last disk may report afterwards."""
        self.happens(at, "TERMINATING" if told else "TERMINATING_IMPUTED", OFF, told=told)
        self.uptimes.append((self.begun, at))
        if requested:
            self.end_requests.append(at - self.rng.randrange(5 * SECOND) if told else at)
        if disk:
            self.happens(self.after(1, 60 * SECOND), "EXPANDED_DISK", OFF)

    def cluster(self, *, comes_back: bool = True, deleted: int | None = None) -> Cluster:
        """What was made."""
        if deleted is not None:
            self.happens(deleted, "PERMENANT_DELETE", OFF, told=False)
        return Cluster(
            self.cluster_id,
            tuple(self.definitions),
            tuple(self.moments),
            self.logged,
            comes_back,
            deleted,
            tuple(self.end_requests),
        )


class _Plot:
    """Makes one story from one stream of random numbers."""

    def __init__(self, seed: int, days: int) -> None:
        self.seed, self.rng = seed, random.Random(f"story {seed}")  # noqa: S311 - a story, not a secret
        self.disks = random.Random(f"disks {seed}")  # noqa: S311 - as above
        self.count = days
        self.days = tuple(FIRST_DAY + dt.timedelta(days=n) for n in range(days))
        self.until = FIRST_MS + (days - 1) * DAY + self.rng.randint(14 * HOUR, 23 * HOUR)
        self.clusters: list[Cluster] = []
        self.runs: list[Run] = []
        self.requests: list[Request] = []
        self.last_id = self.rng.randrange(10**9, 10**10)
        self.pools = tuple(
            Pool(f"0430-120000-pool-{n}", f"pool {n}", "pooled", at)
            for n, at in enumerate((FIRST_MS - 9 * DAY, FIRST_MS + self.rng.randint(1, HOUR)))
        )
        self.jobs = tuple(self._job(n) for n in range(4))

    def story(self) -> Story:
        """All of it."""
        self._shared()
        self._edited()
        self._single()
        self._pooled()
        self._unpriced()
        self._forgotten()
        self._deleted()
        self._idle()
        self._stream()
        for _ in range(2 * min(self.count, 4) + self.count // 3):
            self._job_cluster()
        return Story(
            seed=self.seed,
            days=self.days,
            until_ms=self.until,
            clusters=tuple(self.clusters),
            runs=tuple(self.runs),
            requests=tuple(self.requests),
            jobs=self.jobs,
            pools=self.pools,
            prices=tuple(self._prices()),
        )

    # Clusters

    def _draft(self, name: str, at: int, *, logged: bool = True, **more: object) -> _Draft:
        letters = "".join(self.rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=8))
        moment = dt.datetime.fromtimestamp(at / 1000, dt.UTC)
        chosen: dict[str, object] = {
            "name": name,
            "driver": self.rng.choice(["big", "small"]),
            "worker": self.rng.choice(["big", "small", "small"]),
            "sold_as": INTERACTIVE,
            "idle_minutes": self.rng.choice([20, 45, 120]),
            "photon": self.rng.random() < 0.4,
            **more,
        }
        chosen.setdefault("least", self.rng.randint(1, 4))
        chosen.setdefault("most", chosen["least"])
        definition = Definition(**chosen)  # type: ignore[arg-type]
        return _Draft(self.rng, f"{moment:%m%d-%H%M%S}-{letters}", definition, logged=logged)

    def _up_and_down(self, draft: _Draft, at: int, *, hours: tuple[int, int] = (1, 30), **ends: bool) -> None:
        """Uptimes to the end of the story, the last one often open; things happen in each."""
        while at < self.until - HOUR:
            draft.begins(at)
            until = draft.at + self.rng.randint(hours[0] * HOUR, hours[1] * HOUR)
            draft.lives(until)
            draft.ends(max(until, draft.at + 1), **ends)
            at = draft.after(MINUTE, 14 * HOUR)

    def _shared(self) -> None:
        """It scales, over midnights too, and was on before the first day; no log tells of its creation."""
        at = FIRST_MS - self.rng.randint(HOUR, 3 * DAY)
        draft = self._draft("shared", at, logged=False, least=2, most=6)
        self._up_and_down(draft, at, hours=(20, 60))
        self.clusters.append(draft.cluster())
        self._runs_on(draft, 3 + self.count)
        self._nested(draft)

    def _edited(self) -> None:
        """Its nodes change while it is off and while it is on, its name and tags too."""
        at = FIRST_MS + self.rng.randint(0, 5 * HOUR)
        draft = self._draft("team's", at, tags={"team": "a"})
        draft.begins(at)
        n = 0
        while draft.at < self.until - 8 * HOUR:
            n += 1
            now = draft.definition
            new = replace(
                now,
                driver=self.rng.choice(["big", "small"]),
                worker=self.rng.choice(["big", "small", "odd"]),
                least=(size := self.rng.randint(1, 5)),
                most=size,
                photon=not now.photon,
                name=self.rng.choice([now.name, f"renamed {n}"]),
                tags={"team": str(n)},
            )
            if draft.moments[-1].phase == OFF:
                if self.rng.random() < 0.6:
                    draft.is_edited(draft.after(1, HOUR), new)
                draft.begins(draft.after(1, 10 * HOUR))
                continue
            draft.lives(draft.after(HOUR, 8 * HOUR))
            if self.rng.random() < 0.6:
                draft.is_edited(draft.after(1, 2 * HOUR), new)
            else:
                draft.ends(draft.after(MINUTE, 5 * HOUR))
        if draft.moments[-1].phase != OFF:
            draft.uptimes.append((draft.begun, self.until + DAY))
        self.clusters.append(draft.cluster())
        self._runs_on(draft, 2 + self.count // 2)
        self._odd_runs(draft)

    def _single(self) -> None:
        at = FIRST_MS + self.rng.randint(0, DAY)
        draft = self._draft("one node", at, worker=None, least=0)
        self._up_and_down(draft, at, disk=self.rng.random() < 0.5)
        self.clusters.append(draft.cluster())
        self._runs_on(draft, 1 + self.count // 3)

    def _pooled(self) -> None:
        """Its nodes are a pool's."""
        pool = self.rng.choice(self.pools)
        at = max(pool.created_ms, FIRST_MS) + self.rng.randint(MINUTE, 12 * HOUR)
        draft = self._draft("pooled", at, driver="pooled", worker="pooled", pool_id=pool.pool_id)
        self._up_and_down(draft, at, requested=False)
        self.clusters.append(draft.cluster())
        self._runs_on(draft, 1 + self.count // 3)

    def _unpriced(self) -> None:
        """Nobody lists the price of its workers."""
        at = FIRST_MS + self.rng.randint(0, DAY)
        draft = self._draft("unpriced", at, worker="unlisted", least=1, most=3)
        self._up_and_down(draft, at)
        self.clusters.append(draft.cluster())
        self._runs_on(draft, 2)

    def _forgotten(self) -> None:
        """No event tells of its ends: it ends so many minutes after its last run, and is started again later."""
        at = FIRST_MS + self.rng.randint(0, 20 * HOUR)
        draft = self._draft("forgotten", at)
        for _ in range(max(2, self.count // 2)):
            draft.begins(at)
            draft.lives(draft.after(HOUR, 5 * HOUR), restarts=False)
            start = self.rng.randint(draft.begun, draft.at)
            end = draft.after(MINUTE, 10 * HOUR)
            idle = draft.definition.idle_minutes * MINUTE
            at = end + idle + self.rng.randint(1, 9 * HOUR)
            if at >= self.until:
                draft.uptimes.append((draft.begun, self.until + DAY))
                break
            self._plain(draft, start, end)
            draft.ends(end + idle, told=False, requested=False)
        else:
            draft.begins(at)
        self.clusters.append(draft.cluster())

    def _deleted(self) -> None:
        """Somebody deletes it for good, on or off, within a day: its events can't be asked for later."""
        at = FIRST_MS + self.rng.randint(0, max(1, self.count - 3)) * DAY + self.rng.randint(0, 10 * HOUR)
        draft = self._draft("deleted", at)
        draft.begins(at)
        draft.lives(at + 5 * HOUR)
        is_on = self.rng.random() < 0.5
        end = draft.after(MINUTE, 8 * HOUR)
        if is_on:
            draft.uptimes.append((draft.begun, end))
        else:
            draft.ends(end)
        self.clusters.append(draft.cluster(deleted=draft.after(MINUTE, HOUR) if not is_on else end))
        self._plain(draft, draft.begun + 9 * MINUTE, end - 1)

    def _idle(self) -> None:
        """On since before the first day, used by nobody; all that is heard of it is that a disk grew."""
        at = FIRST_MS - self.rng.randint(HOUR, 2 * DAY)
        draft = self._draft("unused", at, logged=False, idle_minutes=0)
        draft.begins(at)
        draft.happens(FIRST_MS + self.rng.randint(DAY // 2, DAY), "EXPANDED_DISK", WORKING)
        self.clusters.append(draft.cluster())

    def _stream(self) -> None:
        """A stream that starts on the first day, on a cluster of its own, and is open at the end."""
        at = FIRST_MS + self.rng.randint(0, 20 * HOUR)
        job_run, run = self._id(), self._id()
        job = self.jobs[0]
        draft = self._draft(
            f"job-{job.job_id}-run-{run}-stream", at, sold_as=AUTOMATED, photon=True, least=1, most=4, idle_minutes=0
        )
        draft.begins(at)
        draft.lives(self.until + DAY)
        self.clusters.append(draft.cluster(comes_back=False))
        self._asked(at - SECOND, "runTriggered", job_run, job, draft, "stream")
        self._tells(run, job_run, draft, at - 300, self.until + 9 * DAY, key="stream", kind="new")

    def _job_cluster(self) -> None:
        """A cluster for the tasks of one job's run; ends badly told some times."""
        rng = self.rng
        at = FIRST_MS + rng.randint(0, self.until - FIRST_MS - HOUR)
        job_run, task = self._id(), self._id()
        job, light = rng.choice(self.jobs), rng.random() < 0.25
        size: dict[str, Any] = {"least": 1, "most": 4} if rng.random() < 0.3 else {}
        draft = self._draft(
            f"job-{job.job_id}-run-{task}-main",
            at,
            sold_as=LIGHT if light else AUTOMATED,
            version="apache_spark_3.5.x-scala2.12" if light else "15.1.x-scala2.12",
            idle_minutes=0,
            **size,
        )
        started = at - rng.randint(0, 20 * SECOND)
        draft.begins(at)
        last = draft.after(MINUTE, rng.choice([2 * HOUR, 6 * HOUR, 30 * HOUR]))
        draft.lives(last)
        last = max(last, draft.at + 1)
        action = rng.choice(["runTriggered", "runNow"])
        self._asked(started - rng.randint(1, 9 * SECOND), action, job_run, job, draft, "main")
        if rng.random() < 0.4:  # tasks one after another, or side by side, with time between them
            cut = rng.randint(draft.begun + 1, last - 1)
            self._tells(task, job_run, draft, started, cut, key="first", kind="job_cluster")
            earliest = min(cut - (cut - draft.begun) // 3, last - 1)
            second = rng.randint(earliest, min(cut + _SHORT_OF_SILENCE, last - 1))
            self._tells(self._id(), job_run, draft, second, last, key="second", kind="job_cluster")
        else:
            state = rng.choice(["Succeeded", "Succeeded", "Failed"])
            open_ended = rng.random() < 0.1
            self._tells(task, job_run, draft, started, last, key="main", kind="new", state=state, ended=not open_ended)
            if open_ended:
                draft.ends(last + rng.randint(1, 60 * SECOND))
                self.clusters.append(draft.cluster(comes_back=False))
                return
        told = last > self.until - _LOST_AFTER or rng.random() < 0.6
        if told:
            draft.ends(last + rng.randint(1, 5 * MINUTE))
            if self.disks.random() < 0.5:
                draft.happens(draft.at + self.disks.randint(1, 60 * SECOND), "EXPANDED_DISK", OFF)
        else:
            requested = rng.random() < 0.5
            draft.ends(last + rng.randint(1, 5 * MINUTE) * requested, told=False, requested=requested)
        self.clusters.append(draft.cluster(comes_back=False))

    # Runs

    def _id(self) -> int:
        self.last_id += self.rng.randint(1, 999)
        return self.last_id

    def _asked(
        self, at: int, action: str, job_run: int, job: Job, draft: _Draft, key: str, repair: int | None = None
    ) -> None:
        token = f"token-{job_run}" if action == "runNow" and self.rng.random() < 0.4 else None
        request = Request(at, action, job_run, job.job_id, draft.cluster_id, key, token, repair)
        self.requests.append(request)
        if token:  # its caller did not hear the answer
            self.requests.append(replace(request, at=at + self.rng.randint(1, 900)))

    def _tells(
        self,
        run: int,
        job_run: int,
        draft: _Draft,
        start: int,
        end: int,
        *,
        key: str,
        kind: str = "existing",
        state: str = "Succeeded",
        parent: int | None = None,
        cancelled: int | None = None,
        repair: int | None = None,
        began: bool = True,
        ended: bool = True,
    ) -> None:
        asked = next((r for r in self.requests if r.job_run_id == job_run), None)
        job = asked.job_id if asked else self.jobs[1].job_id
        self.runs.append(
            Run(
                run,
                job_run,
                job,
                draft.cluster_id,
                kind,
                start,
                end,
                key,
                state,
                parent,
                cancelled,
                repair,
                began,
                ended,
            )
        )

    def _plain(self, draft: _Draft, start: int, end: int) -> int:
        """A run of one task, asked for in one way or another."""
        job_run, job = self._id(), self.rng.choice(self.jobs)
        action = self.rng.choice(["runTriggered", "runNow", "submitRun"])
        self._asked(start - self.rng.randint(1, 9 * SECOND), action, job_run, job, draft, "main")
        run = job_run if action == "submitRun" and self.rng.random() < 0.3 else self._id()
        self._tells(run, job_run, draft, start, end, key="main", state=self.rng.choice(["Succeeded", "Failed"]))
        return run

    def _time_on(self, draft: _Draft) -> tuple[int, int]:
        """A start and an end, mostly while a cluster is on."""
        begun, ended = self.rng.choice(draft.uptimes)
        since = max(begun, FIRST_MS)
        ended = max(ended, since + MINUTE)
        start = self.rng.randint(max(since - 30 * SECOND, FIRST_MS), ended - 1)
        end = start + self.rng.randint(1, self.rng.choice([HOUR, 4 * HOUR, 30 * HOUR]))
        return start, end if self.rng.random() < 0.1 else max(min(end, ended), start + 1)

    def _runs_on(self, draft: _Draft, count: int) -> None:
        """Runs of all kinds on one cluster, many at the same time."""
        rng = self.rng
        for _ in range(count):
            start, end = self._time_on(draft)
            job_run, job = self._id(), rng.choice(self.jobs)
            asked = start - rng.randint(1, 60 * SECOND)
            kind = rng.choice(["plain", "plain", "tasks", "repaired", "retried", "again", "cancelled", "cut"])
            if kind == "plain":
                self._plain(draft, start, end)
                continue
            self._asked(asked, rng.choice(["runTriggered", "runNow"]), job_run, job, draft, "a")
            if kind == "tasks":
                for key in ("a", "b", "c")[: rng.randint(2, 3)]:
                    later = rng.randint(start, end)
                    self._tells(self._id(), job_run, draft, later, later + rng.randint(1, 3 * HOUR), key=key)
            elif kind == "cancelled":
                said = end - rng.randrange(min(end - start, MINUTE))
                self._tells(self._id(), job_run, draft, start, end, key="a", state="Canceled", cancelled=said)
            elif kind == "cut":  # it has ended with the cancellation, and no log says so
                run = self._id()
                self._tells(run, job_run, draft, start, end, key="a", cancelled=end, ended=False)
            else:
                run = self._id()
                self._tells(run, job_run, draft, start, end, key="a", state="Failed")
                again, after = end + rng.randint(MINUTE, HOUR), rng.randint(1, 3 * HOUR)
                if kind == "again":  # as runs of jobs without tasks are retried
                    self._tells(run, job_run, draft, again, again + after, key="a")
                    continue
                repair = self._id() if kind == "repaired" else None
                if repair:
                    self._asked(again - SECOND, "repairRun", job_run, job, draft, "a", repair)
                self._tells(self._id(), job_run, draft, again, again + after, key="a", repair=repair)

    def _nested(self, draft: _Draft) -> None:
        """Notebooks that run others, which run others; a child may go on after a parent that was cancelled."""
        rng = self.rng
        for outlives in (False, True):
            start, end = self._time_on(draft)
            end = max(end, start + HOUR)
            root = self._plain(draft, start, end)
            child = self._id()
            begun = rng.randint(start + 1, end - 10 * MINUTE)
            ended = end + rng.randint(1, HOUR) if outlives else rng.randint(begun + 2 * MINUTE, end)
            self._tells(child, child, draft, begun, ended, key="child", parent=root)
            inner = self._id()
            inside = rng.randint(begun + 1, ended - 2)
            self._tells(inner, inner, draft, inside, rng.randint(inside + 1, ended), key="inner", parent=child)

    def _odd_runs(self, draft: _Draft) -> None:
        """Runs that never started, were skipped, began before the first day, or on a cluster that nobody knows."""
        rng = self.rng
        at = rng.randint(FIRST_MS + DAY // 2, self.until)
        job = rng.choice(self.jobs)
        self._asked(at, "runTriggered", self._id(), job, draft, "main")
        skipped, early = self._id(), self._id()
        self._asked(at, "runTriggered", skipped, job, draft, "main")
        self._tells(self._id(), skipped, draft, at, at + MINUTE, key="main", state="Skipped", began=False)
        self._tells(self._id(), early, draft, FIRST_MS - HOUR, draft.begun + HOUR, key="main", began=False)
        nobody = replace(self.runs[-1], run_id=self._id(), job_run_id=self._id(), cluster_id="0101-000000-nobodys1")
        self.runs.append(replace(nobody, start=at, end=at + HOUR, began_told=True))

    # The rest

    def _job(self, number: int) -> Job:
        at = self.rng.randint(FIRST_MS, FIRST_MS + HOUR) if number % 2 else FIRST_MS - 40 * DAY
        changes = [(at, "create")]
        for action in ("update", "reset", "delete")[: self.rng.randrange(4)]:
            changes.append((max(changes[-1][0], FIRST_MS) + self.rng.randint(1, DAY), action))
        return Job(self._id(), f"job {number}", tuple(changes))

    def _prices(self) -> Iterable[Price]:
        """Prices, some of which change on a day of the story."""
        rng = self.rng

        def some(low: str, high: str) -> Fraction:
            span = Fraction(high) - Fraction(low)
            return Fraction(low) + span * rng.randrange(1000) / 1000

        first = {
            NODE: {"big": ("0.4", "0.9"), "small": ("0.1", "0.3"), "pooled": ("0.2", "0.5"), "odd": ("0.1", "0.4")},
            RATE: {INTERACTIVE: ("0.4", "0.6"), AUTOMATED: ("0.1", "0.2"), LIGHT: ("0.07", "0.1")},
            PHOTON: {INTERACTIVE: ("1.5", "2.5"), AUTOMATED: ("2", "3")},
        }
        for kind, keys in first.items():
            for key, between in keys.items():
                for day in (PRICED_SINCE, *(d for d in self.days[1:-1] if rng.random() < 0.8 / self.count)):
                    dbus = some("0.5", "4") if kind == NODE else None
                    if key == "odd" and day == PRICED_SINCE:
                        dbus = None  # its DBUs are unknown, until a later row says them
                    yield Price(kind, key, day, some(*between), dbus)
        yield Price(NODE, "odd", self.days[-1], None, some("0.5", "4"))
        yield Price(NODE, "odd", PRICED_SINCE, None, some("0.5", "4"), listed=False)
        yield Price(NODE, "unlisted", PRICED_SINCE, some("1", "2"), some("1", "2"), listed=False)
