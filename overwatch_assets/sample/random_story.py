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
from dataclasses import replace
from typing import Any

from overwatch_assets.sample.random_clusters import Draft
from overwatch_assets.sample.random_commands import notebooks_and_commands
from overwatch_assets.sample.random_parts import (
    AUTOMATED,
    INTERACTIVE,
    LIGHT,
    OFF,
    SECOND,
    WORKING,
    Cluster,
    Definition,
    Pool,
    Story,
)
from overwatch_assets.sample.random_prices import prices, sizes_and_rates
from overwatch_assets.sample.random_runs import Runs
from overwatch_assets.sample.random_warehouses import looks, warehouses
from overwatch_assets.sample.story import DAY, FIRST_DAY, FIRST_MS, HOUR, MINUTE

_LOST_AFTER = 2 * HOUR  # an end that is not told is this long before the story's end
_SHORT_OF_SILENCE = 50 * MINUTE  # a job's cluster that no run uses for an hour is taken to have ended


def random_story(seed: int, days: int = 5) -> Story:
    """Tell a story: the same seed and number of days give the same.

    Args:
        seed: of all that is random in it.
        days: 2 or more; the last one is looked at before its end.
    """
    return _Plot(seed, days).story()


class _Plot(Runs):
    """Makes one story, its clusters and runs from one stream of random numbers."""

    def __init__(self, seed: int, days: int) -> None:
        rng = random.Random(f"story {seed}")  # noqa: S311 - a story, not a secret
        super().__init__(rng, FIRST_MS + (days - 1) * DAY + rng.randint(14 * HOUR, 23 * HOUR))
        self.seed = seed
        self.disks = random.Random(f"disks {seed}")  # noqa: S311 - as above
        self.count = days
        self.days = tuple(FIRST_DAY + dt.timedelta(days=n) for n in range(days))
        self.clusters: list[Cluster] = []
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
        seen = looks(self.seed, self.days, self.until)
        sizes, rates = sizes_and_rates(self.seed, self.days)
        notebooks, commands = notebooks_and_commands(self.seed, self.clusters, self.until)
        return Story(
            seed=self.seed,
            days=self.days,
            until_ms=self.until,
            clusters=tuple(self.clusters),
            runs=tuple(self.runs),
            requests=tuple(self.requests),
            jobs=self.jobs,
            pools=self.pools,
            prices=(*prices(self.rng, self.days), *rates),
            warehouses=warehouses(self.seed, self.until, seen),
            sizes=sizes,
            looks=seen,
            notebooks=notebooks,
            commands=commands,
        )

    def _draft(self, name: str, at: int, *, logged: bool = True, **more: object) -> Draft:
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
        return Draft(self.rng, f"{moment:%m%d-%H%M%S}-{letters}", definition, logged=logged)

    def _up_and_down(self, draft: Draft, at: int, *, hours: tuple[int, int] = (1, 30), **ends: bool) -> None:
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
        self._plain(draft, min(draft.begun + 9 * MINUTE, end - 2), end - 1)

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
