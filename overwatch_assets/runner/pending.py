"""Which event-log files have something to read: listed, compared with the tracker, looked into at their beginning.

What the storage refuses is in quarantine without a line, and so is remembered: the next load of any window tries it
again, and all that lies below a folder, however old it is by then.
"""

import logging
import math
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.bronze.spark_events_processedfiles import spark_events_processedfiles as TRACKER
from overwatch_assets.errors import SourceError
from overwatch_assets.rules.days import day_start_ms
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.state import QUARANTINE
from overwatch_assets.sources.event_logs.codecs import Codec
from overwatch_assets.sources.event_logs.events import log_id_of
from overwatch_assets.sources.event_logs.listing import ListingFailure, LogFile, find_logs
from overwatch_assets.sources.event_logs.reader import Peek, Position, peek

logger = logging.getLogger(__name__)

_HEAD = 4096  # bytes that tell a file that was written anew: more than what all logs of one version begin with
_PROBED = 20  # logs, of those that need not be read, that are tried where all that should be were refused


@dataclass(frozen=True)
class Known:
    """A tracker row."""

    size: int
    modified_ms: int
    position: Position
    head_hash: str
    head_bytes: int
    first_ms: int | None
    cluster_id: str | None


@dataclass(frozen=True)
class Pending:
    """A log with something to read, and where to begin."""

    log: LogFile
    at: Position
    peek: Peek
    cluster_id: str | None

    @property
    def log_id(self) -> str | None:
        """Identity of the log as far as path and head tell it."""
        folder = self.log.rolling_folder
        return self.log.spark_context_id or self.peek.log_id or (None if folder is None else log_id_of(folder))


def known_logs(load: Load) -> dict[str, Known]:
    """What the tracker says, by file."""
    rows = load.store.arrow(load.store.read(TRACKER)).to_pylist()
    return {
        r["filename"]: Known(
            r["fileSize"],
            r["fileCreateEpochMS"],
            Position(r["position"], r["nextLine"], r["logId"], r["lastTimeMS"]),
            r["headHash"] or "",
            r["headBytes"] or 0,
            r["firstTimeMS"],
            r["clusterId"],
        )
        for r in rows
    }


def refused_before(load: Load) -> set[str]:
    """Files and folders that the storage refused to earlier loads."""
    rows = load.store.read(QUARANTINE).where(
        (F.col("source") == load.table.name) & F.col("line").isNull() & F.col("position").isNull()
    )
    return set(load.store.arrow(rows.select("location")).column(0).to_pylist())


def listed(
    prefixes: Iterable[str], refused: set[str]
) -> tuple[list[LogFile], list[ListingFailure], dict[str, set[str]]]:
    """Logs under all prefixes, each once; what is refused; and of logs that were refused before, as what.

    Raises:
        SourceError: nothing is at any of the prefixes, or none can be reached.
    """
    logs: dict[str, LogFile] = {}
    failures: list[ListingFailure] = []
    owed: dict[str, set[str]] = {}
    missing: list[SourceError] = []
    wanted = sorted(set(prefixes))
    for prefix in wanted:
        try:
            listing = find_logs(prefix)
        except SourceError as error:
            missing.append(error)
            failures.append(ListingFailure(prefix, str(error)))
            continue
        failures += listing.failures
        for log in listing.logs:
            there = logs.get(log.tracked_path)
            # Renamed while it was listed: the finished file wins.
            if there is None or (there.in_progress and not log.in_progress):
                logs[log.tracked_path] = log
            path = log.tracked_path
            places = {prefix, path, *(path[:n] for n, sign in enumerate(path) if sign == "/")} if refused else set()
            if before := refused & places:
                owed[path] = before | owed.get(path, set())
    if missing and len(missing) == len(wanted):
        raise missing[0]
    return [logs[p] for p in sorted(logs)], failures, owed


def any_opens(logs: Sequence[LogFile]) -> bool:
    """Whether a log can be opened; of many, some that lie apart are tried."""
    for log in logs[:: len(logs) // _PROBED + 1]:
        try:
            peek(log, limit=1)
        except SourceError:
            continue
        return True
    return False


def pending_of(
    load: Load, logs: Sequence[LogFile], known: Mapping[str, Known], cluster_id: str | None, owed: Container[str]
) -> tuple[list[Pending], list[ListingFailure]]:
    """Logs with bytes that are not acknowledged and that may hold events of the window, or that earlier loads owe."""
    found: list[Pending] = []
    failures: list[ListingFailure] = []
    primordial_ms = day_start_ms(load.workspace.primordial_date)
    for log in logs:
        before = known.get(log.tracked_path)
        if before is not None and (before.size, before.modified_ms) == (log.size, log.modified_ms):
            continue
        is_owed = log.tracked_path in owed or (before is not None and before.modified_ms == 0)
        from_ms = primordial_ms if is_owed else load.window.from_ms
        until_ms = math.inf if is_owed else load.window.until_ms
        if log.modified_ms is not None and log.modified_ms < from_ms:
            continue  # written before the window began
        if before is not None and before.first_ms is not None and before.first_ms >= until_ms:
            load.counts["files after the window"] += 1
            continue
        try:
            head = peek(log, head_bytes=_HEAD)
            continues = before is not None and _continues(log, head, before)
        except SourceError as error:
            failures.append(ListingFailure(log.tracked_path, str(error)))
            continue
        if head.first_ms is not None and head.first_ms >= until_ms:
            load.counts["files after the window"] += 1
            continue
        if before is not None and continues:
            found.append(Pending(log, before.position, head, before.cluster_id))
        else:
            found.append(Pending(log, Position(), head, log.cluster_id or head.cluster_id or cluster_id))
    return _one_cluster_a_log(load, found, logs), failures


def _continues(log: LogFile, head: Peek, before: Known) -> bool:
    """Whether the file begins as it did; one of the same name that does not was written anew, and is read whole."""
    if before.position.pos == 0 or before.head_bytes == 0:
        return False
    if log.codec is Codec.PLAIN and log.size < before.position.pos:
        return False
    now = head if head.head_bytes == before.head_bytes else peek(log, head_bytes=before.head_bytes)
    return now.head_hash == before.head_hash


def _one_cluster_a_log(load: Load, pending: Sequence[Pending], logs: Sequence[LogFile]) -> list[Pending]:
    """Give all files of one log the same cluster: rolled files name it only in the first of them."""
    by_log: dict[str, set[str]] = defaultdict(set)
    for p in pending:
        if p.log_id and p.cluster_id:
            by_log[p.log_id].add(p.cluster_id)
    stored = {r["SparkContextID"]: r["clusterId"] for r in load.store.arrow(contexts(load)).to_pylist()}
    chosen = []
    for p in pending:
        cluster = p.cluster_id
        if p.log.cluster_id is None and p.log_id is not None:
            if p.log.rolling_folder is not None and p.log_id not in stored and not by_log[p.log_id]:
                by_log[p.log_id] |= _cluster_in_folder(p.log.rolling_folder, logs)
            cluster = stored.get(p.log_id) or min(by_log[p.log_id], default=cluster)
            if cluster == p.log_id:
                cluster = None
        chosen.append(replace(p, cluster_id=cluster))
    return chosen


def _cluster_in_folder(folder: str, logs: Sequence[LogFile]) -> set[str]:
    """Find the cluster that the first file to name one names, also where that file has nothing for this load."""
    for log in (log for log in logs if log.rolling_folder == folder):
        try:
            cluster = peek(log).cluster_id
        except SourceError:  # reported where that file is read
            logger.debug("%s can't be read for its cluster", log.path)
            continue
        if cluster is not None:
            return {cluster}
    return set()


def contexts(load: Load) -> DataFrame:
    """Identity and cluster of each log of which there are rows."""
    return load.changes.keys_of(load.table, ("clusterId", "SparkContextID"))
