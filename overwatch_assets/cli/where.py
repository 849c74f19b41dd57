"""Which tables a command is about: a deployment file, or a folder that `load-event-logs` wrote."""

import datetime as dt
import os
from pathlib import Path

from pydantic import ValidationError

from overwatch_assets.config.deployment import Deployment, Workspace
from overwatch_assets.config.fields import SCOPES
from overwatch_assets.config.loading import VARIABLE, load_deployment
from overwatch_assets.errors import ConfigurationError, StorageError

DEMO_HOME = Path(".overwatch/demo")
DATABASE = "overwatch"
_EPOCH = dt.date(1970, 1, 1)
_OPTIONS = {
    "workspace_id": "--organization-id",
    "storage_prefix": "--storage",
    "cluster_log_prefixes": "PATH",
}


def absolute(path: str) -> str:
    """Write a path as the engines want it: URLs as they are, local paths from the root."""
    is_url = "://" in path or path.startswith("dbfs:/")
    return path if is_url else os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links


def deployment_file(option: str | None) -> str:
    """Find the deployment file: the option, else OVERWATCH_DEPLOYMENT, else the demo's.

    Raises:
        ConfigurationError: there is none of the three.
    """
    demo = DEMO_HOME / "deployment.yaml"
    found = option or os.environ.get(VARIABLE, "").strip() or (str(demo) if demo.exists() else "")
    if not found:
        raise ConfigurationError(
            f"Which deployment? Give --deployment FILE, set {VARIABLE}, or run `overwatch demo` here first"
        )
    return found


def deployment_of(option: str | None, storage: str | None = None) -> Deployment:
    """Load the deployment that a command is about.

    Raises:
        ConfigurationError: none is named, two are, or its file is wrong.
        StorageError: there are no tables under the storage folder.
    """
    if storage is None:
        return load_deployment(deployment_file(option), today=dt.datetime.now(dt.UTC).date())
    if option is not None:
        raise ConfigurationError("Give --deployment or --storage, not both")
    return _of_storage(absolute(storage))


def spark_only(storage: str, organization_id: str, paths: tuple[str, ...], database: str = DATABASE) -> Workspace:
    """Make a workspace of which only the event logs at some paths are known.

    Raises:
        ConfigurationError: an option is not what it must be.
    """
    try:
        return Workspace.model_validate(
            {
                "workspace_name": organization_id,
                "workspace_id": organization_id,
                "cloud": "AWS",  # of no effect without audit logs
                "primordial_date": _EPOCH.isoformat(),
                "storage_prefix": absolute(storage),
                "etl_database_name": database,
                "consumer_database_name": database,
                "max_days": 100_000,
                "excluded_scopes": ":".join(s for s in SCOPES if s != "sparkEvents" or not paths),
                "cluster_log_prefixes": [absolute(p) for p in paths],
            }
        )
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        meaning = Workspace.model_fields[name].description
        raise ConfigurationError(f"{_OPTIONS.get(name, name)} must be {meaning}") from None


def _of_storage(storage: str) -> Deployment:
    import fsspec  # noqa: PLC0415 - a slow import

    fs, root = fsspec.core.url_to_fs(storage)
    found = sorted(tuple(str(p).rstrip("/").rsplit("/", 2)[-2:]) for p in fs.glob(f"{root.rstrip('/')}/*/*.db"))
    databases = {folder.removesuffix(".db") for _, folder in found}
    if not found:
        raise StorageError(
            f"There are no workspaces' tables under {storage}: `overwatch load-event-logs PATH --storage {storage}` "
            "makes them; tables of an external metastore are found with --deployment"
        )
    if len(databases) > 1:
        raise StorageError(
            f"{storage} holds several databases ({', '.join(sorted(databases))}): name one deployment with --deployment"
        )
    return Deployment(workspaces=tuple(spark_only(storage, i, (), folder.removesuffix(".db")) for i, folder in found))
