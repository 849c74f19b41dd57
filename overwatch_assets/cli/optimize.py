"""`overwatch optimize`: maintenance of the tables, beside the loads and never within them. Needs no engine."""

import deltalake
from rich.console import Console
from rich.progress import track

from overwatch_assets.cli.output import print_json, print_table
from overwatch_assets.cli.where import deployment_of
from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import ConfigurationError
from overwatch_assets.storage.lease import lease
from overwatch_assets.storage.location import Location
from overwatch_assets.storage.maintenance import optimize


def run(names: list[str], deployment: str | None, storage: str | None, *, as_json: bool) -> None:
    """Optimize some tables, or all, of every active workspace, holding its lease.

    Raises:
        ConfigurationError: there is no table of a name.
        LeaseError: a load is running.
    """
    unknown = sorted(set(names) - set(tables()))
    if unknown:
        raise ConfigurationError(f"There is no table called {', '.join(unknown)}; `overwatch tables` lists them")
    known = deployment_of(deployment, storage)
    roots = {w.table_root(external_metastore=known.external_metastore) for w in known.active_workspaces}
    rows, screen = [], Console(stderr=True)
    for root in sorted(roots):
        with lease(Location(root)):
            chosen = [t for t in tables().values() if t.name in names or not names]
            there = [t for t in chosen if deltalake.DeltaTable.is_deltatable(f"{root}/{t.name}")]
            for table in track(there, description=root, console=screen, disable=not screen.is_terminal):
                done = optimize(f"{root}/{table.name}", table)
                rows.append((f"{root}/{table.name}", done.before, done.after, done.removed))
    titles = ("table", "files before", "files after", "old files removed")
    if as_json:
        print_json([dict(zip(titles, row, strict=True)) for row in rows])
    else:
        print_table("Optimized", titles, rows)
