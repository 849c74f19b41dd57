"""Takes this machine out of a recorded event log.

What a log says of the machine that wrote it becomes what a Databricks cluster would say: folders `/databricks/…`, the
loopback addresses of driver and workers `10.139.64.4` and following, the machine's name the driver's address. The
environment event keeps its Spark properties only. All else stays as Spark wrote it, keys in Spark's order.
"""

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from overwatch_assets.errors import OverwatchError


@dataclass(frozen=True)
class Scrubber:
    """`paths`: absolute path here to path in the log; `hosts`: address here to the last number of `10.139.64.n`."""

    paths: Mapping[str, str]
    hosts: Mapping[str, int]

    def lines(self, log: bytes) -> Iterator[bytes]:
        """Return the scrubbed records of a log, each with its line break; a last line that was cut off is left out."""
        replacements = dict(self.paths)
        replacements |= {host: f"10.139.64.{number}" for host, number in self.hosts.items()}
        replacements[socket.gethostname()] = f"10.139.64.{min(self.hosts.values())}"
        # Longest first, so that a folder wins over the folder it is in; whole names only.
        names = "|".join(re.escape(name) for name in sorted(replacements, key=len, reverse=True))
        pattern = re.compile(rf"(?<![\w.-])(?:{names})(?![\w-]|\.\d)")
        for line in log.splitlines(keepends=True):
            if line.endswith(b"\n"):
                text = pattern.sub(lambda found: replacements[found[0]], line.decode())
                yield self._checked(_without_environment(text.encode()))

    def _checked(self, line: bytes) -> bytes:
        for junk in (*self.paths, *self.hosts, f"{Path.home()}/", "/tmp/"):  # noqa: S108  # searched for, not used
            if junk.encode() in line:
                at = line.index(junk.encode())
                raise OverwatchError(f"{junk!r} is left in a recorded event: …{line[max(at - 60, 0) : at + 60]!r}…")
        return line


def _without_environment(line: bytes) -> bytes:
    if b"SparkListenerEnvironmentUpdate" not in line:
        return line
    event: dict[str, Any] = orjson.loads(line)
    kept = {k: v if k in ("Event", "Spark Properties") else {} for k, v in event.items()}
    return orjson.dumps(kept, option=orjson.OPT_APPEND_NEWLINE)
