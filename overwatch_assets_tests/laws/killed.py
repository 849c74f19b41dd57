"""A process that loads a workspace and is killed, with SIGKILL, at a moment that its arguments name.

``python -m overwatch_assets_tests.laws.killed ROOT TABLES WHEN``: TABLES are separated by commas; WHEN is ``never``,
``commit:N`` (right after the N-th commit) or ``after:SECONDS`` (so long after the first commit). Prints when it began
to commit and ended, and how many commits there were.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from overwatch_assets.contract.registry import tables
from overwatch_assets.engine.session import session
from overwatch_assets.storage.tables import TableStore
from overwatch_assets_tests.laws.workshop import Workshop

_commits: list[float] = []


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _counted(commit: Callable[..., None], when: str) -> Callable[..., None]:
    how, _, number = when.partition(":")

    def call(*args: Any, **kwargs: Any) -> None:
        commit(*args, **kwargs)
        _commits.append(time.monotonic())
        if how == "commit" and len(_commits) == int(number):
            _die()
        if how == "after" and len(_commits) == 1:
            timer = threading.Timer(float(number), _die)
            timer.daemon = True
            timer.start()

    return call


def main(root: str, names: str, when: str) -> None:
    """Load and die."""
    for commit in ("append", "merge"):
        setattr(TableStore, commit, _counted(getattr(TableStore, commit), when))
    with session() as spark:
        Workshop(spark, Path(root)).chain(wanted=[tables()[n] for n in names.split(",")])
    sys.stdout.write(f"{len(_commits)} {_commits[-1] - _commits[0]}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
