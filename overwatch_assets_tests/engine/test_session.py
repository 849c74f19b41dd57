"""The embedded engine's session."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.engine

_SETTING = "SAIL_SPARK__SESSION_TIMEOUT_SECS"
_IDLE = """
import os, time
from overwatch_assets.engine.session import session
with session() as spark:
    spark.range(1).count()
    time.sleep(3)
    print(spark.range(7).count(), os.environ["SAIL_SPARK__SESSION_TIMEOUT_SECS"])
"""


def idle(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A process whose session asks for nothing for some seconds, and then counts to 7."""
    return subprocess.run(
        [sys.executable, "-c", _IDLE], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_session_that_waits_is_not_ended() -> None:
    """The engine's own limit is 900 s; that the setting is the one that counts is seen by a limit of a second."""
    own = {name: value for name, value in os.environ.items() if name != _SETTING}
    kept = idle(own)
    assert kept.returncode == 0, kept.stderr
    count, limit = kept.stdout.split()
    assert count == "7"
    assert int(limit) > 30 * 24 * 3600
    ended = idle({**own, _SETTING: "1"})
    assert ended.returncode != 0
    assert "is not running" in ended.stderr
