"""Start, lend and stop the Spark Connect session of a load.

Sail is the default: a Spark Connect server in this process, without Java. A JVM Spark with Delta runs beside it, as
the reference and for growth; any ``sc://`` address is the user's cluster. One client speaks to all of them.
"""

import ctypes
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Literal
from weakref import WeakSet

from overwatch_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EngineKind = Literal["sail", "spark", "databricks"]

# Read once, when Sail's server starts. Its log goes to standard error, which is the command line's screen, and calls
# it an error when another commit came first, before it tries again. Its allocator would give memory back to the system
# as soon as it is free, and get it again: a tenth of a load's time; and ask for it in small pages: a twentieth.
_SAIL_ENVIRONMENT = {
    "RUST_LOG": "error,sail_delta_lake::transaction=off",
    "MIMALLOC_PURGE_DELAY": "-1",
    "MIMALLOC_ALLOW_LARGE_OS_PAGES": "1",
    # After a quarter of an hour without a request it would end the session of a load that waits for an API.
    "SAIL_SPARK__SESSION_TIMEOUT_SECS": str(365 * 24 * 3600),
}
_MALLOC = {-8: 1, -3: 32 << 20, -1: 512 << 20}  # M_ARENA_MAX; M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, bytes
# Otherwise the client looks at the stack, and for a notebook, at each call: a fifth of a small load's time.
_OF_SAIL = {"spark.python.sql.dataFrameDebugging.enabled": "false"}
# Sail computes hours, dates and casts in UTC whatever the session says (reference: docs/internals.md).
_ALWAYS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",  # two property names may become one when they are scrubbed
}

_EMBEDDED: "WeakSet[SparkSession]" = WeakSet()


def is_embedded(spark: "SparkSession") -> bool:
    """Whether a session is of the engine in this process, which reads and writes what this process can."""
    return spark in _EMBEDDED


@contextmanager
def session(
    kind: EngineKind = "sail", *, remote: str | None = None, config: Mapping[str, str] | None = None
) -> Iterator["SparkSession"]:
    """A fresh Spark Connect session, stopped with its server at the end.

    Args:
        kind: which engine. With a ``remote`` nothing is started.
        remote: an ``sc://`` address.
        config: Spark settings of the session.

    Raises:
        ConfigurationError: the engine cannot be started or reached as configured.
    """
    with ExitStack() as stack:
        if remote is not None:
            address = remote
        elif kind == "sail":
            address = stack.enter_context(_sail())
        elif kind == "spark":
            from overwatch_assets.engine.jvm import jvm_server  # noqa: PLC0415 - only this engine needs Java

            address = stack.enter_context(jvm_server(config or {}))
        else:
            raise ConfigurationError("engine.kind databricks needs engine.remote, an sc:// address with its cluster id")
        from pyspark.sql import SparkSession  # noqa: PLC0415 - a second of imports that --help does not need

        spark = SparkSession.builder.remote(address).create()  # getOrCreate would lend a session that has ended
        stack.callback(spark.stop)
        if remote is None:
            spark.client.disable_reattachable_execute()  # nothing is lost on the way to this process
        runtime = {n: v for n, v in (config or {}).items() if kind != "spark" or n.startswith("spark.sql.")}
        own: Mapping[str, str] = {}
        if kind == "sail" and remote is None:
            own = _OF_SAIL
            _EMBEDDED.add(spark)
        for name, value in {**own, **runtime, **_ALWAYS}.items():
            spark.conf.set(name, value)
        if kind == "sail" and threading.current_thread() is threading.main_thread():
            # Sail's server stops itself at Ctrl-C, and the client would ask it again for ten minutes: Python's own
            # handler takes the signal back, so that the load is interrupted and ends the server itself.
            signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
        yield spark


def _keep_freed_memory() -> None:
    """Have glibc use again what was freed, from one arena.

    By default each of Sail's threads has its own, and buffers of some megabytes go back to the system whenever they are
    freed: to get and clear their pages anew took a sixth of a load's time, and the arenas half of its memory.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:  # of glibc alone
        for option, value in _MALLOC.items():
            mallopt(option, value)


@contextmanager
def _sail() -> Iterator[str]:
    _keep_freed_memory()
    for name, value in _SAIL_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from pysail.spark import SparkConnectServer  # noqa: PLC0415 - loads a library of 150 MB

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    try:
        yield f"sc://{host}:{port}"
    finally:
        server.stop()
