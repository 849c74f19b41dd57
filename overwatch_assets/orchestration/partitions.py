"""One definition of partitions for every table: date by workspace."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.instance.types import DynamicPartitionsStore

from overwatch_assets.config.deployment import ACCOUNT, Deployment
from overwatch_assets.contract.table import Table
from overwatch_assets.errors import ConfigurationError

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
WORKSPACE_TAG = "overwatch/workspace"
_PARTITION = "dagster/partition"

Days = dict[str, list[dt.date]]


class DateByWorkspace(dg.MultiPartitionsDefinition):
    """Days by workspaces. Their keys change at midnight (UTC), so they are listed once a day.

    Dagster lists them all for each result of a check, and those of a run for each partition that it made, always anew,
    because the clock has moved on: of two years and three workspaces that is two hundredths of a second each time.
    """

    def get_partition_keys(
        self, current_time: dt.datetime | None = None, dynamic_partitions_store: DynamicPartitionsStore | None = None
    ) -> Sequence[dg.MultiPartitionKey]:
        """Return all keys, as Dagster does."""
        with partition_loading_context(current_time, dynamic_partitions_store) as context:
            return self._get_partition_keys(_midnight(context.effective_dt))

    def get_partition_keys_in_range(  # type: ignore[override]  # as Dagster's own does
        self,
        partition_key_range: dg.PartitionKeyRange,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        """Return the keys of a range, as Dagster does."""
        with partition_loading_context(None, dynamic_partitions_store) as context:
            return self._in_range(partition_key_range, _midnight(context.effective_dt))

    @lru_cache(maxsize=8)  # noqa: B019 - the definition lives as long as the process
    def _in_range(self, chosen: dg.PartitionKeyRange, _today: dt.datetime) -> Sequence[str]:
        return super().get_partition_keys_in_range(chosen)


def _midnight(now: dt.datetime) -> dt.datetime:
    return now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def partitions_of(deployment: Deployment, today: dt.date | None = None) -> dg.MultiPartitionsDefinition:
    """Define days from the earliest primordial date to today (UTC), by active workspace and the reserved `account`.

    Args:
        deployment: the workspaces.
        today: where a stated clock stands, such as the demo's; None: today moves on with the clock.
    """
    end = None if today is None else (today + dt.timedelta(days=1)).isoformat()
    return DateByWorkspace(
        {
            "date": dg.DailyPartitionsDefinition(
                start_date=deployment.earliest_primordial_date.isoformat(),
                end_date=end,
                end_offset=0 if end else 1,
                timezone="UTC",
            ),
            "workspace": dg.StaticPartitionsDefinition(
                [*(w.workspace_id for w in deployment.active_workspaces), ACCOUNT]
            ),
        }
    )


def key_of(day: dt.date, workspace_id: str) -> str:
    """Return a partition's key; Dagster puts the dimensions in the order of their names."""
    return f"{day.isoformat()}|{workspace_id}"


def split(keys: Iterable[str], table: Table) -> Days:
    """Group a step's partition keys: days by workspace, both in order.

    Raises:
        ConfigurationError: no key at all. A range whose workspaces run backwards has none, and Dagster calls it done.
    """
    days = _grouped(keys)
    if not days:
        raise ConfigurationError(
            f"{table.name}: the run has no partition. Choose some; of a range, give the start before the end, in "
            "days and in the deployment's order of workspaces"
        )
    return days


def of_run(tags: Mapping[str, str], partitions: dg.MultiPartitionsDefinition) -> Days | None:
    """Tell the partitions of a run from its tags; None: a run without partitions."""
    if RANGE_START in tags:
        chosen = dg.PartitionKeyRange(tags[RANGE_START], tags[RANGE_END])
        return _grouped(partitions.get_partition_keys_in_range(chosen))
    return _grouped([tags[_PARTITION]]) if _PARTITION in tags else None


def _grouped(keys: Iterable[str]) -> Days:
    days: Days = {}
    for key in sorted(keys):
        day, _, workspace_id = key.partition("|")
        days.setdefault(workspace_id, []).append(dt.date.fromisoformat(day))
    return dict(sorted(days.items()))


def range_tags(workspace_id: str, first: dt.date, last: dt.date) -> dict[str, str]:
    """Return run tags that ask for some days of one workspace, in one run."""
    return {
        RANGE_START: key_of(first, workspace_id),
        RANGE_END: key_of(last, workspace_id),
        WORKSPACE_TAG: workspace_id,
    }
