"""Audit logs of a month to all tables that need no event logs: `… audit HOME RESULT`.

The events are those of the sample's workspace on AWS, again and again, each time with ids, addresses and days of their
own. Nothing answers for the API, so there are no states of clusters and no costs.
"""

import datetime as dt
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from overwatch_assets.sample.audit import audit_lines
from overwatch_assets.sample.story import DAY, DAYS, FIRST_DAY, FIRST_MS, LOOKS, story

MONTH, USERS = 30, 200
_IDS = re.compile(
    r"(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|(?<!\d)(?P<number>\d{12}|\d{16})(?!\d)"
    r"|(?P<cluster>\d{4}-\d{6}-(?:pool-)?[a-z0-9]{8})|\b(?P<hex>[0-9a-f]{16}|[0-9a-f]{32})\b|(?P<user>[a-z]+@example\.com)"
)


def make(home: Path, events: int) -> float:
    """Write so many events, a file for each day, and return how many megabytes they are."""
    workspace = story().workspaces[0]
    kept = workspace.workspace_id
    lines = [
        (line.record["timestamp"], json.dumps(line.record))
        for line in audit_lines(workspace, round(LOOKS[-1].timestamp() * 1000))
        if not line.broken
    ]
    by_day: dict[int, list[str]] = defaultdict(list)
    for number in range(events):
        copy, at = divmod(number, len(lines))
        ms, text = lines[at]
        shift = copy * len(DAYS) % MONTH
        told = text.replace(str(ms), str(ms + shift * DAY))
        by_day[(ms - FIRST_MS) // DAY + shift].append(_IDS.sub(partial(_another, copy, kept), told))
    size = 0
    for day, found in by_day.items():
        folder = home / "audit" / f"date={FIRST_DAY + dt.timedelta(day)}"
        folder.mkdir(parents=True)
        file = folder / "auditlogs_0.json"
        size += file.write_bytes("".join(f"{line}\n" for line in found).encode())
        written = (FIRST_MS + (day + 1) * DAY) / 1000
        os.utime(file, (written, written))
    return size / 1e6


def _another(copy: int, kept: str, found: re.Match[str]) -> str:
    """The same kind of id, of another copy; workspaces stay."""
    kind, text = found.lastgroup, found[0]
    if text == kept:
        return text
    if kind == "user":
        return f"u{copy % USERS}-{text}"
    if kind == "number":
        return f"{(int(text) + copy * 7_000_003) % 10 ** len(text):0{len(text)}d}"
    return f"{text[:-6]}{copy:06d}"


def load(home: Path, say: Callable[[str], object] = print) -> dict[str, float]:
    """Load the month, and return the seconds of each table."""
    from overwatch_assets.config.deployment import Workspace
    from overwatch_assets.contract.registry import modules
    from overwatch_assets.engine.session import session
    from overwatch_assets.runner.runner import Runner
    from overwatch_assets.runner.window import Window
    from overwatch_assets.sources.registry import Sources
    from overwatch_assets.sources.standard import workspace_readers
    from overwatch_assets.storage.location import Location
    from overwatch_assets.storage.tables import TableStore

    workspace = Workspace(
        workspace_name="bench",
        workspace_id=story().workspaces[0].workspace_id,
        cloud="AWS",
        primordial_date=str(FIRST_DAY),
        storage_prefix=str(home / "tables"),
        etl_database_name="ow",
        consumer_database_name="owc",
        max_days=str(MONTH),
        excluded_scopes="sparkEvents",
        auditlogprefix_source_path=str(home / "audit"),
        workspace_url="https://bench.cloud.databricks.com",
    )
    of_logs = {"spark_events_bronze"}
    for table in modules():  # upstreams come first
        needed = (n for n, roles in table.inputs.items() if not all(getattr(r, "optional", False) for r in roles))
        if of_logs & {*needed}:
            of_logs.add(table.name)
    took: dict[str, float] = {}
    with session() as spark:
        store = TableStore(spark, Location(workspace.table_root(external_metastore=False)), workspace.workspace_id)
        now = dt.datetime.combine(FIRST_DAY + dt.timedelta(MONTH), dt.time(), dt.UTC)
        runner = Runner(workspace, store, Sources(workspace_readers(None), cores=2), now)
        for table in modules():
            if table.name not in of_logs:
                done = runner.load(table, Window(FIRST_MS, FIRST_MS + MONTH * DAY))
                took[table.name] = done.seconds
                say(f"{table.name}: {done.status}, {done.seconds:.1f} s, {dict(done.counts)}")
    return took


if __name__ == "__main__":
    result = load(Path(sys.argv[1]), partial(print, flush=True))
    Path(sys.argv[2]).write_text(json.dumps(result))
