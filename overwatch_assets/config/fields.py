"""The kinds of fields that a deployment file has: how each is checked, and what is said of it when it is wrong."""

import datetime as dt
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from overwatch_assets.config.secrets import FORMS, SCOPE_NAME, SecretReference, looks_secret

SCOPES = (
    "audit",
    "clusters",
    "clusterEvents",
    "pools",
    "jobs",
    "accounts",
    "notebooks",
    "dbsql",
    "sparkEvents",
    "notebookCommands",
    "warehouseEvents",
)
SYSTEM_TABLE = "system"  # from Databricks' system tables
RULE = "rule"  # the type of an error whose message is a sentence of its own

_BY_LOWER_CASE = {scope.lower(): scope for scope in SCOPES}


class Cloud(StrEnum):
    """Where a workspace runs."""

    AWS = "AWS"
    AZURE = "Azure"
    GCP = "GCP"


def _cloud(value: object) -> object:
    return next((cloud for cloud in Cloud if isinstance(value, str) and cloud.lower() == value.strip().lower()), value)


def _date(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip()):
        raise ValueError("not a date")  # pydantic alone also takes seconds since 1970
    return value


def _location(value: str) -> str:
    if looks_secret(value) or not re.match(r"/|(dbfs|file):/|(?!wasbs?:)[a-z][a-z0-9+.-]*://[^/]", value):
        raise ValueError("not an absolute location")
    return value.rstrip("/")


def _storage(value: str) -> str:
    location = _location(value)
    if re.match(r"dbfs:/|/dbfs(/|$)", location):  # not even where it is mounted: there a commit overwrites another one
        raise ValueError("no storage for tables")
    return location


def _audit_source(value: str) -> str:
    return SYSTEM_TABLE if value.lower() == SYSTEM_TABLE else _location(value)


def _table(value: str) -> str:
    if "/" in value or ":" in value:
        return _location(value)
    if not re.fullmatch(r"[\w-]+(\.[\w-]+){0,2}", value):
        raise ValueError("not the name of a table")
    return value


def _table_or_system(value: str) -> str:
    if value.lower() == SYSTEM_TABLE:
        return SYSTEM_TABLE
    if not re.search(r"[./]", value):
        raise ValueError("the name of a table without its schema")
    return _table(value)


def _connection(value: str) -> str:
    if not re.match(r"(?i)Endpoint=sb://[^/;]", value):
        SecretReference(value)
    return value


def _base_url(value: str) -> str:
    url = urlsplit(value)
    local = url.hostname in {"localhost", "127.0.0.1", "::1"}
    if url.scheme not in ({"https", "http"} if local else {"https"}) or not url.hostname or "@" in url.netloc:
        raise ValueError("not an https URL")
    if url.path.strip("/") or url.query or url.fragment or (url.port is not None and url.port < 1):
        raise ValueError("more than a host")
    return f"{url.scheme}://{url.netloc}"


def _not_a_secret(value: str) -> str:
    if looks_secret(value):
        raise PydanticCustomError(
            RULE, "looks like a secret itself (it is not shown): store it in a secret scope and give its name here"
        )
    return value


def _split(separator: str) -> Callable[[object], object]:
    def split(value: object) -> object:
        return [part.strip() for part in value.split(separator) if part.strip()] if isinstance(value, str) else value

    return split


def _scope(value: str) -> str:
    if value.lower() not in _BY_LOWER_CASE:
        raise ValueError("not a scope")
    return _BY_LOWER_CASE[value.lower()]


def _reference(value: object) -> object:
    return SecretReference(value.strip()) if isinstance(value, str) else value


Text = Annotated[str, StringConstraints(min_length=1)]
Location = Annotated[Text, AfterValidator(_location)]
Storage = Annotated[Text, AfterValidator(_storage)]
BaseUrl = Annotated[Text, AfterValidator(_base_url)]
ScopeName = Annotated[str, StringConstraints(pattern=f"^{SCOPE_NAME}$"), AfterValidator(_not_a_secret)]
Reference = Annotated[SecretReference, BeforeValidator(_reference), PlainSerializer(str)]
Database = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?$")]
WorkspaceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](\.?[A-Za-z0-9_-])*$")]
CloudName = Annotated[Cloud, BeforeValidator(_cloud)]
Day = Annotated[dt.date, BeforeValidator(_date)]
Locations = Annotated[tuple[Location, ...], BeforeValidator(_split(";"))]
Scopes = Annotated[frozenset[Annotated[str, AfterValidator(_scope)]], BeforeValidator(_split(":"))]
AuditSource = Annotated[Text, AfterValidator(_audit_source)]
TableName = Annotated[Text, AfterValidator(_table)]
TableOrSystem = Annotated[Text, AfterValidator(_table_or_system)]
ConnectionString = Annotated[Text, AfterValidator(_not_a_secret), AfterValidator(_connection)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
BatchSize = Annotated[int, Field(ge=1, le=1000)]

PRICE = "a number of dollars per DBU, 0 or more"
BATCH = "a whole number from 1 to 1000"
LOCATION = "an absolute path or a URL such as s3://bucket/path, without a password in it"
STORAGE = (
    f"{LOCATION} (wasb is not supported, nor are dbfs:/ and /dbfs, where Delta's commits are not safe: give the cloud "
    "storage itself)"
)
TABLE = (
    f"'system', the location of a Delta table ({LOCATION}), or a table's name as schema.table or catalog.schema.table"
)
URL = "a URL of a host alone, such as https://dbc-1234.cloud.databricks.com"
DATABASE = "a database name of letters, digits, _ and -, or catalog.schema"
AUDIT_TABLE = "a table such as system.access.audit, or the folder of a Delta table"
CONNECTION = "a connection string without a key (Endpoint=sb://...), or a reference to it"
SCOPE = "the name of a secret scope or key: letters, digits, _, -, @ and ."
REFERENCE = f"a reference to a secret, never the secret itself: {FORMS}"


class Settings(BaseModel):
    """A part of the deployment file: immutable, without unknown fields; a known field that is null is absent."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, validate_default=True, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


def refuse(problems: Iterable[tuple[tuple[int | str, ...], str]]) -> None:
    """Raise pydantic's error with each problem, if there is any, at its place below the field that is validated."""
    details = [InitErrorDetails(type=PydanticCustomError(RULE, text), loc=at, input=None) for at, text in problems]
    if details:
        raise ValidationError.from_exception_data("settings", details)


def require(condition: object, sentence: str) -> None:
    """Refuse the field that is validated, with a sentence, unless the condition holds."""
    if not condition:
        raise PydanticCustomError(RULE, sentence)
