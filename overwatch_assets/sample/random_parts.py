"""What a random story is made of: clusters, runs, jobs, pools, and what they cost."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

SECOND = 1_000
OFF, STARTING, WORKING = "off", "starting", "working"
INTERACTIVE, AUTOMATED, LIGHT = "interactive", "automated", "jobsLight"
NODE, RATE, PHOTON = "instance", "dbu", "photon"
PRICED_SINCE = dt.date(2024, 1, 1)
"""The first day of every price."""


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
class Size:
    """What a cluster of a SQL warehouse of a size is, from a day on; None: nobody says.

    `dbus`: an hour; `listed`: it is in the price file.
    """

    key: str
    since: dt.date
    dbus: int | None
    driver: str | None
    worker: str | None
    workers: int | None
    listed: bool = True


@dataclass(frozen=True)
class Setting:
    """What a SQL warehouse is from a time on.

    Attributes:
        kind: CLASSIC, PRO or SERVERLESS.
        said: what the request for it states; empty: all.
        kind_told: somebody says whether it is serverless.
    """

    at: int
    name: str
    size: str
    kind: str
    least: int
    most: int
    idle_minutes: int
    said: frozenset[str] = frozenset()
    kind_told: bool = True


@dataclass(frozen=True)
class Turn:
    """Something that happened to a SQL warehouse, and how it is from then on.

    Attributes:
        phase: OFF, STARTING (nodes are paid, DBUs are not) or WORKING.
        clusters: those that run.
        told: there is an event of it.
        counted: and the event says how many run.
    """

    at: int
    kind: str
    phase: str
    clusters: int = 0
    told: bool = True
    counted: bool = True


@dataclass(frozen=True)
class Warehouse:
    """A SQL warehouse.

    Attributes:
        logged: its creation is in the audit logs.
        deleted_ms: when somebody deleted it.
        stop_requests: when somebody asked for its stop.
        refused: when somebody asked for a stop, or another size, who may not.
        lies: when snapshots say that it does not run, although it does.
    """

    warehouse_id: str
    settings: tuple[Setting, ...]
    turns: tuple[Turn, ...]
    logged: bool
    deleted_ms: int | None = None
    stop_requests: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    lies: tuple[int, ...] = ()

    def setting(self, at: int) -> Setting:
        """What it was at a time; the first that was ever told serves earlier times too."""
        return next((s for s in reversed(self.settings) if s.at <= at), self.settings[0])


@dataclass(frozen=True)
class Notebook:
    """A notebook: times and actions of what was done to it, and where it lay from then on."""

    notebook_id: int
    changes: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True)
class Command:
    """A notebook command, `[start, end)`; `timed`: its record says how long it ran; `granted`: it did run."""

    command_id: str
    notebook_id: int
    cluster_id: str | None
    start: int
    end: int
    status: str = "finished"
    timed: bool = True
    granted: bool = True


@dataclass(frozen=True)
class Story:
    """A workspace, from its first day to `until_ms`, when it is looked at.

    Attributes:
        looks: when its warehouses are looked at: once a day, the last time at `until_ms`.
    """

    seed: int
    days: tuple[dt.date, ...]
    until_ms: int
    clusters: tuple[Cluster, ...]
    runs: tuple[Run, ...]
    requests: tuple[Request, ...]
    jobs: tuple[Job, ...]
    pools: tuple[Pool, ...]
    prices: tuple[Price, ...]
    warehouses: tuple[Warehouse, ...] = ()
    sizes: tuple[Size, ...] = ()
    looks: tuple[int, ...] = ()
    notebooks: tuple[Notebook, ...] = ()
    commands: tuple[Command, ...] = ()
