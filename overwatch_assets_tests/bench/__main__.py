"""Run the benchmarks and print `docs/benchmarks.md`'s tables."""

import json
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from overwatch_assets_tests.bench import audit, costs, lookups, ranges
from overwatch_assets_tests.bench.logs import write_log
from overwatch_assets_tests.bench.peers import Cost, duckdb_parse, history_server, run

SMALL, RANGE = "6 MB as a whole process", "31 days of one workspace"
COSTS = "cost chain"
AUDIT = "audit logs"
LOOKUPS = "1,000,000 rows as of 100,000"
# name, applications, megabytes each
CASES = (("100 MB", 1, 100), ("400 MB", 1, 400), ("1 GB", 1, 1000), ("40 x 10 MB", 40, 10))


def main() -> None:
    """Measure every case, or those named on the command line, and print a table."""
    wanted = sys.argv[1:] or [*(name for name, _, _ in CASES), SMALL, RANGE, COSTS, AUDIT, LOOKUPS]
    _say(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}")
    rows = []
    with tempfile.TemporaryDirectory(prefix="overwatch-bench-") as folder:
        for name, applications, megabytes in CASES:
            if name in wanted:
                rows.append(_case(Path(folder), name, applications, megabytes))
                _say(rows[-1])
        if SMALL in wanted:
            log = Path(folder, "small")
            tasks = write_log(log, 6, log.name, copies=1)
            cost = _load(Path(folder), [log])
            _say(
                f"{SMALL}: {log.stat().st_size / 1e6:.1f} MB, {tasks} tasks: {cost.seconds:.1f} s, {cost.peak_mb:.0f} MB"
            )
        if RANGE in wanted:
            _say(_range(Path(folder)))
        if COSTS in wanted:
            _say(_costs_by_day(Path(folder)))
            _say(_costs_by_month(Path(folder)))
        if AUDIT in wanted:
            _say(_audit(Path(folder)))
        if LOOKUPS in wanted:
            cost = run([sys.executable, "-m", lookups.__name__])
            _say(f"{LOOKUPS}, half of one key: {cost.seconds:.1f} s, {cost.peak_mb:.0f} MB")
        _say("")
        _say(
            "| logs | MB | tasks | load s | MB/s | tasks/s | CPU s | peak MB | History Server s | its CPU s | its peak MB | ratio | floor s |"
        )
        _say("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
        for row in rows:
            _say(row)


def _case(folder: Path, name: str, applications: int, megabytes: int) -> str:
    logs = [folder / f"app-{megabytes}-{n}" for n in range(applications)]
    tasks = sum(write_log(log, megabytes, log.name, copies=8 if megabytes >= 100 else 1) for log in logs)
    size = sum(log.stat().st_size for log in logs) / 1e6
    mine = _load(folder, logs)
    heap = f"{max(round(mine.peak_mb), 4096)}m"
    theirs = history_server(logs, heap)
    floor = duckdb_parse(logs)
    for log in logs:
        log.unlink()
    return (
        f"| {name} | {size:.0f} | {tasks} | {mine.seconds:.1f} | {size / mine.seconds:.0f} | {tasks / mine.seconds:.0f} | "
        f"{mine.cpu_seconds:.0f} | {mine.peak_mb:.0f} | {theirs.seconds:.1f} | {theirs.cpu_seconds:.0f} | {theirs.peak_mb:.0f} | "
        f"{theirs.seconds / mine.seconds:.2f} | {floor.seconds:.1f} |"
    )


def _range(folder: Path) -> str:
    costs = {}
    for way in ("runner", "dagster"):
        size = ranges.make(folder / way)
        costs[way] = run([sys.executable, "-m", ranges.__name__, way, str(folder / way)])
    alone, dagster = costs["runner"], costs["dagster"]
    return (
        f"{RANGE}, {size:.0f} MB of logs: runner alone {alone.seconds:.1f} s, as Dagster assets {dagster.seconds:.1f} s, "
        f"ratio {dagster.seconds / alone.seconds:.2f}"
    )


def _costs_by_day(folder: Path) -> str:
    """Days 2-11 are loaded a second time, by turns with days 51-60: a machine's speed differs from hour to hour."""
    home, young = folder / "costs-daily", folder / "costs-young"
    records = costs.make(home)
    loads, early, late = [], [], []
    for day in range(costs.DAYS):
        if day == 1:
            shutil.copytree(home, young)
        loads.append(_load_costs(home, day, day + 1))
        if (twin := day - (costs.DAYS - 11)) >= 1:
            late.append(loads[-1][0])
            early.append(_load_costs(young, twin, twin + 1)[0])
    first, last = statistics.median(early), statistics.median(late)
    turns = f"by turns: median of days 2-11 {first:.1f} s, of days 51-60 {last:.1f} s, ratio {last / first:.2f}"
    return f"{_said_of_costs('daily', records, loads)}; {turns}"


def _costs_by_month(folder: Path) -> str:
    home = folder / "costs-monthly"
    records = costs.make(home)
    return _said_of_costs("monthly", records, [_load_costs(home, at, at + 30) for at in range(0, costs.DAYS, 30)])


def _load_costs(home: Path, first: int, until: int) -> tuple[float, float]:
    """Load some days in a process of its own, as a run of Dagster is; return its seconds and its peak, MB."""
    result = home / "result.json"
    cost = run([sys.executable, "-m", costs.__name__, str(home), str(first), str(until), str(result)])
    return json.loads(result.read_text()), cost.peak_mb


def _said_of_costs(way: str, records: int, loads: list[tuple[float, float]]) -> str:
    seconds, peaks = zip(*loads, strict=True)
    size = f"{costs.DAYS} days, {records} audit records"
    said = f"{sum(seconds):.0f} s, longest load {max(seconds):.1f} s, peak {max(peaks):.0f} MB"
    return f"{COSTS}, {way}, {size}: {said}"


def _audit(folder: Path) -> str:
    """Twice: what a module's share of the time becomes on double the data."""
    said, shares = [], []
    for events in (200_000, 400_000):
        home = folder / f"audit-{events}"
        home.mkdir()
        size = audit.make(home, events)
        result = home / "result.json"
        cost = run([sys.executable, "-m", audit.__name__, str(home), str(result)])
        took = json.loads(result.read_text())
        share = {name: seconds / sum(took.values()) for name, seconds in took.items()}
        shares.append(share)
        largest = ", ".join(f"{n} {share[n]:.0%}" for n in sorted(share, key=lambda n: -share[n])[:8])
        said.append(
            f"{AUDIT}, {events} events, {size:.0f} MB: {cost.seconds:.0f} s, {size / cost.seconds:.1f} MB/s, "
            f"peak {cost.peak_mb:.0f} MB; {largest}"
        )
        shutil.rmtree(home)
    once, twice = shares
    most = max((name for name in twice if twice[name] >= 0.01), key=lambda name: twice[name] / once[name])
    said.append(
        f"{AUDIT}: of modules with a hundredth of the time the share that grew most is {most}'s, "
        f"{twice[most] / once[most]:.2f} times"
    )
    return "\n".join(said)


def _load(folder: Path, logs: list[Path]) -> Cost:
    storage = folder / f"tables-{time.monotonic_ns()}"
    command = [
        sys.executable,
        "-m",
        "overwatch_assets",
        "load-event-logs",
        *map(str, logs),
        "--storage",
        str(storage),
        "--json",
    ]
    try:
        return run(command)
    finally:
        shutil.rmtree(storage, ignore_errors=True)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
