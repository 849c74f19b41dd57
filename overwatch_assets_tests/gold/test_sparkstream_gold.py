"""gold.md 3.3."""

from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.gold.sparkstream_gold import sparkstream_gold
from overwatch_assets.silver.spark_executions_silver import spark_executions_silver
from overwatch_assets_tests.event_lines import CLUSTER, CONTEXT, bronze, rows

pytestmark = pytest.mark.engine

NOON = 1714564800000  # 2024-05-01T12:00Z
_QUERY = "org.apache.spark.sql.streaming.StreamingQueryListener$Query"


def started(name: str = '"orders"', run: str = "r-1", second: int = 0) -> str:
    return (
        f'{{"Event":"{_QUERY}StartedEvent","id":"q-1","runId":"{run}","name":{name},'
        f'"timestamp":"2024-05-01T12:00:{second:02}.000Z"}}'
    )


def progressed(batch: int, second: int, *, run: str = "r-1", rows: int = 5, state: str = "[]") -> str:
    return (
        f'{{"Event":"{_QUERY}ProgressEvent","progress":{{"id":"q-1","runId":"{run}","name":"orders",'
        f'"timestamp":"2024-05-01T12:00:{second:02}.250Z","batchId":{batch},"batchDuration":90,'
        f'"durationMs":{{"addBatch":70}},"eventTime":{{"watermark":"1970-01-01T00:00:00.000Z"}},"stateOperators":{state},'
        f'"sources":[{{"description":"Rate","numInputRows":{rows}}}],"sink":{{"description":"Delta","numOutputRows":-1}}}}}}'
    )


def idle(second: int) -> str:
    return f'{{"Event":"{_QUERY}IdleEvent","id":"q-1","runId":"r-1","timestamp":"2024-05-01T12:00:{second:02}.000Z"}}'


def terminated() -> str:
    return (
        f'{{"Event":"{_QUERY}TerminatedEvent","id":"q-1","runId":"r-1","exception":null,"errorClassOnException":null}}'
    )


def execution(number: int, batch: int | str, run: str = "r-1") -> str:
    return (
        '{"Event":"org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart",'
        f'"executionId":{number},"description":"orders<br/>id = q-1<br/>runId = {run}<br/>batch = {batch}","time":{NOON}}}'
    )


def stream(spark: SparkSession, *lines: str) -> list[dict[str, Any]]:
    events = bronze(spark, *lines)
    only = events.where(f"Event in ('{_QUERY}StartedEvent', '{_QUERY}ProgressEvent', '{_QUERY}IdleEvent')")
    executions = spark_executions_silver(spans=events, spark_events_bronze=events.where("executionId is not null"))
    frame = sparkstream_gold(spans=events, spark_events_bronze=only, spark_executions_silver=executions)
    return sorted(rows(frame), key=lambda r: (r["stream_run_id"], r["stream_timestamp"]))


def test_the_events_read_are_starts_progress_and_idling_but_no_termination() -> None:
    (events, _) = (sparkstream_gold.inputs[name][0] for name in ("spark_events_bronze", "spark_executions_silver"))
    assert events.only == {"Event": (f"{_QUERY}StartedEvent", f"{_QUERY}ProgressEvent", f"{_QUERY}IdleEvent")}  # type: ignore[union-attr]  # Events


def test_a_run_from_its_start_over_its_batches(spark: SparkSession) -> None:
    start, first, second = stream(spark, started(), progressed(0, 1), progressed(1, 2))
    assert (start["streamSegment"], start["stream_batch_id"], start["streaming_metrics"]) == ("Started", -1, None)
    assert (start["stream_timestamp"], str(start["date"])) == (float(NOON), "2024-05-01")
    assert [(r["streamSegment"], r["stream_batch_id"]) for r in (first, second)] == [
        ("Progressed", 0),
        ("Progressed", 1),
    ]
    assert first["stream_timestamp"] == NOON + 1250.0, "milliseconds are kept"
    for row in (start, first, second):
        assert (row["cluster_id"], row["spark_context_id"]) == (CLUSTER, CONTEXT)
        assert (row["stream_id"], row["stream_run_id"], row["stream_name"]) == ("q-1", "r-1", "orders")


def test_what_spark_leaves_open_stays_json(spark: SparkSession) -> None:
    (row,) = stream(spark, progressed(0, 1, state='[{"numRowsTotal":3}]'))
    metrics = row["streaming_metrics"]
    assert (metrics["batchId"], metrics["batchDuration"], metrics["durationMs"]) == (0, 90, '{"addBatch":70}')
    assert metrics["stateOperators"] == '[{"numRowsTotal":3}]'
    assert metrics["sink"] == '{"description":"Delta","numOutputRows":-1}'
    assert metrics["eventTime"]["watermark"] == "1970-01-01T00:00:00.000Z"


def test_a_query_without_state_has_none(spark: SparkSession) -> None:
    (row,) = stream(spark, progressed(0, 1))
    assert row["streaming_metrics"]["stateOperators"] is None


def test_a_start_counts_though_no_progress_was_reported_yet(spark: SparkSession) -> None:
    (row,) = stream(spark, started(), terminated())
    assert (row["streamSegment"], row["stream_name"]) == ("Started", "orders")


def test_a_query_without_a_name(spark: SparkSession) -> None:
    (row,) = stream(spark, started(name="null"))
    assert row["stream_name"] is None


def test_idling_is_of_no_segment_and_no_batch(spark: SparkSession) -> None:
    (row,) = stream(spark, idle(7))
    assert (row["streamSegment"], row["stream_batch_id"], row["stream_run_id"]) == (None, -1, "r-1")
    assert row["stream_timestamp"] == NOON + 7000.0


def test_two_reports_of_one_moment_are_one_row_whatever_their_order(spark: SparkSession) -> None:
    lines = [progressed(0, 1, rows=5), progressed(0, 1, rows=6)]
    (one,), (other,) = stream(spark, *lines), stream(spark, *reversed(lines))
    assert one["streaming_metrics"] == other["streaming_metrics"]


def test_a_batch_lists_its_executions_once_and_in_order(spark: SparkSession) -> None:
    lines = [execution(9, 1), execution(4, 1), execution(5, 0), execution(6, 1, run="r-2"), execution(7, "init")]
    found = stream(spark, started(), progressed(0, 1), progressed(1, 2), *lines)
    assert [(r["stream_batch_id"], r["execution_ids"]) for r in found] == [(-1, None), (0, [5]), (1, [4, 9])]


def test_a_restarted_query_is_another_run(spark: SparkSession) -> None:
    found = stream(spark, started(), progressed(0, 1), started(run="r-2", second=3), progressed(0, 4, run="r-2"))
    assert [(r["stream_id"], r["stream_run_id"], r["stream_batch_id"]) for r in found] == [
        ("q-1", "r-1", -1),
        ("q-1", "r-1", 0),
        ("q-1", "r-2", -1),
        ("q-1", "r-2", 0),
    ]
