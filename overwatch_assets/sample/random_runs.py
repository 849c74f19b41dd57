"""Runs of jobs of a random story: of all kinds, many at once, on clusters that are there already."""

import random
from dataclasses import replace

from overwatch_assets.sample.random_clusters import Draft
from overwatch_assets.sample.random_parts import SECOND, Job, Request, Run
from overwatch_assets.sample.story import DAY, FIRST_MS, HOUR, MINUTE


class Runs:
    """Makes jobs and their runs from a stream of random numbers.

    Attributes:
        until: when the story is looked at.
    """

    def __init__(self, rng: random.Random, until: int) -> None:
        self.rng, self.until = rng, until
        self.runs: list[Run] = []
        self.requests: list[Request] = []
        self.last_id = rng.randrange(10**9, 10**10)
        self.jobs: tuple[Job, ...] = ()

    def _id(self) -> int:
        self.last_id += self.rng.randint(1, 999)
        return self.last_id

    def _asked(
        self, at: int, action: str, job_run: int, job: Job, draft: Draft, key: str, repair: int | None = None
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
        draft: Draft,
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

    def _plain(self, draft: Draft, start: int, end: int) -> int:
        """A run of one task, asked for in one way or another."""
        job_run, job = self._id(), self.rng.choice(self.jobs)
        action = self.rng.choice(["runTriggered", "runNow", "submitRun"])
        self._asked(start - self.rng.randint(1, 9 * SECOND), action, job_run, job, draft, "main")
        run = job_run if action == "submitRun" and self.rng.random() < 0.3 else self._id()
        self._tells(run, job_run, draft, start, end, key="main", state=self.rng.choice(["Succeeded", "Failed"]))
        return run

    def _time_on(self, draft: Draft) -> tuple[int, int]:
        """A start and an end, mostly while a cluster is on."""
        begun, ended = self.rng.choice(draft.uptimes)
        since = max(begun, FIRST_MS)
        ended = max(ended, since + MINUTE)
        start = self.rng.randint(max(since - 30 * SECOND, FIRST_MS), ended - 1)
        end = start + self.rng.randint(1, self.rng.choice([HOUR, 4 * HOUR, 30 * HOUR]))
        return start, end if self.rng.random() < 0.1 else max(min(end, ended), start + 1)

    def _runs_on(self, draft: Draft, count: int) -> None:
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

    def _nested(self, draft: Draft) -> None:
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

    def _odd_runs(self, draft: Draft) -> None:
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

    def _job(self, number: int) -> Job:
        at = self.rng.randint(FIRST_MS, FIRST_MS + HOUR) if number % 2 else FIRST_MS - 40 * DAY
        changes = [(at, "create")]
        for action in ("update", "reset", "delete")[: self.rng.randrange(4)]:
            changes.append((max(changes[-1][0], FIRST_MS) + self.rng.randint(1, DAY), action))
        return Job(self._id(), f"job {number}", tuple(changes))
