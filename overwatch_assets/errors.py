"""What can go wrong, in words for the person who can mend it."""


class OverwatchError(Exception):
    """An error whose message is one clear sentence; the command line prints it and exits with 2."""


class ConfigurationError(OverwatchError):
    """The deployment file, a table's contract or an option is wrong."""


class SourceError(OverwatchError):
    """A source could not be read: which one, and what to do."""


class StorageError(OverwatchError):
    """A table could not be read or written."""


class LeaseError(StorageError):
    """Another process is loading this table of this workspace."""


class IneligibleError(OverwatchError):
    """A required upstream table has not been loaded for this window."""
