"""Where things are: one workspace's folder of tables, on any storage that fsspec and the engine reach."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem


@dataclass(frozen=True)
class Location:
    """A folder of tables.

    Attributes:
        root: path or URL of the folder, without a trailing slash.
    """

    root: str

    @cached_property
    def fs(self) -> Any:
        """The fsspec file system of the root."""
        return fsspec.core.url_to_fs(self.root)[0]

    def path(self, *parts: str) -> str:
        """URL of something below the root, as the engines want it."""
        return "/".join((self.root, *parts))

    def key(self, *parts: str) -> str:
        """The same, as ``fs`` wants it: without the protocol."""
        return str(self.fs._strip_protocol(self.path(*parts)))  # noqa: SLF001 - fsspec's documented way is this method

    @property
    def is_local(self) -> bool:
        """Whether other processes on this machine share its processes' view (for leases)."""
        return isinstance(self.fs, LocalFileSystem)
