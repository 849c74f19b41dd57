"""The demo, loaded once for all tests of all processes."""

import fcntl
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Demo:
    """A loaded demo.

    Attributes:
        home: its folder.
        shown: what the command printed.
    """

    home: Path
    shown: str


def overwatch(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """The command as a user runs it."""
    command = [sys.executable, "-m", "overwatch_assets", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="session")
def loaded_demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """What `overwatch demo` makes. The first process that asks makes it; others wait for it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base  # workers have a folder each in one
    home, shown = shared / "demo", shared / "demo.txt"
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shown.exists():
            shown.write_text(overwatch("demo", "--home", home).stdout)
    return Demo(home, shown.read_text())
