"""Where things are: file systems by path or URL, and one workspace's folder of tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from overwatch_assets.errors import StorageError

DBFS = "dbfs:/"
_MOUNTED = Path("/dbfs")  # where machines of Databricks have that file system as a folder


def filesystem(url: str, storage_options: Mapping[str, Any] | None = None) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a path or URL, and the path within it.

    `dbfs:/x` is `/dbfs/x` where there is such a folder; elsewhere the workspace is asked that fsspec knows. A Unity
    Catalog volume is a folder of its own.

    Raises:
        StorageError: a path of `dbfs:/`, and there is neither. fsspec raises others of its own.
    """
    if not url.startswith(DBFS):
        fs, path = url_to_fs(url, **(storage_options or {}))
        return fs, path
    inner = "/" + url.removeprefix(DBFS).lstrip("/")
    if inner.startswith("/Volumes/"):
        return filesystem(inner)
    if _MOUNTED.is_dir():
        return filesystem(f"{_MOUNTED}{inner}")
    try:
        fs, path = url_to_fs(f"dbfs://{inner}", **(storage_options or {}))
    except TypeError as error:  # it lacks the host or the token
        raise StorageError(
            f"{url} is a path of Databricks' file system, which this machine does not have at {_MOUNTED}: name the "
            "storage itself, or set FSSPEC_DBFS_INSTANCE to the workspace's host and FSSPEC_DBFS_TOKEN to a token"
        ) from error
    return fs, path


def shown(fs: AbstractFileSystem, path: str) -> str:
    """Return a path as users write it, so that a file has one name: local ones without a protocol, and `dbfs:/x`."""
    if not isinstance(fs, LocalFileSystem):
        path = fs.unstrip_protocol(path)
        return DBFS + path.removeprefix(DBFS).lstrip("/") if path.startswith(DBFS) else path
    return DBFS + path.removeprefix(f"{_MOUNTED}/") if path.startswith(f"{_MOUNTED}/") else path


@dataclass(frozen=True)
class Location:
    """A folder of tables.

    Attributes:
        root: path or URL of the folder, without a trailing slash.
    """

    root: str

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        return filesystem(self.root)

    @property
    def fs(self) -> Any:
        """The fsspec file system of the root."""
        return self._opened[0]

    def path(self, *parts: str) -> str:
        """URL of something below the root, as the engines want it."""
        return "/".join((self.root, *parts))

    def key(self, *parts: str) -> str:
        """The same, as ``fs`` wants it: without the protocol."""
        return "/".join((self._opened[1], *parts))

    @property
    def is_local(self) -> bool:
        """Whether other processes on this machine share its processes' view (for leases)."""
        return isinstance(self.fs, LocalFileSystem)
