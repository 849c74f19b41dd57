"""The cost chain on a workspace of 1,000 clusters, 60 days and 20,000 runs: `… costs HOME FIRST UNTIL RESULT`.

Each day has the same volume, and the same number of clusters, runs and states are open at its end. 700 clusters stay:
of these 50 never stop and the others run once a day. 5 a day are made for one run, and end with it.
"""

import datetime as dt
import gzip
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

import orjson

FIRST, DAYS = dt.date(2024, 5, 1), 60
STANDING, ENDLESS, MADE_A_DAY, RUNS_A_DAY, JOBS = 700, 50, 5, 333, 100
START_MS, DAY_MS, HOUR, MINUTE = 1_714_521_600_000, 86_400_000, 3_600_000, 60_000
ORGANIZATION = "1234"
_ENDS = (
    "jobruncostpotentialfact_gold",
    "jobruncostdaily_gold",
    "clustercostdaily_gold",
    "job_gold",
    "instancepool_gold",
)
_NODES = ("i3.xlarge", "m5.xlarge", "r5.2xlarge", "c5.4xlarge")
_SPARK = "15.4.x-scala2.12"


def standing(number: int) -> str:
    """Id of a cluster that stays."""
    return f"0501-{number:06}-standing"


def _made(day: int, number: int) -> str:
    return f"0501-{day:03}{number:03}-formerun"


def _random(*what: object) -> Random:
    return Random(" ".join(map(str, what)))


def _definition(number: int) -> dict[str, Any]:
    sized = {"autoscale": {"min_workers": 2, "max_workers": 8}} if number % 3 == 0 else {"num_workers": 1 + number % 6}
    return {
        "node_type_id": _NODES[number % 4],
        "driver_node_type_id": _NODES[(number + 1) % 4],
        "spark_version": _SPARK,
        "autotermination_minutes": 60,
        "custom_tags": {"team": f"team-{number % 20}"},
        **sized,
    }


def _up(number: int, day: int) -> tuple[int, int]:
    """When a cluster that stays is up on a day."""
    draw = _random("up", number, day)
    start = START_MS + day * DAY_MS + draw.randrange(8 * HOUR)
    return start, start + 8 * HOUR + draw.randrange(6 * HOUR)


def _events_of(number: int, day: int) -> list[dict[str, Any]]:
    cluster, midnight = standing(number), START_MS + day * DAY_MS
    size = 2 + number % 5

    def event(ms: int, kind: str, **details: Any) -> dict[str, Any]:
        return {"cluster_id": cluster, "timestamp": ms, "type": kind, "details": details}

    if number < ENDLESS:
        first = [event(midnight, "CREATING"), event(midnight + 5 * MINUTE, "RUNNING", current_num_workers=size)]
        found = first if day == 0 else []
        for n in range(4):
            at = midnight + (2 + 5 * n) * HOUR + _random("resize", number, day, n).randrange(HOUR)
            more = size + 1 + n % 2
            found += [event(at, "UPSIZE_COMPLETED", current_num_workers=more, target_num_workers=more)]
        return found
    start, end = _up(number, day)
    return [
        event(start, "STARTING"),
        event(start + 4 * MINUTE, "RUNNING", current_num_workers=size, target_num_workers=size),
        event(start + 2 * HOUR, "UPSIZE_COMPLETED", current_num_workers=size + 2, target_num_workers=size + 2),
        event(start + 6 * HOUR, "RESIZING", current_num_workers=size + 2, target_num_workers=size),
        event(end, "TERMINATING", current_num_workers=size),
    ]


def _made_up(day: int, number: int) -> tuple[int, int]:
    start = START_MS + day * DAY_MS + _random("made", day, number).randrange(23 * HOUR)
    return start, start + 20 * MINUTE + _random("made", number, day).randrange(3 * HOUR)


def _events_of_made(day: int, number: int) -> list[dict[str, Any]]:
    start, end = _made_up(day, number)
    kinds = ((start, "CREATING"), (start + 3 * MINUTE, "RUNNING"), (end, "TERMINATING"))
    return [
        {"cluster_id": _made(day, number), "timestamp": at, "type": kind, "details": {"current_num_workers": 3}}
        for at, kind in kinds
    ]


def events_of(day: int) -> list[dict[str, Any]]:
    """All events of a day, and of clusters made on it."""
    found = [e for n in range(STANDING) for e in _events_of(n, day)]
    return found + [e for n in range(MADE_A_DAY) for e in _events_of_made(day, n)]


def _records(day: int) -> Iterator[dict[str, Any]]:
    midnight = START_MS + day * DAY_MS
    if day == 0:
        for n in range(STANDING):
            named = {"cluster_name": f"standing {n}", **_definition(n)}
            yield _record(midnight, "clusters", "create", named, {"cluster_id": standing(n)})
        for n in range(JOBS):
            named = {"name": f"job {n}", "max_retries": 1}
            yield _record(midnight, "jobs", "create", named, {"job_id": n + 1})
    for n in range(MADE_A_DAY):
        start, end = _made_up(day, n)
        run = 10_000_000 + day * 1_000 + n
        named = {"cluster_name": f"job-{n + 1}-run-{run}", "cluster_creator": "JOB_LAUNCHER", **_definition(n)}
        yield _record(start, "clusters", "create", named, {"cluster_id": _made(day, n)})
        yield from _run(run, n + 1, _made(day, n), "new", start + 3 * MINUTE, end)
    for n in range(7):  # a definition that changes
        draw = _random("edit", day, n)
        number = draw.randrange(STANDING)
        changed = {**_definition(number), "node_type_id": draw.choice(_NODES), "cluster_id": standing(number)}
        yield _record(midnight + draw.randrange(DAY_MS), "clusters", "edit", changed, None)
    for n in range(3):
        draw = _random("job", day, n)
        parameters = {"job_id": draw.randrange(JOBS) + 1, "new_settings": {"max_retries": draw.randrange(5)}}
        yield _record(midnight + draw.randrange(DAY_MS), "jobs", "update", parameters, None)
    for n in range(RUNS_A_DAY - MADE_A_DAY):
        draw = _random("run", day, n)
        number = draw.randrange(STANDING)
        start, end = (midnight, midnight + DAY_MS) if number < ENDLESS else _up(number, day)
        began = start + 5 * MINUTE + draw.randrange(end - start - 10 * MINUTE)
        ended = began + MINUTE + draw.randrange(2 * HOUR)
        yield from _run(1_000_000 + day * 1_000 + n, n % JOBS + 1, standing(number), "existing", began, ended)


def _run(run: int, job: int, cluster: str, kind: str, start: int, end: int) -> Iterator[dict[str, Any]]:
    of = {"jobId": job, "runId": run, "clusterId": cluster, "jobClusterType": kind, "jobTaskType": "notebook"}
    triggered = {"jobId": job, "runId": run, "jobTriggerType": "cron"}
    yield _record(start - 5_000, "jobs", "runTriggered", triggered, None)
    yield _record(start, "jobs", "runStart", of, None)
    yield _record(end, "jobs", "runSucceeded", {**of, "jobTerminalState": "Succeeded"}, None)


def _record(at: int, service: str, action: str, parameters: dict[str, Any], result: Any) -> dict[str, Any]:
    told = {k: v if isinstance(v, str) else json.dumps(v) for k, v in parameters.items()}
    return {
        "version": "2.0",
        "timestamp": at,
        "orgId": ORGANIZATION,
        "serviceName": service,
        "actionName": action,
        "requestId": f"{action}-{at}-{told.get('runId') or told.get('cluster_name') or told.get('name')}",
        "userIdentity": {"email": "owner@example.com"},
        "requestParams": told,
        "response": {"statusCode": 200, "result": json.dumps(result) if result else None},
    }


def make(home: Path, days: int = DAYS) -> int:
    """Write audit logs and events, a file for each day, and return how many audit records there are.

    A run that ends after midnight stands in the next day's file, as delivered ones do.
    """
    by_day: dict[int, list[dict[str, Any]]] = {}
    for day in range(days):
        for record in _records(day):
            by_day.setdefault((record["timestamp"] - START_MS) // DAY_MS, []).append(record)
    for day in range(days):
        folder = home / "audit" / f"date={FIRST + dt.timedelta(day)}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = b"".join(orjson.dumps(r, option=orjson.OPT_APPEND_NEWLINE) for r in by_day[day])
        file = folder / "auditlogs_0.json.gz"
        file.write_bytes(gzip.compress(lines, mtime=0))
        written = (START_MS + (day + 1) * DAY_MS) / 1000
        os.utime(file, (written, written))
        (home / f"events-{day}.json").write_bytes(orjson.dumps(events_of(day)))
    return sum(len(by_day[day]) for day in range(days))


class Api:
    """The workspace's API as of the last day that is over."""

    def __init__(self, home: Path, day: int) -> None:
        self._home, self._day = home, day

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def list_clusters(self) -> list[dict[str, Any]]:
        """All clusters: those that stay, and those made on the day."""
        until = START_MS + (self._day + 1) * DAY_MS
        found = []
        for n in range(STANDING):
            start, end = (START_MS, until) if n < ENDLESS else _up(n, self._day)
            times = {"start_time": start} | ({"terminated_time": end} if end < until else {})
            state = "TERMINATED" if end < until else "RUNNING"
            named = {"cluster_id": standing(n), "cluster_name": f"standing {n}", "state": state, **times}
            found.append({**named, "cluster_source": "UI", **_definition(n)})
        return found

    def get_clusters(self, ids: Iterable[str]) -> list[Any]:
        """Those that stay; the others have gone."""
        from overwatch_assets.sources.workspace_api import ApiFailure

        known = {c["cluster_id"]: c for c in self.list_clusters()}
        return [known.get(i) or ApiFailure(i, 400, "INVALID_PARAMETER_VALUE", f"{i} does not exist", "") for i in ids]

    def list_pools(self) -> list[dict[str, Any]]:
        """None."""
        return []

    def list_all(self, listing: Any) -> list[dict[str, Any]]:
        """None."""
        return []

    def list_jobs(self) -> list[dict[str, Any]]:
        """All jobs."""
        return [
            {"job_id": n + 1, "created_time": START_MS, "settings": {"name": f"job {n}", "max_retries": 1}}
            for n in range(JOBS)
        ]

    def cluster_events(self, spans: Iterable[Any]) -> Iterator[Any]:
        """Events of some clusters in some times."""
        from overwatch_assets.sources.workspace_api import EventsRead

        spans = list(spans)
        first = max(0, min((s.from_ms for s in spans), default=START_MS) - START_MS) // DAY_MS
        by_cluster: dict[str, list[dict[str, Any]]] = {}
        for day in range(max(0, first - 1), self._day + 1):
            for event in orjson.loads((self._home / f"events-{day}.json").read_bytes()):
                by_cluster.setdefault(event["cluster_id"], []).append(event)
        for s in spans:
            page = [e for e in by_cluster.get(s.cluster_id, ()) if s.from_ms <= e["timestamp"] < s.until_ms]
            yield EventsRead(s, [page], None)


def load(home: Path, first: int, until: int) -> float:
    """Load all tables of the chain for some days, `[first, until)`, and return the seconds that it took."""
    from overwatch_assets.config.deployment import Workspace
    from overwatch_assets.contract.registry import modules, tables
    from overwatch_assets.engine.session import session
    from overwatch_assets.runner.runner import Runner
    from overwatch_assets.runner.window import Window
    from overwatch_assets.sources.registry import Sources
    from overwatch_assets.sources.standard import workspace_readers
    from overwatch_assets.storage.location import Location
    from overwatch_assets.storage.maintenance import optimize
    from overwatch_assets.storage.tables import TableStore

    workspace = Workspace(
        workspace_name="bench",
        workspace_id=ORGANIZATION,
        cloud="AWS",
        primordial_date=str(FIRST),
        storage_prefix=str(home / "tables"),
        etl_database_name="ow",
        consumer_database_name="owc",
        max_days=str(DAYS),
        excluded_scopes="sparkEvents:accounts:notebooks:dbsql:notebookCommands:warehouseEvents",
        auditlogprefix_source_path=str(home / "audit"),
        workspace_url="https://bench.cloud.databricks.com",
        api_url="https://bench.cloud.databricks.com",
    )
    chain = {*_ENDS}
    for table in reversed(list(modules())):  # upstreams come first
        if table.name in chain:
            chain |= {name for name in table.upstreams if "spark" not in name}
    wanted = [t for t in modules() if t.name in chain]
    began = time.monotonic()
    with session() as spark:
        store = TableStore(spark, Location(workspace.table_root(external_metastore=False)), ORGANIZATION)
        readers = Sources(workspace_readers(cast("Any", partial(Api, home, until - 1))), cores=2)
        now = dt.datetime.combine(FIRST + dt.timedelta(until - 1), dt.time(23, 59), dt.UTC)
        runner = Runner(workspace, store, readers, now)
        list(runner.load_side_by_side(wanted, Window(START_MS + first * DAY_MS, START_MS + until * DAY_MS)))
        if first // 7 < until // 7:  # maintenance, once a week
            for table in tables().values():
                if store.exists(table):
                    optimize(store.path(table), table)
    return time.monotonic() - began


if __name__ == "__main__":
    _home, _first, _until, _result = sys.argv[1:]
    Path(_result).write_text(json.dumps(load(Path(_home), int(_first), int(_until))))
