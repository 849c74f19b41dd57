"""What runs borrow: the Spark session, and a client for each workspace's API."""

import datetime as dt
import re
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import dagster as dg
from dagster_databricks import DatabricksClientResource
from dagster_pyspark import LazyPySparkResource
from dagster_spark.utils import flatten_dict
from databricks.sdk.core import Config, CredentialsStrategy
from pydantic import Field, PrivateAttr
from pyspark.sql import SparkSession

from overwatch_assets.config.deployment import Deployment
from overwatch_assets.config.secrets import SecretReference, resolve
from overwatch_assets.contract.table import Table
from overwatch_assets.engine.session import session
from overwatch_assets.errors import OverwatchError
from overwatch_assets.orchestration import settings
from overwatch_assets.runner.known import Known
from overwatch_assets.runner.platform import Platform
from overwatch_assets.runner.staleness import State


class SparkResource(LazyPySparkResource):
    """One Spark Connect session for a run, on the deployment's engine, started when it is first used.

    Configuration and interface are those of dagster-pyspark's `LazyPySparkResource`; it adds what Spark Connect needs:
    the engine's server is started here, and stopped with the run.
    """

    spark_config: dict[str, Any] = Field(
        default={}, description="Spark settings of the session, on top of the deployment's `engine.config`."
    )
    deployment_path: str | None = Field(
        default=None, description="The deployment file; without it the one that OVERWATCH_DEPLOYMENT names."
    )
    _stack: ExitStack | None = PrivateAttr(default=None)
    _platform: Platform | None = PrivateAttr(default=None)
    _unread: dict[str, OverwatchError] = PrivateAttr(default_factory=dict)
    _now: dt.datetime | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["SparkResource"]:
        """Lend the resource to a run, read the clock once for it, and stop what was started."""
        self._now = settings.now(context.run.tags if context.run else None)
        with ExitStack() as stack:
            self._stack = stack
            try:
                yield self
            finally:
                self._spark_session = self._platform = self._stack = None

    @property
    def deployment(self) -> Deployment:
        """The deployment."""
        return settings.deployment(self.deployment_path or settings.deployment_path())

    @property
    def now(self) -> dt.datetime:
        """The `now` of the run."""
        assert self._now is not None  # noqa: S101 - Dagster has lent the resource by now
        return self._now

    @property
    def platform(self) -> Platform:
        """The deployment's workspaces on the run's session."""
        if self._platform is None:
            self._platform = Platform(self.deployment, self.spark_session)
        return self._platform

    def states(
        self, tables: Sequence[Table], *, required: Container[str]
    ) -> tuple[dict[str, State], dict[str, OverwatchError]]:
        """Return what some tables have loaded, by active workspace.

        And of which workspaces that are not ``required`` it cannot be read, with the reason: those are not tried again
        in a run.

        Raises:
            StorageError: it cannot be read of one that is.
        """
        found: dict[str, State] = {}
        for workspace_id in (w.workspace_id for w in self.deployment.active_workspaces):
            if workspace_id in self._unread:
                continue
            try:
                found[workspace_id] = Known.of(self.platform.store(workspace_id)).state(tables)
            except OverwatchError as error:
                if workspace_id in required:
                    raise
                self._unread[workspace_id] = error
        return found, self._unread

    def _init_session(self) -> None:
        if self._spark_session is None:
            assert self._stack is not None  # noqa: S101 - as above
            self._spark_session = self._stack.enter_context(_started(self.deployment, self.spark_config))


def _started(deployment: Deployment, config: dict[str, Any]) -> AbstractContextManager[SparkSession]:
    engine = deployment.engine
    remote = engine.remote_url()
    return session(
        engine.kind,
        remote=None if remote is None else remote.get_secret_value(),
        config={**engine.spark_config(), **{name: str(value) for name, value in flatten_dict(config)}},  # type: ignore[no-untyped-call]  # published without types
    )


class ReferencedToken(CredentialsStrategy):
    """Signs in with the token that a reference names. It is read when a client is made, and is never configuration."""

    def __init__(self, reference: SecretReference) -> None:
        self._reference = reference

    def auth_type(self) -> str:
        """Return the SDK's name of personal access tokens."""
        return "pat"

    def __call__(self, cfg: Config) -> Callable[[], dict[str, str]]:
        """Return what gives the headers of a request."""
        token = resolve(self._reference).get_secret_value()
        return lambda: {"Authorization": f"Bearer {token}"}


def client_resources(deployment: Deployment) -> dict[str, DatabricksClientResource]:
    """Make `databricks_<workspace id>` for each workspace with an API and a token."""
    return {
        client_key(w.workspace_id): DatabricksClientResource(
            host=w.api_url, credentials_strategy=ReferencedToken(w.token_reference)
        )
        for w in deployment.active_workspaces
        if w.api_url is not None and w.token_reference is not None
    }


def client_key(workspace_id: str) -> str:
    """Return the key of a workspace's client among the resources."""
    return "databricks_" + re.sub(r"\W", "_", workspace_id)
