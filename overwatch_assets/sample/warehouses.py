"""The story's SQL warehouses: what the API, the audit logs and `system.compute.warehouse_events` say of them.

Four in each workspace: a serverless one that scales, runs over a midnight, and is renamed and resized while it runs; a
pro one that is created in the story and runs beyond it; a classic one whose stop no event tells of, and that is
deleted; and a pro one of a size that nobody has priced.
"""

import datetime as dt
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from overwatch_assets.sample.story import (
    ANALYST,
    DAY,
    ENGINEER,
    FINANCE,
    FIRST_MS,
    HOUR,
    LOOKS,
    MINUTE,
    PLATFORM,
    SampleWorkspace,
    Story,
    User,
)

WAREHOUSE_EVENTS = "warehouse_events"
_START_MS = {"serverless": 6_000, "own nodes": 4 * MINUTE}
_STOP_MS = 40_000
_ENUM = {"2X-Small": "XXSMALL", "X-Small": "XSMALL", "5X-Large": "XXXXXLARGE"}


@dataclass(frozen=True)
class Request:
    """A request for a warehouse, with all that it says."""

    at_ms: int
    action: str
    by: User
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Session:
    """From a start to a stop.

    Attributes:
        scaled: times at which the number of clusters changed, and to how many.
        stopped_ms: None: it runs beyond the story's end.
        told: events tell of its stop.
    """

    started_ms: int
    scaled: tuple[tuple[int, int], ...] = ()
    stopped_ms: int | None = None
    told: bool = True


@dataclass(frozen=True)
class Warehouse:
    """A SQL warehouse. `requests` are those of the story: one that is older was created before it."""

    warehouse_id: str
    creator: User
    created_ms: int
    settings: Mapping[str, Any]
    requests: tuple[Request, ...]
    sessions: tuple[Session, ...]

    @property
    def deleted_ms(self) -> int | None:
        """When it was deleted, if it was."""
        return next((r.at_ms for r in self.requests if r.action.startswith("delete")), None)

    def exists(self, now_ms: int) -> bool:
        """Whether it has been created and is not deleted."""
        return self.created_ms <= now_ms and (self.deleted_ms is None or now_ms < self.deleted_ms)

    def settings_at(self, now_ms: int) -> dict[str, Any]:
        """What it is at a moment."""
        found = dict(self.settings)
        for request in self.requests:
            if request.at_ms <= now_ms:
                found |= request.said
        return found

    def events(self, until_ms: int) -> list[tuple[int, str, int]]:
        """Times, types and numbers of clusters of what happened to it until a moment, in order."""
        return [event for event in self._events() if event[0] <= until_ms]

    def _events(self) -> Iterator[tuple[int, str, int]]:
        starts = _START_MS["serverless" if self.settings["enable_serverless_compute"] else "own nodes"]
        for session in self.sessions:
            clusters = int(self.settings["min_num_clusters"])
            yield session.started_ms, "STARTING", 0
            yield session.started_ms + starts, "RUNNING", clusters
            for at, count in session.scaled:
                yield at, "SCALED_UP" if count > clusters else "SCALED_DOWN", count
                clusters = count
            if session.stopped_ms is not None and session.told:
                yield session.stopped_ms, "STOPPING", clusters
                yield session.stopped_ms + _STOP_MS, "STOPPED", 0


@cache
def warehouses(workspace_id: str) -> tuple[Warehouse, ...]:
    """Tell of the warehouses of one of the story's workspaces."""
    return tuple(_Plot(workspace_id).warehouses())


def bodies(workspace: SampleWorkspace, now_ms: int) -> list[dict[str, Any]]:
    """What `sql/warehouses` says at a moment. Fields: Databricks' REST API reference."""
    host = workspace.url.removeprefix("https://")
    return [_body(host, w, now_ms) for w in warehouses(workspace.workspace_id) if w.exists(now_ms)]


def write_system_tables(story: Story, folder: Path, now: dt.datetime) -> None:
    """Make the Delta tables `<folder>/<workspace name>/warehouse_events` hold what happened until a moment."""
    import deltalake  # noqa: PLC0415 - slow to import
    import pyarrow as pa  # noqa: PLC0415

    schema = pa.schema(
        [
            ("account_id", pa.string()),
            ("workspace_id", pa.string()),
            ("warehouse_id", pa.string()),
            ("event_type", pa.string()),
            ("cluster_count", pa.int32()),
            ("event_time", pa.timestamp("us", "UTC")),
        ]
    )
    for workspace in story.workspaces:
        rows = [
            {
                "account_id": "sample-account",
                "workspace_id": workspace.workspace_id,
                "warehouse_id": warehouse.warehouse_id,
                "event_type": kind,
                "cluster_count": count,
                "event_time": dt.datetime.fromtimestamp(ms / 1000, dt.UTC),
            }
            for warehouse in warehouses(workspace.workspace_id)
            for ms, kind, count in warehouse.events(round(now.timestamp() * 1000))
        ]
        path = folder / workspace.name / WAREHOUSE_EVENTS
        path.parent.mkdir(parents=True, exist_ok=True)
        deltalake.write_deltalake(str(path), pa.Table.from_pylist(rows, schema=schema), mode="overwrite")


def _body(host: str, warehouse: Warehouse, now_ms: int) -> dict[str, Any]:
    settings = warehouse.settings_at(now_ms)
    told = warehouse.events(now_ms)
    last, clusters = (told[-1][1], told[-1][2]) if told else ("STOPPED", 0)
    state = "RUNNING" if last.startswith("SCALED") else last
    if any(
        not s.told and s.stopped_ms is not None and told[-1][0] < s.stopped_ms <= now_ms for s in warehouse.sessions
    ):
        state, clusters = "STOPPED", 0
    path = f"/sql/1.0/warehouses/{warehouse.warehouse_id}"
    return {
        "id": warehouse.warehouse_id,
        **settings,
        "size": _ENUM.get(settings["cluster_size"], str(settings["cluster_size"]).upper()),
        "auto_resume": True,
        "creator_name": warehouse.creator.email,
        "creator_id": warehouse.creator.user_id,
        "state": state,
        "num_clusters": clusters,
        "num_active_sessions": 2 * clusters,
        "jdbc_url": f"jdbc:databricks://{host}:443/default;transportMode=http;ssl=1;AuthMech=3;httpPath={path};",
        "odbc_params": {"hostname": host, "path": path, "protocol": "https", "port": 443},
        "health": {"status": "HEALTHY"},
    }


class _Plot:
    """Makes a workspace's warehouses; draws ids and minutes from its own stream of random numbers."""

    def __init__(self, workspace_id: str) -> None:
        self._random = random.Random(f"{workspace_id} warehouses")  # noqa: S311 - a story, not a secret
        self._old = FIRST_MS - 30 * DAY

    def warehouses(self) -> Iterator[Warehouse]:
        """Tell of each."""
        yield self._dashboards()
        yield self._finance()
        yield self._legacy()
        yield self._trial()

    def _dashboards(self) -> Warehouse:
        renamed = Request(self._at(2, 10), "editWarehouse", PLATFORM, {"name": "dashboards"})
        resized = Request(self._at(1, 11), "editWarehouse", PLATFORM, {"cluster_size": "Medium"})
        days = [
            Session(self._at(day, 7), ((self._at(day, 9), 3), (self._at(day, 12), 1)), self._at(day, 19))
            for day in range(3)
        ]
        late = Session(self._at(1, 22), (), self._at(2, 1))  # over the second midnight
        return Warehouse(
            self._id(),
            ANALYST,
            self._old,
            _settings("bi-dashboards", "Small", "PRO", most=4, auto_stop=10, serverless=True),
            (resized, renamed),
            tuple(sorted([*days, late], key=lambda s: s.started_ms)),
        )

    def _finance(self) -> Warehouse:
        created = self._at(0, 11)
        settings = _settings("finance", "2X-Small", "PRO", most=2)
        end = round(LOOKS[-1].timestamp() * 1000)
        return Warehouse(
            self._id(),
            FINANCE,
            created,
            settings,
            (Request(created, "createWarehouse", FINANCE, settings),),
            (
                Session(created + MINUTE, (), self._at(0, 16)),
                Session(self._at(1, 9), ((self._at(1, 13), 2),), self._at(1, 17)),
                Session(end - 3 * HOUR),
            ),
        )

    def _legacy(self) -> Warehouse:
        lost = self._at(1, 18)
        return Warehouse(
            self._id(),
            ENGINEER,
            self._old + DAY,
            _settings("legacy-reports", "X-Small", "CLASSIC", most=1),
            (Request(lost, "stopEndpoint", ENGINEER), Request(self._at(2, 15), "deleteEndpoint", PLATFORM)),
            (
                Session(self._at(0, 8), (), self._at(0, 12)),
                Session(self._at(1, 14), (), lost, told=False),
                Session(self._at(2, 8), (), self._at(2, 9)),
            ),
        )

    def _trial(self) -> Warehouse:
        created = self._at(2, 13)
        settings = _settings("trial", "5X-Large", "PRO", most=1)
        return Warehouse(
            self._id(),
            ENGINEER,
            created,
            settings,
            (Request(created, "createWarehouse", ENGINEER, settings),),
            (Session(created + MINUTE, (), created + 16 * MINUTE),),
        )

    def _at(self, day: int, hour: int) -> int:
        """Draw a moment within five minutes after an hour."""
        return FIRST_MS + day * DAY + hour * HOUR + self._random.randrange(5 * MINUTE)

    def _id(self) -> str:
        return f"{self._random.getrandbits(64):016x}"


def _settings(
    name: str, size: str, kind: str, *, most: int, auto_stop: int = 45, serverless: bool = False
) -> dict[str, Any]:
    return {
        "name": name,
        "cluster_size": size,
        "min_num_clusters": 1,
        "max_num_clusters": most,
        "auto_stop_mins": auto_stop,
        "spot_instance_policy": "COST_OPTIMIZED",
        "enable_photon": True,
        "channel": {"name": "CHANNEL_NAME_CURRENT"},
        "tags": {"custom_tags": [{"key": "team", "value": name}, {"key": "cost center", "value": "4711"}]},
        "enable_serverless_compute": serverless,
        "warehouse_type": kind,
    }
