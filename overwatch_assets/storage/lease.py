"""One process loads a workspace at a time: a lease in the workspace's own storage.

A lease is a file whose name holds a number. Who takes it has seen that all leases that have a file are over, creates
the file of the next number, which storage does for one process only, and looks again: it holds the lease only if
nothing but its own file has changed. The holder renews by rewriting its file, and then looks whether there is a newer
one.

So no two hold it. Of a holder that renews late and a process that takes its lease, each writes before it looks, and at
least one sees the other and gives way. A number that was held is free again only after a newer lease was held, of which
the file, or one newer still, stays: who was slow, and creates a number that was held, sees that file.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from overwatch_assets.errors import LeaseError
from overwatch_assets.storage.location import Location

logger = logging.getLogger(__name__)

EXPIRES_AFTER_S = 30.0
RENEW_EVERY_S = 8.0
_FOLDER = "_lease"


@dataclass
class Lease:
    """A held lease. ``check()`` before each commit: a process that slept too long has lost it."""

    location: Location
    number: int
    holder: dict[str, str | int]
    _released: threading.Event = field(default_factory=threading.Event)
    _lost: threading.Event = field(default_factory=threading.Event)
    _expires_at: float = field(default_factory=lambda: time.time() + EXPIRES_AFTER_S)

    def renew(self) -> None:
        """Write a new expiry, unless another process has taken the lease by now."""
        until = time.time() + EXPIRES_AFTER_S
        if self.is_newest():  # else the file may be gone, and must not come back
            _write(self.location, self.number, self.text(until))
        if self.is_newest():
            self._expires_at = until
        else:
            self._lost.set()

    def check(self) -> None:
        """Raise if another process has taken the lease.

        By the clock of the day, not the monotonic one, which stands still while a machine sleeps.

        Raises:
            LeaseError: it was not renewed in time.
        """
        if not self._lost.is_set() and time.time() >= self._expires_at:
            self.renew()
        if self._lost.is_set():
            raise LeaseError(
                f"The lease on {self.location.root} was lost to another process while this one was not running; "
                "load the partition again"
            )

    def keep(self) -> None:
        """Renew until released; runs in a thread."""
        while not self._released.wait(RENEW_EVERY_S) and not self._lost.is_set():
            try:
                self.renew()
            except Exception:  # noqa: BLE001 - each storage has errors of its own
                logger.warning("The lease on %s could not be renewed; will try again", self.location.root)

    def text(self, expires_at: float) -> str:
        """What the file says: who holds the lease, and until when by its clock."""
        return json.dumps({**self.holder, "expires_at": expires_at})

    def is_newest(self) -> bool:
        """Whether no newer lease has a file."""
        return max(_numbers(self.location), default=0) == self.number


@contextmanager
def lease(
    location: Location,
    *,
    wait_s: float = 600.0,
    poll_s: float = 0.5,
    waiting: Callable[[str], None] = logger.info,
) -> Iterator[Lease]:
    """Hold the lease of a workspace's tables, for one table load.

    Args:
        location: the workspace's folder of tables.
        wait_s: how long to wait for another process.
        poll_s: how often to look.
        waiting: told once who holds it, if somebody does.

    Raises:
        LeaseError: it is still held after ``wait_s``.
    """
    holder: dict[str, str | int] = {"host": socket.gethostname(), "pid": os.getpid(), "id": uuid.uuid4().hex}
    deadline = time.monotonic() + wait_s
    told = False
    since: dict[tuple[int, str], float] = {}  # when it was first seen that a file says this
    while True:
        leases = _leases(location)
        now = time.monotonic()
        since = {said: since.get(said, now) for said in leases.items()}
        held = [text for (_, text), first in since.items() if not _is_over(text, now - first, location)]
        if not held:
            mine = Lease(location, max(leases, default=0) + 1, holder)
            if _take(mine, leases):
                break
            continue
        body = json.loads(held[-1])
        if time.monotonic() > deadline:
            raise LeaseError(
                f"{location.root} is being loaded by process {body.get('pid')} on {body.get('host')}; "
                f"waited {wait_s:.0f} s. Wait for it to end, or stop it: its lease ends {EXPIRES_AFTER_S:.0f} s later"
            )
        if not told:
            waiting(
                f"{location.root} is being loaded by process {body.get('pid')} on {body.get('host')}; waiting for it"
            )
            told = True
        time.sleep(poll_s)
    thread = threading.Thread(target=mine.keep, name="lease", daemon=True)
    thread.start()
    try:
        yield mine
    finally:
        mine._released.set()  # noqa: SLF001
        thread.join()
        _release(location, mine)


def _file(location: Location, number: int) -> str:
    return location.key(_FOLDER, f"{number:012d}.json")


def _numbers(location: Location) -> list[int]:
    """Numbers of the leases that have a file, in order."""
    folder = location.key(_FOLDER)
    location.fs.invalidate_cache(folder)
    try:
        files = [str(f) for f in location.fs.ls(folder, detail=False)]
    except FileNotFoundError:
        return []
    stems = [f.rsplit("/", 1)[1].removesuffix(".json") for f in files if f.endswith(".json")]
    return sorted(int(stem) for stem in stems if stem.isdigit())


def _leases(location: Location) -> dict[int, str]:
    """What the file of each lease says."""
    try:
        return {n: location.fs.cat_file(_file(location, n)).decode() for n in _numbers(location)}
    except FileNotFoundError:  # removed between the two calls: look again
        return _leases(location)


def _is_over(text: str, unchanged_s: float, location: Location) -> bool:
    """Whether a lease was given back, was not renewed, or is of a process of this machine that died.

    Not renewed: for so long by the clock of who waits. Other machines' clocks may differ.
    """
    body = json.loads(text)
    if body["expires_at"] == 0 or unchanged_s >= EXPIRES_AFTER_S:
        return True
    return location.is_local and body["host"] == socket.gethostname() and not _is_alive(body["pid"])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _take(mine: Lease, over: dict[int, str]) -> bool:
    """Create a lease's file after those that are over, and say whether it is held."""
    text = mine.text(mine._expires_at)  # noqa: SLF001 - made by the caller
    if not _create(mine.location, mine.number, text):
        return False
    if _leases(mine.location) == {**over, mine.number: text}:
        return True
    _remove(mine.location, _file(mine.location, mine.number))
    return False


def _create(location: Location, number: int, text: str) -> bool:
    """Create the file unless another process did."""
    location.fs.makedirs(location.key(_FOLDER), exist_ok=True)
    try:
        if location.is_local:
            draft = _draft(location, text)
            try:
                os.link(draft, _file(location, number))
            finally:
                _remove(location, draft)
        else:
            location.fs.pipe_file(_file(location, number), text.encode(), mode="create")
    except FileExistsError:
        return False
    except FileNotFoundError:  # the draft was removed by another process, which held the lease meanwhile
        return False
    return True


def _write(location: Location, number: int, text: str) -> None:
    """Replace the file's content at one stroke: half of it would look like a lease that is over."""
    if location.is_local:
        Path(_draft(location, text)).replace(_file(location, number))
    else:
        location.fs.pipe_file(_file(location, number), text.encode())


def _draft(location: Location, text: str) -> str:
    """Write the content to a local file of a name that nobody reads."""
    draft = location.key(_FOLDER, f"{uuid.uuid4().hex}.draft")
    location.fs.pipe_file(draft, text.encode())
    return draft


def _remove(location: Location, file: str) -> None:
    try:
        location.fs.rm_file(file)
    except FileNotFoundError:
        logger.debug("%s was removed by another process", file)


def _release(location: Location, mine: Lease) -> None:
    """Remove older leases, then mark this one as over. The newest file stays: its number must not be given twice."""
    if not mine.is_newest():
        return  # lost: what is there belongs to another process
    for file in location.fs.ls(location.key(_FOLDER), detail=False):
        stem = str(file).rsplit("/", 1)[1].removesuffix(".json")
        # Drafts of a process that was killed go too.
        if stem.endswith(".draft") or (stem.isdigit() and int(stem) < mine.number):
            _remove(location, file)
    _write(location, mine.number, json.dumps({"expires_at": 0}))
