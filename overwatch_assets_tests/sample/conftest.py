"""The demo, loaded once for all tests of all processes."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from overwatch_assets_tests.made_once import made_once


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
    """What `overwatch demo` makes."""

    def load(folder: Path) -> None:
        (folder / "shown").write_text(overwatch("demo", "--home", folder / "home").stdout)

    folder = made_once(tmp_path_factory, "demo", load)
    return Demo(folder / "home", (folder / "shown").read_text())
