"""Where Dagster finds the deployment file, and what time it is."""

import datetime as dt
import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from overwatch_assets.config.deployment import Deployment
from overwatch_assets.config.loading import VARIABLE, deployment_path_from_env, load_deployment
from overwatch_assets.errors import ConfigurationError

logger = logging.getLogger(__name__)

NOW_TAG = "overwatch/now"
NOW_VARIABLE = "OVERWATCH_NOW"
_DEMO = Path(".overwatch/demo/deployment.yaml")  # where `overwatch demo` leaves it


def deployment_path() -> str:
    """Return the file that OVERWATCH_DEPLOYMENT names, else the demo's if one was made in this folder.

    Raises:
        ConfigurationError: the variable is not set, and there is no demo.
    """
    if not os.environ.get(VARIABLE, "").strip() and _DEMO.exists():
        logger.warning("%s is not set: showing the demo, %s", VARIABLE, _DEMO)
        return str(_DEMO.resolve())
    return deployment_path_from_env()


@cache
def deployment(path: str) -> Deployment:
    """Read the deployment file, once.

    Raises:
        ConfigurationError: the file is missing or wrong; one line for each wrong field.
    """
    return load_deployment(path, today=now().date())


def stated_day() -> dt.date | None:
    """Return the day on which a clock stands that OVERWATCH_NOW stopped in the past; None: it goes."""
    day = now().date()
    return day if day < dt.datetime.now(dt.UTC).date() else None


def now(tags: Mapping[str, str] | None = None) -> dt.datetime:
    """Return the time that a run or tick takes as its `now`, UTC.

    The run's tag `overwatch/now`, else the variable OVERWATCH_NOW (the demo loads its story at times of its own), else
    the clock. Both are ISO times with a zone, such as 2024-05-02T06:00:00Z.

    Raises:
        ConfigurationError: what is given is no such time.
    """
    stated = (tags or {}).get(NOW_TAG) or os.environ.get(NOW_VARIABLE, "").strip()
    if not stated:
        return dt.datetime.now(dt.UTC)
    try:
        moment = dt.datetime.fromisoformat(stated)
    except ValueError:
        moment = dt.datetime.min  # noqa: DTZ901 - fails below, like a time without a zone
    if moment.tzinfo is None:
        raise ConfigurationError(
            f"The tag {NOW_TAG} or the variable {NOW_VARIABLE} must be an ISO time with a zone, such as "
            f"2024-05-02T06:00:00Z, not {stated!r}"
        )
    return moment.astimezone(dt.UTC)
