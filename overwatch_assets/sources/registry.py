"""The readers of what is outside the tables, by the name that a bronze transform gives its parameter."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from overwatch_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from overwatch_assets.runner.context import Load
    from overwatch_assets.runner.insert import Reading

Reader = Callable[["Load"], "Reading"]


@dataclass(frozen=True)
class Sources:
    """What a runner reads from.

    Attributes:
        readers: per source name a function from a load to what there is for its window.
        prefixes: folders of event logs for a load.
        default_cluster_id: cluster of event logs whose path and properties name none; None: the log's own identity.
        cores: how many ranges of one event log are read side by side.
    """

    readers: Mapping[str, Reader] = field(default_factory=dict)
    prefixes: Callable[["Load"], list[str]] | None = None
    default_cluster_id: str | None = None
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)

    def read(self, source: str, load: "Load") -> "Reading":
        """Read one source.

        Raises:
            ConfigurationError: nobody reads a source of this name.
        """
        if source not in self.readers:
            raise ConfigurationError(f"{load.table.name}: no reader for the source {source}")
        return self.readers[source](load)

    def event_log_prefixes(self, load: "Load") -> list[str]:
        """Folders and files with event logs."""
        return self.prefixes(load) if self.prefixes is not None else list(load.workspace.cluster_log_prefixes)
