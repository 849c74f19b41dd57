"""Secrets are references in the deployment file; their values exist only in memory, in wrappers that print as stars."""

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from overwatch_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

FORMS = "env:NAME, file:/path or {{secrets/scope/key}}"
SCOPE_NAME = r"[\w.@-]{1,128}"  # what Databricks allows in the name of a scope or of a key

_ENVIRONMENT = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_FILE = re.compile(r"file:(?://)?(/[^/].*)")
_SCOPE = re.compile(rf"\{{\{{secrets/({SCOPE_NAME})/({SCOPE_NAME})\}}\}}")
_TOKEN = re.compile(r"(?i)(dapi|dkea)[0-9a-f]{8,}|(access|account)key=|;token=|://[^/@:\s]*:[^/@\s]+@")


@dataclass(frozen=True)
class SecretReference:
    """Where a secret is kept: `env:NAME`, `file:/path` or `{{secrets/scope/key}}` (a Databricks secret scope).

    Raises ValueError, without the text, for anything else: it may be the secret itself.
    """

    text: str

    def __post_init__(self) -> None:
        if not any(form.fullmatch(self.text) for form in (_ENVIRONMENT, _FILE, _SCOPE)):
            raise ValueError(f"A secret must be a reference: {FORMS}.")

    def __str__(self) -> str:
        return self.text

    @classmethod
    def in_scope(cls, scope: str, key: str) -> "SecretReference":
        """Return the reference to `key` in the Databricks secret scope `scope`."""
        return cls(f"{{{{secrets/{scope}/{key}}}}}")


def looks_secret(text: str) -> bool:
    """Whether a text holds a Databricks token, a storage key or a URL with a password, so that it must not be shown."""
    return _TOKEN.search(text) is not None


def resolve(
    reference: SecretReference,
    *,
    environ: Mapping[str, str] | None = None,
    client: "Callable[[], WorkspaceClient] | None" = None,
) -> SecretStr:
    """Read the secret that `reference` names; blanks and line ends around it are dropped.

    `environ` is the process environment by default. `client` makes the SDK client of the workspace that holds the
    scopes, the deployment workspace (Overwatch's rule); by default it takes the SDK's own authentication.

    Raises ConfigurationError, which names the reference and never the value, if the secret is missing, empty or
    unreadable.
    """
    value = ""
    if match := _ENVIRONMENT.fullmatch(reference.text):
        variables = os.environ if environ is None else environ
        if match[1] not in variables:
            raise ConfigurationError(f"The secret {reference} cannot be read: set the environment variable {match[1]}.")
        value = variables[match[1]]
    elif match := _FILE.fullmatch(reference.text):
        value = _read(reference, Path(match[1]))
    elif match := _SCOPE.fullmatch(reference.text):
        value = _fetch(reference, match[1], match[2], client)
    if not value.strip():
        raise ConfigurationError(f"The secret {reference} is empty: store a value there.")
    return SecretStr(value.strip())


def _read(reference: SecretReference, path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigurationError(f"The secret {reference} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:  # its own text quotes the secret's bytes
        raise ConfigurationError(f"The secret {reference} is not UTF-8 text.") from None


def _fetch(reference: SecretReference, scope: str, key: str, client: "Callable[[], WorkspaceClient] | None") -> str:
    from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - a slow import that most command lines do not need
    from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415 - as above

    try:
        encoded = (client or WorkspaceClient)().secrets.get_secret(scope, key).value or ""
    except (DatabricksError, ValueError, OSError) as error:  # an API error, no authentication configured, no connection
        sentence = " ".join(str(error).split()).rstrip(".")
        raise ConfigurationError(f"The secret {reference} cannot be read from Databricks: {sentence}.") from error
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):  # their own text quotes the secret's bytes
        raise ConfigurationError(f"The secret {reference} is not UTF-8 text.") from None
