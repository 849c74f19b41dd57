"""Literal rows of consumer views, and what a named query answers over them."""

import datetime as dt
from typing import Any

from pyspark.sql import SparkSession

from overwatch_assets.cli.output import plain_rows
from overwatch_assets.consumer.named_queries import named_queries
from overwatch_assets.consumer.views import names

DAY, NEXT = dt.date(2024, 5, 1), dt.date(2024, 5, 2)
HOUR = 3_600_000
START = 1_714_521_600_000  # midnight that begins DAY
OF = {"organization_id": "1", "workspace_name": "w"}
PRICED = {"driver_compute_cost": 0.0, "driver_dbu_cost": 0.0, "worker_compute_cost": 0.0, "worker_dbu_cost": 0.0}

Row = dict[str, Any]


def answer(spark: SparkSession, name: str, tables: dict[str, list[Row]], **given: object) -> list[tuple[Any, ...]]:
    """The rows of a query over views with these rows; all other views are empty."""
    sql = named_queries()[name].sql(given)
    for view, table in names().items():
        if view in sql:
            rows = [{**OF, **row} for row in tables.get(view, [])]
            spark.createDataFrame(rows, table.schema).createOrReplaceTempView(view)
    return [tuple(row.values()) for row in plain_rows(spark.sql(sql).toArrow().combine_chunks())]


def day(cluster: str, date: dt.date, cost: float, **more: Any) -> Row:
    """A cluster's day."""
    total = {
        "total_cost": cost,
        "total_dbu_cost": cost,
        "total_compute_cost": 0.0,
        "total_dbus": cost,
        "idle_cost": 0.0,
    }
    return {"cluster_id": cluster, "date": date, **PRICED, **total, **more}


def state(cluster: str, start: int, end: int, name: str = "RUNNING", **more: Any) -> Row:
    """A cluster's state, from and until hours after START."""
    first, last = (dt.date.fromordinal(DAY.toordinal() + int(h // 24)) for h in (start, max(start, end - 1e-6)))
    days = [dt.date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1)]
    return {
        "cluster_id": cluster,
        "state": name,
        "state_start_date": first,
        "unixTimeMS_state_start": START + round(start * HOUR),
        "unixTimeMS_state_end": START + round(end * HOUR) - 1,
        "state_dates": days,
        "uptime_in_state_H": float(end - start),
        "isAutomated": False,
        "sku": "interactive",
        **more,
    }


def run(run_id: int, job: int, start: float, end: float, result: str | None, **more: Any) -> Row:
    """A run, from and until hours after START."""
    at = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    span = {
        "startEpochMS": START + round(start * HOUR),
        "startTS": at + dt.timedelta(hours=start),
        "endEpochMS": START + round(end * HOUR),
        "runTimeH": end - start,
    }
    more = {"job_run_id": run_id, **more}
    return {"run_id": run_id, "job_id": job, "task_key": "t", "task_runtime": span, "terminal_state": result, **more}


def run_day(run_id: int, job: int, start: float, date: dt.date, cost: float, **more: Any) -> Row:
    """What a run cost on a day."""
    at = {"date": date, "startEpochMS": START + round(start * HOUR), "cluster_id": "c", "hours": 1.0}
    return {"run_id": run_id, "job_id": job, "job_run_id": run_id, **at, **PRICED, "total_cost": cost, **more}


def task(task_id: int, stage: int, ms: int, reason: str | None = "Success", **metrics: Any) -> Row:
    """A task of a stage."""
    return {
        "cluster_id": "c",
        "spark_context_id": "s",
        "stage_id": stage,
        "stage_attempt_id": 0,
        "task_id": task_id,
        "date": DAY,
        "task_runtime": {"runTimeMS": ms},
        "task_metrics": metrics or None,
        "task_end_reason": None if reason is None else {"Reason": reason},
        "resubmissions": 0,
    }


def stage(stage_id: int, ms: int) -> Row:
    at = {"cluster_id": "c", "spark_context_id": "s", "stage_id": stage_id, "stage_attempt_id": 0, "unixTimeMS": ms}
    return {**at, "stage_info": {"StageName": f"stage {stage_id}"}}


def spark_job(job_id: int, ms: int, stages: list[int], **more: Any) -> Row:
    at = {"cluster_id": "c", "spark_context_id": "s", "job_id": job_id, "unixTimeMS": ms, "stage_ids": stages}
    return {**at, "date": DAY, **more}
