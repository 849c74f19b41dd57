"""What a deployment is: its workspaces, its engine, where its tables are.

Field names, types and defaults are those of Overwatch's deployment CSV; `audit_log_format`, `audit_log_table`,
`eh_connection`, `aad_client_secret`, `cluster_log_prefixes`, `job_runs_snapshot`, `sql_query_history_path`,
`warehouse_events_source`, `sql_pro_dbu_price`, `sql_serverless_dbu_price`, `token`, `prices`, `engine` and
`external_metastore` are our own. Each field's description completes the sentence "must be ...".
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, StringConstraints, ValidationInfo, field_validator

from overwatch_assets.config.event_hub import check_event_hub
from overwatch_assets.config.fields import (
    AUDIT_TABLE,
    BATCH,
    CONNECTION,
    DATABASE,
    LOCATION,
    PRICE,
    REFERENCE,
    SCOPE,
    SCOPES,
    STORAGE,
    SYSTEM_TABLE,
    TABLE,
    URL,
    AuditSource,
    BaseUrl,
    BatchSize,
    Cloud,
    CloudName,
    ConnectionString,
    Database,
    Day,
    Location,
    Locations,
    Price,
    Reference,
    ScopeName,
    Scopes,
    Settings,
    Storage,
    TableName,
    TableOrSystem,
    Text,
    WorkspaceId,
    refuse,
    require,
)
from overwatch_assets.config.secrets import SecretReference, resolve
from overwatch_assets.errors import ConfigurationError

WAREHOUSE_EVENTS, QUERY_HISTORY = "system.compute.warehouse_events", "system.query.history"
ACCOUNT = "account"  # the partition key of account-wide sources

_FROM_API = frozenset({"clusters", "clusterEvents", "pools", "jobs", "accounts", "dbsql"})
_NEED_CLUSTERS = ("clusterEvents", "sparkEvents", "jobs")
_SECRET_SETTING = re.compile(r"secret|password|token|(access|account)[._]?key", re.IGNORECASE)  # Spark redacts these


class Workspace(Settings):
    """One monitored workspace: a row of Overwatch's CSV, an item of `workspaces` in YAML.

    `workspace_url` and `api_url` are null only if no scope reads the workspace's API.
    """

    workspace_name: Text = Field(description="a name")
    workspace_id: WorkspaceId = Field(
        description="letters, digits, _, - and . (what follows o= in the workspace's URL)"
    )
    cloud: CloudName = Field(description="AWS, Azure or GCP")
    primordial_date: Day = Field(description="the first day to load, as yyyy-MM-dd, such as 2024-04-01")
    storage_prefix: Storage = Field(description=STORAGE)
    etl_database_name: Database = Field(description=DATABASE)
    consumer_database_name: Database = Field(description=DATABASE)
    active: bool = Field(default=True, description="true or false")
    max_days: Annotated[int, Field(gt=0)] = Field(default=30, description="a whole number greater than 0")
    max_state_days: Annotated[int, Field(gt=0)] = Field(default=90, description="a whole number greater than 0")
    job_runs_snapshot: bool = Field(default=False, description="true or false")
    cluster_log_prefixes: Locations = Field(
        default=(), description=LOCATION + "; several are separated by ';' or are a YAML list"
    )
    excluded_scopes: Scopes = Field(default=frozenset(), description=f"scopes separated by ':' ({', '.join(SCOPES)})")
    workspace_url: BaseUrl | None = Field(default=None, description=URL)
    api_url: BaseUrl | None = Field(default=None, description=URL)
    auditlogprefix_source_path: AuditSource | None = Field(
        default=None, description=f"'system' or the folder of the date=... folders: {LOCATION}"
    )
    sql_query_history_path: TableOrSystem | None = Field(default=None, description=TABLE)
    warehouse_events_source: TableOrSystem | None = Field(default=None, description=TABLE)
    audit_log_format: Literal["json", "delta", "parquet", "capture"] = Field(
        default="json", description="json, delta, parquet or capture (the Avro files of Event Hubs Capture)"
    )
    audit_log_table: TableName = Field(default="system.access.audit", description=AUDIT_TABLE)

    token: Reference | None = Field(default=None, description=REFERENCE)
    secret_scope: ScopeName | None = Field(default=None, description=SCOPE)
    secret_key_dbpat: ScopeName | None = Field(default=None, description=SCOPE)
    proxy_host: Text | None = Field(default=None, description="a host name")
    proxy_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="a whole number from 1 to 65535"
    )
    proxy_password_scope: ScopeName | None = Field(default=None, description=SCOPE)
    proxy_password_key: ScopeName | None = Field(default=None, description=SCOPE)
    proxy_user_name: Text | None = Field(default=None, description="a user name")
    success_batch_size: BatchSize = Field(default=200, description=BATCH)
    error_batch_size: BatchSize = Field(default=500, description=BATCH)
    enable_unsafe_SSL: bool = Field(default=False, description="true or false")  # noqa: N815 - Overwatch's name
    thread_pool_size: Annotated[int, Field(ge=1, le=20)] = Field(default=4, description="a whole number from 1 to 20")
    api_waiting_time: Annotated[int, Field(ge=60_000, le=900_000)] = Field(
        default=300_000, description="a whole number of milliseconds from 60000 to 900000"
    )
    api_requests_per_second: Annotated[float, Field(gt=0, le=1000)] = Field(
        default=10.0, description="a number above 0 and up to 1000"
    )
    mount_mapping_path: Location | None = Field(default=None, description=LOCATION)
    interactive_dbu_price: Price = Field(default=0.55, description=PRICE)
    automated_dbu_price: Price = Field(default=0.15, description=PRICE)
    sql_compute_dbu_price: Price = Field(default=0.22, description=PRICE)
    sql_pro_dbu_price: Price | None = Field(default=None, description=PRICE)
    sql_serverless_dbu_price: Price | None = Field(default=None, description=PRICE)
    jobs_light_dbu_price: Price = Field(default=0.10, description=PRICE)
    prices: Location | None = Field(default=None, description=LOCATION)

    eh_scope_key: ScopeName | None = Field(default=None, description=SCOPE)
    eh_connection: Reference | None = Field(default=None, description=REFERENCE)
    eh_conn_string: ConnectionString | None = Field(default=None, description=CONNECTION)
    aad_tenant_id: Text | None = Field(default=None, description="the id of a tenant")
    aad_client_id: Text | None = Field(default=None, description="the id of a service principal")
    aad_client_secret_key: ScopeName | None = Field(default=None, description=SCOPE)
    aad_client_secret: Reference | None = Field(default=None, description=REFERENCE)
    aad_authority_endpoint: BaseUrl = Field(
        default="https://login.microsoftonline.com", description="a URL of a host alone"
    )
    eh_name: Text | None = Field(default=None, description="the name of an Event Hub")

    # Overwatch's other columns: checked, so that a user's file loads unchanged, and named in `unused_fields`.
    temp_dir_path: Location | None = Field(default=None, description=LOCATION)
    sql_endpoint: Annotated[str, StringConstraints(pattern=r"^/sql/1\.0/warehouses/[A-Za-z0-9]+$")] | None = Field(
        default=None, description="an HTTP path such as /sql/1.0/warehouses/abc123"
    )

    # A rule over several fields stands at the last of them; the fields before it that are wrong are not in `info.data`.

    @field_validator("workspace_id")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        require(value.lower() != ACCOUNT, f"{ACCOUNT!r} is reserved for account-wide sources")
        return value

    @field_validator("primordial_date")
    @classmethod
    def _not_after_today(cls, value: dt.date, info: ValidationInfo) -> dt.date:
        today = (info.context or {}).get("today", dt.date.max)
        require(value <= today, f"must not be after today ({today}, UTC), but is {value}")
        return value

    @field_validator("excluded_scopes")
    @classmethod
    def _keep_clusters(cls, value: frozenset[str], info: ValidationInfo) -> frozenset[str]:
        prefixes = info.data.get("cluster_log_prefixes", ("unknown",))  # which also say where event logs are
        needing = [s for s in _NEED_CLUSTERS if s not in value and not (s == "sparkEvents" and prefixes)]
        ok = "clusters" not in value or not needing
        require(ok, f"must not hold clusters without {', '.join(needing)}, which need it")
        return value

    @field_validator("workspace_url")
    @classmethod
    def _url_for_api(cls, value: str | None, info: ValidationInfo) -> str | None:
        read = _FROM_API.difference(info.data.get("excluded_scopes", _FROM_API))
        names = ", ".join(scope for scope in SCOPES if scope in read)
        require(value or not read, f"is required by the scopes {names}: {URL}")
        return value

    @field_validator("api_url")
    @classmethod
    def _api_is_workspace(cls, value: str | None, info: ValidationInfo) -> str | None:
        return value or info.data.get("workspace_url")

    @field_validator("auditlogprefix_source_path")
    @classmethod
    def _audit_log_source(cls, value: str | None, info: ValidationInfo) -> str | None:
        needed = "audit" not in info.data.get("excluded_scopes", {"audit"}) and info.data.get("cloud") in {
            Cloud.AWS,
            Cloud.GCP,
        }
        sentence = "is required on AWS and GCP unless the scope audit is excluded: the folder of the date=... folders"
        require(value or not needed, sentence)
        return value

    @field_validator("eh_name")
    @classmethod
    def _event_hub(cls, value: str | None, info: ValidationInfo) -> str | None:
        check_event_hub(value, info.data)
        return value

    @field_validator("secret_key_dbpat")
    @classmethod
    def _one_token(cls, value: str | None, info: ValidationInfo) -> str | None:
        token, scope = (info.data.get(name, "unknown") for name in ("token", "secret_scope"))
        require(not (value and token) or token == "unknown", "must be absent if token is given")  # noqa: S105
        require(not value or scope, "needs secret_scope, the scope that holds this key")
        require(value or token or not scope, "is required with secret_scope: the key of the token in it")
        return value

    @field_validator("proxy_port")
    @classmethod
    def _proxy_port(cls, value: int | None, info: ValidationInfo) -> int | None:
        require(value or not info.data.get("proxy_host"), "is required with proxy_host")
        return value

    @field_validator("proxy_user_name")
    @classmethod
    def _proxy_password(cls, value: str | None, info: ValidationInfo) -> str | None:
        complete = all(info.data.get(name, "unknown") for name in ("proxy_password_scope", "proxy_password_key"))
        require(complete or not value, "needs proxy_password_scope and proxy_password_key")
        return value

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes to load, in Overwatch's spelling: all but the excluded ones."""
        return frozenset(SCOPES) - self.excluded_scopes

    @property
    def warehouse_events_table(self) -> str | None:
        """Where the events of SQL warehouses are: a location, or the name of a table; null: nowhere.

        Where audit logs come from system tables, they do too, unless another source is given.
        """
        source = self.warehouse_events_source
        of_audit = source is None and self.auditlogprefix_source_path == SYSTEM_TABLE
        return WAREHOUSE_EVENTS if of_audit or source == SYSTEM_TABLE else source

    @property
    def sql_query_table(self) -> str | None:
        """As `warehouse_events_table`, of SQL queries; null: the API is asked."""
        return QUERY_HISTORY if self.sql_query_history_path == SYSTEM_TABLE else self.sql_query_history_path

    @property
    def token_reference(self) -> SecretReference | None:
        """Where the token of this workspace is kept; null means the SDK's own authentication."""
        if self.token or not (self.secret_scope and self.secret_key_dbpat):
            return self.token
        return SecretReference.in_scope(self.secret_scope, self.secret_key_dbpat)

    @property
    def eh_connection_reference(self) -> SecretReference | None:
        """Where the connection string of the Event Hub is kept, with its key; null means a service principal."""
        return self._referred(self.eh_connection, self.eh_scope_key)

    @property
    def aad_client_secret_reference(self) -> SecretReference | None:
        """Where the secret of the Event Hub's service principal is kept."""
        return self._referred(self.aad_client_secret, self.aad_client_secret_key)

    def _referred(self, given: SecretReference | None, key: str | None) -> SecretReference | None:
        return SecretReference.in_scope(self.secret_scope, key) if self.secret_scope and key else given

    @property
    def proxy_password_reference(self) -> SecretReference | None:
        """Where the password of the proxy's user is kept."""
        if not (self.proxy_password_scope and self.proxy_password_key):
            return None
        return SecretReference.in_scope(self.proxy_password_scope, self.proxy_password_key)

    @property
    def unused_fields(self) -> tuple[str, ...]:
        """The fields given that have no effect yet, in the order of the class."""
        given = self.model_fields_set & (
            _WITHOUT_EFFECT | (_OF_EVENT_HUB if self.auditlogprefix_source_path else set())
        )
        return tuple(name for name in type(self).model_fields if name in given)

    def table_root(self, *, external_metastore: bool) -> str:
        """Return the folder that holds this workspace's tables, one folder per table, lower case.

        With an external metastore the workspaces of a prefix share it, and tables are partitioned by `organization_id`.
        """
        parts = (
            self.storage_prefix,
            *(() if external_metastore else (self.workspace_id,)),
            f"{self.etl_database_name}.db",
        )
        return "/".join(parts)


_WITHOUT_EFFECT = frozenset({"temp_dir_path", "sql_endpoint"})
_OF_EVENT_HUB = frozenset(name for name in Workspace.model_fields if name.startswith(("eh_", "aad_")))


class EngineSettings(Settings):
    """Which Spark runs the tables. `config` is Spark configuration, where secrets are references too.

    `remote` is a Spark Connect server's `sc://host:port/;name=value`; its token is `token`, not a part of the URL.
    """

    kind: Literal["sail", "spark", "databricks"] = Field(default="sail", description="sail, spark or databricks")
    remote: Annotated[str, StringConstraints(pattern=r"^sc://[^/;@\s]+(/(;[^=;\s]+=[^;\s]*)*)?$")] | None = Field(
        default=None, description="a Spark Connect URL such as sc://host:15002, with its token in engine.token"
    )
    token: Reference | None = Field(default=None, description=REFERENCE)
    config: dict[str, str] = Field(default={}, description="a mapping of Spark settings to texts")

    @field_validator("remote")
    @classmethod
    def _remote_of_kind(cls, value: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("kind")
        secret = value is not None and ";token=" in value.lower()
        require(not secret, "must not hold a token (it is not shown): give engine.token, a reference to it")
        require(not (value and kind == "sail"), "is for the engines spark and databricks; sail runs in-process")
        require(value or kind != "databricks", "is required by the engine databricks: sc://<host>:443/;...")
        return value

    @field_validator("token")
    @classmethod
    def _token_of_remote(cls, value: SecretReference | None, info: ValidationInfo) -> SecretReference | None:
        require(info.data.get("remote", "unknown") or not value, "is for an engine with remote")
        return value

    @field_validator("config")
    @classmethod
    def _no_secret_values(cls, value: dict[str, str]) -> dict[str, str]:
        plain = [name for name, setting in value.items() if _SECRET_SETTING.search(name) and not _is_reference(setting)]
        refuse(((name,), f"must be {REFERENCE} (the value is not shown)") for name in plain)
        return value

    def remote_url(self, secret: Callable[[SecretReference], SecretStr] = resolve) -> SecretStr | None:
        """Return `remote` with its token, read by `secret`; null if the engine starts in this process or machine.

        Raises ConfigurationError if the token cannot be read.
        """
        if not (self.remote and self.token):
            return SecretStr(self.remote) if self.remote else None
        base = self.remote if urlsplit(self.remote).path else f"{self.remote}/"
        return SecretStr(f"{base};token={quote(secret(self.token).get_secret_value(), safe='')}")

    def spark_config(self, secret: Callable[[SecretReference], SecretStr] = resolve) -> dict[str, str]:
        """Return `config` with its secrets read by `secret`; not to be logged.

        Raises ConfigurationError if a secret cannot be read.
        """
        return {
            name: secret(SecretReference(value)).get_secret_value() if _holds_secret(name, value) else value
            for name, value in self.config.items()
        }


class Deployment(Settings):
    """The whole deployment file. Active workspaces have different ids and the same databases; prefixes may differ."""

    engine: EngineSettings = Field(
        default_factory=EngineSettings, description="a mapping with kind, remote, token and config"
    )
    external_metastore: bool = Field(default=False, description="true or false")
    workspaces: tuple[Workspace, ...] = Field(description="a list of workspaces")

    @field_validator("workspaces")
    @classmethod
    def _rows_agree(cls, rows: tuple[Workspace, ...]) -> tuple[Workspace, ...]:
        active = [(index, row) for index, row in enumerate(rows) if row.active]
        problems: list[tuple[tuple[int | str, ...], str]] = [] if active else [((), "has no active workspace")]
        seen: dict[str, str] = {}
        for index, row in active:
            if row.workspace_id in seen:
                twin = seen[row.workspace_id]
                problems.append(((index, "workspace_id"), f"{row.workspace_id} is also the id of workspace {twin!r}"))
            seen.setdefault(row.workspace_id, row.workspace_name)
            problems += [
                ((index, name), "must be the same for all active workspaces")
                for name in ("etl_database_name", "consumer_database_name")
                if getattr(row, name) != getattr(active[0][1], name)
            ]
        refuse(problems)
        return rows

    @property
    def active_workspaces(self) -> tuple[Workspace, ...]:
        """The workspaces to load, in the order of the file."""
        return tuple(row for row in self.workspaces if row.active)

    @property
    def earliest_primordial_date(self) -> dt.date:
        """The first day of the deployment's partitions."""
        return min(row.primordial_date for row in self.active_workspaces)

    @property
    def etl_database_name(self) -> str:
        """The database of the bronze, silver and gold tables."""
        return self.active_workspaces[0].etl_database_name

    @property
    def consumer_database_name(self) -> str:
        """The database of the consumer views."""
        return self.active_workspaces[0].consumer_database_name

    @property
    def unused_fields(self) -> dict[str, tuple[str, ...]]:
        """The fields given that have no effect yet, with the ids of the active workspaces that give them."""
        return {
            name: tuple(row.workspace_id for row in self.active_workspaces if name in row.unused_fields)
            for name in Workspace.model_fields
            if any(name in row.unused_fields for row in self.active_workspaces)
        }

    def workspace(self, workspace_id: str) -> Workspace:
        """Return the active workspace with this id.

        Raises ConfigurationError if there is none.
        """
        for row in self.active_workspaces:
            if row.workspace_id == workspace_id:
                return row
        if any(row.workspace_id == workspace_id for row in self.workspaces):
            raise ConfigurationError(
                f"Workspace {workspace_id} is not active: set active to true in the deployment file."
            )
        known = ", ".join(row.workspace_id for row in self.active_workspaces)
        raise ConfigurationError(f"Workspace {workspace_id} is not in the deployment file, which has {known}.")

    def chosen(self, wanted: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the ids of the active workspaces of some ids or names, in the file's order; without any, of all.

        Raises ConfigurationError if one of them is not an active workspace.
        """
        named = {row.workspace_name: row.workspace_id for row in self.active_workspaces}
        asked = {self.workspace(named.get(each, each)).workspace_id for each in wanted}
        return tuple(row.workspace_id for row in self.active_workspaces if row.workspace_id in asked or not asked)

    def table_root(self, workspace_id: str) -> str:
        """Return the folder that holds the tables of one active workspace.

        Raises ConfigurationError if there is no such workspace.
        """
        return self.workspace(workspace_id).table_root(external_metastore=self.external_metastore)


def _is_reference(value: str) -> bool:
    try:
        SecretReference(value)
    except ValueError:
        return False
    return True


def _holds_secret(name: str, value: str) -> bool:
    # Databricks takes {{secrets/...}} in any Spark setting; file:/... in an ordinary one is a location.
    return bool(_SECRET_SETTING.search(name)) or (value.startswith("{{secrets/") and _is_reference(value))
