"""One process loads a workspace at a time, and one that died blocks nobody for long."""

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import fsspec
import pytest

from overwatch_assets.errors import LeaseError
from overwatch_assets.storage import lease as leases
from overwatch_assets.storage.lease import lease
from overwatch_assets.storage.location import Location

_HELD_BY_A_PROCESS = """
import sys, time
from overwatch_assets.storage.lease import lease
from overwatch_assets.storage.location import Location
with lease(Location(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return Location(str(tmp_path))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases end after a second instead of half a minute."""
    monkeypatch.setattr(leases, "EXPIRES_AFTER_S", 1.0)
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.2)


def content(location: Location) -> dict[str, object]:
    """What the newest lease says."""
    newest = max(Path(location.root, "_lease").glob("*.json"))
    return dict(json.loads(newest.read_text()))


def elsewhere(location: Location, expires_in_s: float, number: int = 1, host: str = "elsewhere", pid: int = 1) -> None:
    """A lease of a process of another machine, which can't be asked whether it lives."""
    folder = Path(location.root, "_lease")
    folder.mkdir(exist_ok=True)
    body = {"host": host, "pid": pid, "id": "x", "expires_at": time.time() + expires_in_s}
    (folder / f"{number:012d}.json").write_text(json.dumps(body))


def most_at_once(location: Location, processes: int, loads: int) -> int:
    """How many held the lease at once, of some that load again and again."""
    holding, most, errors = [0], [0], list[Exception]()
    guard, start = threading.Lock(), threading.Barrier(processes)

    def work() -> None:
        start.wait()
        try:
            for _ in range(loads):
                with lease(location, wait_s=30, poll_s=0.01):
                    with guard:
                        holding[0] += 1
                        most[0] = max(most[0], holding[0])
                    time.sleep(0.01)
                    with guard:
                        holding[0] -= 1
        except Exception as error:  # noqa: BLE001 - told below, in the main thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return most[0]


def test_a_lease_is_held_and_given_back(location: Location) -> None:
    with lease(location) as held:
        assert content(location)["pid"] == os.getpid()
        held.check()
    assert content(location) == {"expires_at": 0}
    with lease(location) as again:
        assert again.number == held.number + 1
    assert [p.name for p in Path(location.root, "_lease").iterdir()] == ["000000000002.json"]


def test_it_is_given_back_after_an_error_too(location: Location) -> None:
    with pytest.raises(ZeroDivisionError), lease(location):
        raise ZeroDivisionError
    with lease(location, wait_s=0):
        pass


def test_who_waits_is_told_by_whom_and_gives_up(location: Location) -> None:
    told: list[str] = []
    with (
        lease(location),
        pytest.raises(LeaseError, match=f"is being loaded by process {os.getpid()} on .*; waited 0 s"),
        lease(location, wait_s=0.2, poll_s=0.05, waiting=told.append),
    ):
        pass
    assert told == [
        f"{location.root} is being loaded by process {os.getpid()} on {socket.gethostname()}; waiting for it"
    ]


def test_it_is_renewed_while_it_is_held(location: Location, short: None) -> None:
    with lease(location) as held:
        time.sleep(1.5)
        assert float(str(content(location)["expires_at"])) > time.time()
        held.check()
        with pytest.raises(LeaseError), lease(location, wait_s=0):
            pass


def test_a_process_of_this_machine_that_died_is_not_waited_for(location: Location) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _HELD_BY_A_PROCESS, location.root], stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LeaseError), lease(location, wait_s=0):
            pass
        child.kill()
    began = time.monotonic()
    with lease(location, wait_s=10):
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("clocks_apart_s", [-3600, 0, 3600])
def test_one_of_another_machine_is_waited_for_until_it_was_not_renewed(
    location: Location, short: None, clocks_apart_s: int
) -> None:
    """By the clock of who waits: what the other machine's clock says is not compared with it."""
    began = time.monotonic()
    elsewhere(location, clocks_apart_s)

    def renewed(_: str) -> None:
        time.sleep(0.5)
        elsewhere(location, clocks_apart_s + 0.5)

    with lease(location, wait_s=10, poll_s=0.05, waiting=renewed) as mine:
        assert time.monotonic() - began >= 1.5  # half a second, and the second after which a lease ends
        assert mine.number == 2


def test_an_ended_lease_is_taken_over_by_exactly_one(location: Location, short: None) -> None:
    elsewhere(location, expires_in_s=-1)
    assert most_at_once(location, processes=8, loads=1) == 1
    assert content(location) == {"expires_at": 0}


def test_no_two_hold_it_however_long_storage_takes(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    create, slow = leases._create, random.Random(7)

    def after_a_while(*args: object) -> bool:
        time.sleep(slow.random() * 0.05)
        return create(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(leases, "_create", after_a_while)
    assert most_at_once(location, processes=4, loads=12) == 1


def test_who_creates_a_number_that_had_been_given_does_not_hold_it(
    location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw lease 1 as over and was slow: 2 and 3 were held meanwhile, 2 was removed, and 4 is held."""
    with lease(location):
        pass
    create, others = leases._create, ExitStack()

    def late(*args: object) -> bool:
        monkeypatch.setattr(leases, "_create", create)
        for _ in range(2):
            with lease(location, wait_s=0):
                pass
        others.enter_context(lease(location, wait_s=0))
        assert create(*args), "the number is free"  # type: ignore[arg-type]
        return True

    monkeypatch.setattr(leases, "_create", late)
    with others:
        with pytest.raises(LeaseError, match="is being loaded"), lease(location, wait_s=0):
            pass
        assert content(location)["pid"] == os.getpid()
        assert [p.name for p in sorted(Path(location.root, "_lease").iterdir())] == [
            "000000000003.json",
            "000000000004.json",
        ]


def test_who_takes_a_lease_that_is_renewed_late_gives_way(
    location: Location, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 60.0)
    create = leases._create
    with lease(location) as slept:

        def as_it_wakes_up(*args: object) -> bool:
            monkeypatch.setattr(leases, "_create", create)
            slept.renew()
            return create(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(leases, "_create", as_it_wakes_up)
        with pytest.raises(LeaseError, match="is being loaded"), lease(location, wait_s=1.2, poll_s=0.1):
            pass
        slept.check()


def test_who_renews_late_gives_way_to_who_took_the_lease_meanwhile(
    location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, others = leases._write, ExitStack()

    def slow(*args: object) -> None:
        monkeypatch.setattr(leases, "_write", write)
        with monkeypatch.context() as for_long_enough:
            for_long_enough.setattr(leases, "EXPIRES_AFTER_S", 0.0)  # the other has watched it
            others.enter_context(lease(location, wait_s=0))
        write(*args)  # type: ignore[arg-type]

    with lease(location) as slept, others:
        monkeypatch.setattr(leases, "_write", slow)
        slept.renew()
        with pytest.raises(LeaseError, match="was lost to another process"):
            slept.check()


def test_one_that_is_held_is_seen_behind_one_of_a_process_that_died(location: Location) -> None:
    """It died after it had created the next number, and before it saw that the other had renewed."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    elsewhere(location, expires_in_s=30)
    elsewhere(location, expires_in_s=30, number=2, host=socket.gethostname(), pid=ended.pid)
    with pytest.raises(LeaseError, match="by process 1 on elsewhere"), lease(location, wait_s=0):
        pass


def test_whoever_slept_too_long_notices_that_the_lease_is_lost(
    location: Location, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a laptop's lid was closed: the other process commits, this one must not."""
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 60.0)
    with lease(location) as slept:
        time.sleep(1.1)
        slept.check()  # ended, but nobody took it
        with lease(location, wait_s=10, poll_s=0.05) as other:
            with pytest.raises(LeaseError, match="was lost to another process"):
                slept.check()
            slept.renew()  # the keeping thread wakes up late: that makes nothing good
            with pytest.raises(LeaseError, match="was lost to another process"):
                slept.check()
            other.check()
    # Releasing the lost one changed nothing of the other's, which was released before it.
    assert content(location) == {"expires_at": 0}


def test_one_that_could_not_be_renewed_is_tried_again(
    location: Location, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the error is: those of object stores are no OSError."""
    write, failing = leases._write, [RuntimeError("could not connect"), OSError("reset")]

    def unreliable(*args: object) -> None:
        if failing:
            raise failing.pop()
        write(*args)  # type: ignore[arg-type]

    with lease(location):
        monkeypatch.setattr(leases, "_write", unreliable)
        before = content(location)["expires_at"]
        time.sleep(0.8)
        assert failing == []
        assert float(str(content(location)["expires_at"])) > float(str(before))


def test_a_lost_lease_does_not_release_the_one_that_took_over(location: Location, short: None) -> None:
    with lease(location):
        taken = Path(location.root, "_lease", "000000000002.json")
        taken.write_text(json.dumps({"host": "elsewhere", "pid": 1, "expires_at": time.time() + 60}))
    assert content(location)["host"] == "elsewhere"


def test_what_is_read_is_never_half_written(location: Location, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that saw an empty file would take a lease that is held."""
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.0005)
    with lease(location):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert content(location)["pid"] == os.getpid()


def test_drafts_of_a_process_that_was_killed_are_removed(location: Location) -> None:
    left = Path(location.root, "_lease", "0123.draft")
    left.parent.mkdir()
    left.write_text("{")
    with lease(location):
        pass
    assert not left.exists()


def test_storage_that_creates_a_file_once_only_serves_too(short: None) -> None:
    fsspec.filesystem("memory").rm("/leased", recursive=True) if fsspec.filesystem("memory").exists("/leased") else None
    location = Location("memory://leased")
    with lease(location) as held:
        held.check()
        with pytest.raises(LeaseError), lease(location, wait_s=0.1, poll_s=0.05):
            pass
    with lease(location, wait_s=0) as again:
        assert again.number == held.number + 1
