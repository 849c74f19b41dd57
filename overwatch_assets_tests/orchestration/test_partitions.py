"""The partitions' keys are Dagster's own, whatever the time."""

import datetime as dt

import dagster as dg
import pytest

from overwatch_assets.orchestration.partitions import DateByWorkspace

EVENING, MIDNIGHT = dt.datetime(2024, 5, 3, 23, 59, 59, tzinfo=dt.UTC), dt.datetime(2024, 5, 4, tzinfo=dt.UTC)


def dimensions() -> dict[str, dg.PartitionsDefinition[str]]:
    return {
        "date": dg.DailyPartitionsDefinition(start_date="2024-05-01", timezone="UTC", end_offset=1),
        "workspace": dg.StaticPartitionsDefinition(["123", "account"]),
    }


def test_a_day_is_added_at_midnight() -> None:
    ours, theirs = DateByWorkspace(dimensions()), dg.MultiPartitionsDefinition(dimensions())
    for now, days in ((EVENING, 3), (MIDNIGHT, 4), (EVENING, 3)):
        keys = ours.get_partition_keys(now)
        assert keys == theirs.get_partition_keys(now)
        assert [*keys] == [f"2024-05-0{day}|{w}" for day in range(1, days + 1) for w in ("123", "account")]


def test_they_are_listed_once_a_day() -> None:
    ours = DateByWorkspace(dimensions())
    assert ours.get_partition_keys(EVENING) is ours.get_partition_keys(EVENING - dt.timedelta(hours=23))


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2024-05-01|123", "2024-05-02|123", ["2024-05-01|123", "2024-05-02|123"]),
        ("2024-05-02|123", "2024-05-02|account", ["2024-05-02|123", "2024-05-02|account"]),
        ("2024-05-02|account", "2024-05-02|123", []),
    ],
)
def test_ranges(first: str, last: str, expected: list[str]) -> None:
    chosen = dg.PartitionKeyRange(first, last)
    ours, theirs = DateByWorkspace(dimensions()), dg.MultiPartitionsDefinition(dimensions())
    assert [*ours.get_partition_keys_in_range(chosen)] == [*theirs.get_partition_keys_in_range(chosen)] == expected
    assert ours == theirs, "the same partitions, so lineage and backfills go on"
