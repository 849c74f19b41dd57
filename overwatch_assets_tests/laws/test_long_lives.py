"""Law 10: what a load costs depends on its day, not on how long a cluster has been up."""

import dataclasses
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets_tests.laws.literal_costs import (
    AROUND,
    BRONZE,
    DAYS,
    NOW,
    PRICES,
    SEGMENTS,
    SILVER,
    STATES,
    CostShop,
    Told,
    at,
    created,
    happened,
    started,
)
from overwatch_assets_tests.laws.workshop import day_windows

pytestmark = pytest.mark.engine

TOLD = Told(
    audit=[created("endless", 0, 1, "one", workers=2), started(1, "endless", 0, 2)],
    events=[
        happened("endless", 0, 1, "CREATING"),
        happened("endless", 0, 1.5, "RUNNING", current_num_workers=2, target_num_workers=2),
        *(
            happened("endless", day, hour, "UPSIZE_COMPLETED", current_num_workers=2 + day, target_num_workers=2 + day)
            for day in range(4)
            for hour in (6, 12, 18)
        ),
    ],
    prices=[("one", 1.0, DAYS[0])],
)


def test_the_fourth_day_of_a_cluster_that_never_stops_reads_that_day(spark: SparkSession, tmp_path: Path) -> None:
    shop = CostShop(spark, tmp_path)
    shop.tell(TOLD)
    read: dict[str, list[list[dict[str, object]]]] = {}

    def spied(name: str):  # type: ignore[no-untyped-def]
        table = tables()[name]

        def transform(spans: DataFrame, *inputs: DataFrame) -> DataFrame:
            read[name] = [[row.asDict() for row in frame.collect()] for frame in (spans, *inputs)]
            return table(spans, *inputs)

        return dataclasses.replace(table, transform=transform)

    for day in DAYS:
        (window,) = day_windows([day])
        for name in (BRONZE[0], *AROUND, BRONZE[1], "job_status_silver", *PRICES, *SILVER):
            shop.runner(NOW).load(spied(name) if name in (STATES, SEGMENTS) else tables()[name], window)

    (span,), events, *_ = read[STATES]
    assert span["before_unixTimeMS_state_start"] == at(2, 18)
    assert [event["timestamp"] for event in events] == [at(3, hour) for hour in (6, 12, 18)]
    spans, states, *_ = read[SEGMENTS]
    assert sorted(str(span["segment_date"]) for span in spans) == ["2024-03-03", "2024-03-04"]
    assert min(state["unixTimeMS_state_start"] for state in states) == at(1, 18)  # type: ignore[type-var]
    costs = shop.rows(SEGMENTS)
    assert sum(costs.values()) == 2 + 12 + 1 + 3  # states, cut by the start of the run and by midnights
