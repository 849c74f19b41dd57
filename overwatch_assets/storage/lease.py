"""One process loads a workspace at a time: a lease in the workspace's own storage.

A lease is a file whose name holds a number. Taking it means creating the file with the next number, which storage does
for one process only; so two that see an expired lease cannot both take it. The holder renews by rewriting its own file.
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
        if _latest(self.location)[0] != self.number:
            self._lost.set()
            return
        until = time.time() + EXPIRES_AFTER_S
        _write(self.location, self.number, {**self.holder, "expires_at": until})
        self._expires_at = until

    def check(self) -> None:
        """Raise if another process has taken the lease.

        By the clock that others judge it by, not the monotonic one, which stands still while a machine sleeps.

        Raises:
            LeaseError: it was not renewed in time.
        """
        if not self._lost.is_set() and time.time() < self._expires_at:
            return
        if self._lost.is_set() or _latest(self.location)[0] != self.number:
            raise LeaseError(
                f"The lease on {self.location.root} was lost to another process while this one was not running; "
                "load the partition again"
            )

    def keep(self) -> None:
        """Renew until released; runs in a thread."""
        while not self._released.wait(RENEW_EVERY_S) and not self._lost.is_set():
            try:
                self.renew()
            except OSError:
                logger.warning("The lease on %s could not be renewed; will try again", self.location.root)


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
    while True:
        number, body = _latest(location)
        if body is None or _is_over(body, location):
            mine = Lease(location, number + 1, holder)
            if _create(location, number + 1, {**holder, "expires_at": mine._expires_at}):  # noqa: SLF001 - made here
                break
            continue
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


def _latest(location: Location) -> tuple[int, dict[str, str | int | float] | None]:
    """Find the newest lease's number and content; (0, None) where there was none."""
    folder = location.key(_FOLDER)
    location.fs.invalidate_cache(folder)
    try:
        files = sorted(str(f) for f in location.fs.ls(folder, detail=False))
    except FileNotFoundError:
        return 0, None
    stems = [f.rsplit("/", 1)[1].removesuffix(".json") for f in files if f.endswith(".json")]
    numbers = [int(stem) for stem in stems if stem.isdigit()]
    if not numbers:
        return 0, None
    try:
        return numbers[-1], json.loads(location.fs.cat_file(_file(location, numbers[-1])))
    except FileNotFoundError:  # removed between the two calls: look again
        return _latest(location)


def _is_over(body: dict[str, str | int | float], location: Location) -> bool:
    if float(body.get("expires_at", 0)) <= time.time():
        return True
    return location.is_local and body.get("host") == socket.gethostname() and not _is_alive(int(body.get("pid", 0)))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _create(location: Location, number: int, body: dict[str, str | int | float]) -> bool:
    """Create the file unless another process did."""
    location.fs.makedirs(location.key(_FOLDER), exist_ok=True)
    try:
        if location.is_local:
            draft = _draft(location, body)
            try:
                os.link(draft, _file(location, number))
            finally:
                location.fs.rm_file(draft)
        else:
            location.fs.pipe_file(_file(location, number), json.dumps(body).encode(), mode="create")
    except FileExistsError:
        return False
    return True


def _write(location: Location, number: int, body: dict[str, str | int | float]) -> None:
    """Replace the file's content at one stroke: half of it would look like a lease that is over."""
    if location.is_local:
        Path(_draft(location, body)).replace(_file(location, number))
    else:
        location.fs.pipe_file(_file(location, number), json.dumps(body).encode())


def _draft(location: Location, body: dict[str, str | int | float]) -> str:
    """Write the content to a local file of a name that nobody reads."""
    draft = location.key(_FOLDER, f"{uuid.uuid4().hex}.draft")
    location.fs.pipe_file(draft, json.dumps(body).encode())
    return draft


def _release(location: Location, mine: Lease) -> None:
    """Remove older leases, then mark this one as over. The newest file stays: its number must not be given twice."""
    if _latest(location)[0] != mine.number:
        return  # lost: what is there belongs to another process
    for file in location.fs.ls(location.key(_FOLDER), detail=False):
        stem = str(file).rsplit("/", 1)[1].removesuffix(".json")
        # Drafts of a process that was killed go too; nobody writes one while the lease is held.
        if stem.endswith(".draft") or (stem.isdigit() and int(stem) < mine.number):
            try:
                location.fs.rm_file(file)
            except FileNotFoundError:
                logger.debug("%s was removed by another process", file)
    _write(location, mine.number, {"expires_at": 0})
