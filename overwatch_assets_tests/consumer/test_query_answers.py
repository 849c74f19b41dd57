"""What named queries answer over literal rows, worked out by hand."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets_tests.consumer.query_rows import (
    DAY,
    HOUR,
    NEXT,
    PRICED,
    START,
    Row,
    answer,
    day,
    run,
    run_day,
    spark_job,
    stage,
    state,
    task,
)

pytestmark = pytest.mark.engine


def test_money_of_warehouses_is_cut_at_midnight_and_missing_prices_are_counted(spark: SparkSession) -> None:
    over_midnight = {  # 22:00 to 02:00 at 2 dollars an hour, and a size without price
        "warehouse_id": "h",
        "state": "RUNNING",
        "state_start_date": DAY,
        "state_dates": [DAY, NEXT],
        "unixTimeMS_state_start": START + 22 * HOUR,
        "unixTimeMS_state_end": START + 26 * HOUR - 1,
    }
    priced = {"driver_compute_cost": 0.0, "worker_compute_cost": 0.0, "total_compute_cost": 0.0, "total_dbus": 16.0}
    tables = {
        "clusterCostDaily": [day("c", DAY, 1.5), day("d", NEXT, 0.25, driver_compute_cost=None)],
        "warehouseStateFact": [
            {**over_midnight, **priced, "total_DBU_cost": 8.0, "total_cost": 8.0},
            {**over_midnight, "warehouse_id": "x"},
        ],
    }
    assert answer(spark, "cost_by_workspace_and_day", tables) == [
        (DAY, "w", "1", 9.5, 5.5, 0.0, 5.5, 1),
        (NEXT, "w", "1", 8.25, 4.25, 0.0, 4.25, 2),
    ]
    assert answer(spark, "cost_by_workspace", tables, **{"from": NEXT}) == [("w", "1", 1, 0.25, 0.0, 4.0, 4.25, 2)]


def test_tags_add_up_with_the_rest_of_their_key(spark: SparkSession) -> None:
    tables = {
        "clusterCostDaily": [day("c", DAY, 3.0), day("c", NEXT, 4.0), day("d", DAY, 1.0)],
        "clusterStateFact": [
            state("c", 0, 24, custom_tags='{"team":"a","env":"x"}'),
            state("c", 24, 48, custom_tags='{"team":"b"}'),
            state("d", 0, 24),
        ],
    }
    assert answer(spark, "cost_by_tag", tables) == [
        ("w", "1", "env", None, 2, 5.0, 0),
        ("w", "1", "env", "x", 1, 3.0, 0),
        ("w", "1", "team", "b", 1, 4.0, 0),
        ("w", "1", "team", "a", 1, 3.0, 0),
        ("w", "1", "team", None, 1, 1.0, 0),
    ]
    without = {"organization_id": "2", "workspace_name": "x"}
    more = {**tables, "clusterCostDaily": [*tables["clusterCostDaily"], day("e", DAY, 16.0, **without)]}
    assert answer(spark, "cost_by_tag", more)[5:] == [], "its workspace uses no key"
    assert answer(spark, "cost_by_tag", more, tag="env") == [
        ("w", "1", "env", None, 2, 5.0, 0),
        ("w", "1", "env", "x", 1, 3.0, 0),
        ("x", "2", "env", None, 1, 16.0, 0),
    ]


def test_clusters_are_what_their_last_state_and_definition_of_a_day_say(spark: SparkSession) -> None:
    tables = {
        "clusterCostDaily": [day("c", DAY, 3.0, idle_cost=1.0), day("c", NEXT, 4.0), day("d", DAY, 1.0)],
        "clusterStateFact": [
            state("c", 0, 10, cluster_name="old"),
            state("c", 10, 30, cluster_name="new"),
            state("d", 0, 24, isAutomated=True, sku="automated"),
        ],
        "cluster": [
            {"cluster_id": "c", "unixTimeMS": START + HOUR, "date": DAY, "action": "create", "auto_termination_minutes": 0},
            {"cluster_id": "c", "unixTimeMS": START + 25 * HOUR, "date": NEXT, "action": "edit", "auto_termination_minutes": 90},
            {"cluster_id": "d", "unixTimeMS": START, "date": DAY, "action": "create", "auto_termination_minutes": 0},
        ],
    }  # fmt: skip
    assert answer(spark, "without_auto_termination", tables) == [("w", "1", "c", "new", 0, 1, 3.0, 1.0, 0)]
    assert answer(spark, "without_auto_termination", tables, minutes=60) == [("w", "1", "c", "new", 0, 2, 7.0, 1.0, 0)]
    assert answer(spark, "without_auto_termination", tables, minutes=90) == [("w", "1", "c", "new", 0, 1, 3.0, 1.0, 0)]


def test_a_definition_that_leaves_auto_termination_out_has_none(spark: SparkSession) -> None:
    resized = {"cluster_id": "d", "action": "resize"}  # nothing else is known of it
    made = {"cluster_id": "c", "action": "create", "cluster_type": "Standard"}
    tables = {
        "clusterCostDaily": [day(cluster, DAY, 3.0) for cluster in ("c", "d", "e")],
        "clusterStateFact": [state(cluster, 0, 24, cluster_name=cluster) for cluster in ("c", "d", "e")],
        "cluster": [{**row, "unixTimeMS": START, "date": DAY} for row in (made, resized)],
    }
    assert answer(spark, "without_auto_termination", tables) == [("w", "1", "c", "c", 0, 1, 3.0, 0.0, 0)]


def test_time_to_start_and_to_grow(spark: SparkSession) -> None:
    def at(minute: float, name: str, **more: Any) -> Row:
        return state("c", minute / 60, minute / 60 + 0.001, name, **more)

    tables = {
        "clusterCostDaily": [day("c", DAY, 1.0)],
        "cluster": [{"cluster_id": "c", "unixTimeMS": START, "date": DAY, "action": "create", "instance_pool_id": "p"}],
        "clusterStateFact": [
            at(0, "CREATING"),
            at(1, "TERMINATING"),  # before it ran
            at(10, "STARTING"),
            at(12, "INIT_SCRIPTS_STARTED"),
            at(15, "RUNNING"),  # 300 s
            at(20, "RESIZING", current_num_workers=2, target_num_workers=4),
            at(21, "DRIVER_HEALTHY"),
            at(24, "UPSIZE_COMPLETED"),  # 240 s
            at(30, "RESIZING", current_num_workers=4, target_num_workers=2),  # shrinks
            at(40, "RESTARTING"),
            at(41, "RUNNING"),  # 60 s
        ],
    }
    assert answer(spark, "scale_up_time", tables) == [
        ("w", "1", "grow", True, 1, 240.0, 240.0, 240.0, 0),
        ("w", "1", "start", True, 2, 180.0, 180.0, 300.0, 1),
    ]


def test_potential_core_hours_are_cut_at_midnight(spark: SparkSession) -> None:
    tables = {
        "clusterStateFact": [
            state("c", 18, 30, node_type_id="n", worker_potential_core_H=24.0),
            state("d", 0, 1, driver_node_type_id="m"),
        ]
    }
    assert answer(spark, "node_types_by_core_hours", tables, until=NEXT) == [("n", 1, 12.0, 0), ("m", 1, None, 1)]


def test_runs_on_interactive_clusters_at_the_rate_of_job_clusters(spark: SparkSession) -> None:
    rates = [("automated", 0.15, None, NEXT), ("automated", 0.2, NEXT, None), ("interactive", 0.55, None, None)]
    factors = [("automated", 2.9), ("interactive", 2.0)]
    first = dt.date(2024, 1, 1)
    tables = {
        "jobRunCostDaily": [
            run_day(1, 7, 23, DAY, 7.5, total_dbus=10.0, total_compute_cost=2.0),
            run_day(1, 7, 23, NEXT, 3.75, total_dbus=5.0, total_compute_cost=1.0),
            run_day(2, 8, 1, DAY, 9.0, total_dbus=20.0, total_compute_cost=1.0),
        ],
        "jobRun": [
            run(1, 7, 23, 25, "Succeeded", cluster_type="existing"),
            run(2, 8, 1, 2, "Failed", cluster_type="new"),
        ],
        "clusterStateFact": [state("c", 0, 30, runtime_engine="PHOTON")],
        "dbuCostDetails": [
            {"sku": s, "contract_price": p, "activeFrom": f or first, "activeUntil": u} for s, p, f, u in rates
        ],
        "photonfactors": [{"sku": s, "engine": "PHOTON", "factor": f, "activeFrom": first} for s, f in factors],
    }
    # 2 + 10 * 1.45 * 0.15 on the first day, 1 + 5 * 1.45 * 0.2 on the second.
    assert answer(spark, "on_interactive_clusters", tables) == [("w", "1", 7, None, 1, 2.0, 11.25, 6.625, 4.625, 0)]


def test_repairs_and_retries(spark: SparkSession) -> None:
    def of(run_id: int, start: float, repair: int | None, cost: float) -> tuple[Row, Row]:
        return (
            run(run_id, 7, start, start + 1, "Failed", job_run_id=70, repair_id=repair),
            run_day(run_id, 7, start, DAY, cost, job_run_id=70),
        )

    pairs = [of(1, 0, None, 1.0), of(2, 2, None, 2.0), of(3, 4, 90, 4.0)]  # a try, a retry, a repair
    once = (run(4, 8, 0, 1, "Succeeded"), run_day(4, 8, 0, DAY, 8.0))
    tables = {"jobRun": [p[0] for p in [*pairs, once]], "jobRunCostDaily": [p[1] for p in [*pairs, once]]}
    assert answer(spark, "repaired_and_retried_runs", tables) == [("w", "1", 7, None, 1, 1, 2, 4.0, 2.0, 3.0, 0)]


def test_jobs_by_length_and_variation(spark: SparkSession) -> None:
    tables = {
        "jobRun": [
            run(1, 7, 0, 1, "Succeeded", job_run_id=70, task_key="a"),
            run(2, 7, 1.5, 3, "Succeeded", job_run_id=70, task_key="b"),  # the job's run: 3 hours
            run(3, 7, 4, 5, "Failed"),
            run(4, 8, 6, 8, "Succeeded"),
        ]
    }
    # Of 3 and 1 hours: mean 2, standard deviation the square root of 2.
    assert answer(spark, "longest_and_most_variable", tables) == [
        ("w", "1", 7, None, 2, 3.0, 2.0, 2.0, 1.0, 0.7071),
        ("w", "1", 8, None, 1, 2.0, 2.0, 2.0, 2.0, None),
    ]


def test_skew_is_of_tasks_that_succeeded(spark: SparkSession) -> None:
    tables = {
        "sparkStage": [stage(1, START), stage(2, START), stage(3, START)],
        "sparkTask": [
            *(task(n, 1, ms) for n, ms in enumerate((10, 20, 90))),
            task(3, 1, 500, "ExceptionFailure"),
            task(4, 1, 0, None),
            task(5, 2, 100),  # alone
            *(task(n, 3, ms) for n, ms in ((6, 0), (7, 0), (8, 3))),
        ],
    }
    found = [(r[4], r[6], *r[9:]) for r in answer(spark, "skew", tables)]
    assert found == [(1, "stage 1", 3, 20.0, 90, 4.5, 70.0), (3, "stage 3", 3, 0.0, 3, 3.0, 3.0)]


def test_a_stage_of_two_jobs_counts_once_and_is_of_the_job_that_ran_it(spark: SparkSession) -> None:
    read = {"InputMetrics": {"BytesRead": 2_097_152, "RecordsRead": 4}, "ExecutorRunTime": HOUR, "JVMGCTime": HOUR // 4}
    grown = {**read, "ShuffleWriteMetrics": {"ShuffleBytesWritten": 3_145_728}}
    tables = {
        "sparkStage": [stage(1, START + 10), stage(2, START + 30)],
        "sparkJob": [
            spark_job(0, START, [1], notebook_id="a", notebook_path="/x/a"),
            spark_job(1, START + 20, [1, 2], notebook_id="b", notebook_path="/x/y/b"),
        ],
        "sparkTask": [task(1, 1, 1, **read), task(2, 2, 1, **grown), task(3, 2, 1, "ExecutorLostFailure")],
    }
    assert [r[2:] for r in answer(spark, "compute_hours", tables)] == [
        ("a", "/x/a", 0, 1, 1.0, 0.75),
        ("b", "/x/y/b", 0, 2, 1.0, 0.75),
    ]
    assert [(r[4], *r[6:8], *r[9:]) for r in answer(spark, "shuffle_growth", tables)] == [
        (2, "stage 2", "/x/y/b", 2.0, 3.0, 1.5)
    ]
    # 4 MB in 7,200 s.
    assert answer(spark, "throughput", tables, depth=1) == [("w", "1", "/x", 2, 4.0, 0.0, 2.0, 0.000556)]
    large = answer(spark, "large_tasks", tables, size_mb=2)
    assert [(r[6], r[12], r[13]) for r in large] == [(2, 2.0, 3.0)]


def test_a_run_of_a_path_is_of_the_notebook_that_had_it_last(spark: SparkSession) -> None:
    def command(notebook: str, hour: int, path: str | None, cost: float) -> Row:
        at = {"command_id": f"{notebook} {hour}", "date": DAY, "unixTimeMS": START + hour * HOUR, "status": "finished"}
        return {**at, "notebook_id": notebook, "notebook_path": path, **PRICED, "total_cost": cost}

    task_detail = {"notebook_task": {"notebook_path": "/a/b"}}
    tables = {
        "notebookCommands": [
            command("1", 1, "/a/b", 1.0),
            command("2", 2, "/a/b", 2.0),  # made anew where 1 was
            command("3", 1, "/a/b", 0.25),
            command("3", 2, "/a/a", 0.25),  # moved
            command("3", 3, None, 0.25),
        ],
        "jobRun": [run(1, 7, 3, 4, "Succeeded", task_type="notebook", task_detail=task_detail)],
        "jobRunCostDaily": [run_day(1, 7, 3, DAY, 5.0, worker_dbu_cost=None)],
    }
    assert [(*r[2:6], r[11]) for r in answer(spark, "hot_notebooks", tables)] == [
        ("2", "/a/b", 2.0, 5.0, 1),
        ("1", "/a/b", 1.0, None, 0),
        ("3", "/a/a", 0.75, None, 0),
    ]
    assert {r[2]: r[3] for r in answer(spark, "longest_running", tables)} == {"1": "/a/b", "2": "/a/b", "3": "/a/a"}


def test_a_moved_notebook_is_listed_where_it_was_seen_last(spark: SparkSession) -> None:
    of_spark = {
        "sparkStage": [stage(1, START + 10), stage(2, START + 30)],
        "sparkJob": [
            spark_job(0, START, [1], notebook_id="a", notebook_path="/z"),
            spark_job(1, START + 20, [2], notebook_id="a", notebook_path="/x"),
        ],
        "sparkTask": [
            {**task(n, n, 1, InputMetrics={"BytesRead": 1, "RecordsRead": 1}), "unixTimeMS": START + n} for n in (1, 2)
        ],
    }
    for name in ("compute_hours", "largest_records", "longest_running", "most_popular", "results_to_driver"):
        assert [r[3] for r in answer(spark, name, of_spark)] == ["/x"], name
    attached = {"action": "attachNotebook", "date": DAY, "notebook_id": "a", "user_email": "e"}
    moved = [{**attached, "notebook_path": p, "unixTimeMS": START + n} for n, p in ((60, "/q"), (50, "/r"))]
    assert [r[3] for r in answer(spark, "most_popular", {**of_spark, "notebook": moved})] == ["/q"]


def test_what_ran_in_no_known_state_is_counted_as_unpriced(spark: SparkSession) -> None:
    statuses = ("priced", "missing dbu price; no state of the cluster is known for a part of it")
    task_detail = {"notebook_task": {"notebook_path": "/a"}}
    fact = {**PRICED, "cluster_id": "c", "total_cost": 1.0}
    tables = {
        "notebookCommands": [
            {"date": DAY, "command_id": s, "notebook_id": "n", **PRICED, "total_cost": 1.0, "cost_status": s}
            for s in (*statuses, None)
        ],
        "jobRun": [
            run(n, 7, n, n + 1, "Succeeded", task_type="notebook", task_detail=task_detail)
            for n, _ in enumerate(statuses)
        ],
        "jobRunCostPotentialFact": [
            {**fact, "run_id": n, "startEpochMS": START + n * HOUR, "cost_status": s} for n, s in enumerate(statuses)
        ],
    }
    assert [(r[4], r[11]) for r in answer(spark, "hot_notebooks", tables)] == [(3.0, 1)]
    assert [(r[3], *r[8:]) for r in answer(spark, "run_by_jobs", tables)] == [(2, 2.0, 1)]
    assert [(r[3], *r[7:]) for r in answer(spark, "runs_by_utilisation", tables)] == [(2, 2.0, 1)]


def test_heavy_users_share_a_warehouse_by_the_time_of_their_tasks(spark: SparkSession) -> None:
    def query(query_id: str, user: str, ms: int | None) -> Row:
        at = {"warehouse_id": "h", "query_id": query_id, "query_start_time_ms": START, "date": DAY}
        return {**at, "user_name": user, "task_total_time_ms": ms}

    whole = {"state_dates": [DAY], "unixTimeMS_state_start": START, "unixTimeMS_state_end": START + HOUR - 1}
    tables = {
        "sqlQueryHistory": [query("1", "a", 100), query("2", "a", 200), query("3", "b", 100), query("4", "b", None)],
        "warehouseStateFact": [
            {"warehouse_id": "h", "state": "RUNNING", "state_start_date": DAY, **whole, "total_cost": 8.0}
        ],
        "notebookCommands": [
            {"date": DAY, "command_id": "1", "user_identity": {"email": "a"}, **PRICED, "total_cost": 0.5},
            {"date": NEXT, "command_id": "2", "user_identity": {"email": "a"}, **PRICED, "total_cost": 64.0},
        ],
        "jobRun": [run(1, 7, 1, 2, "Succeeded", run_as_user_name="c", created_by="a")],
        "jobRunCostDaily": [run_day(1, 7, 1, DAY, 3.0)],
    }
    assert answer(spark, "heavy_users", tables, until=NEXT) == [
        ("w", "1", "a", 0.5, None, 6.0, 6.5, 1),
        ("w", "1", "c", None, 3.0, None, 3.0, 0),
        ("w", "1", "b", None, None, 2.0, 2.0, 1),
    ]


def test_a_user_is_one_however_services_write_the_name(spark: SparkSession) -> None:
    names = ("Ann@X", "ann@x")
    at = {
        "warehouse_id": "h",
        "query_start_time_ms": START,
        "date": DAY,
        "status": "FAILED",
        "task_total_time_ms": HOUR,
    }
    login = {"login_type": "login", "login_unixTimeMS": START, "login_date": DAY}
    notebook = {"notebook_id": "n", "notebook_path": "/n"}
    tables = {
        "sqlQueryHistory": [{**at, "query_id": name, "user_name": name} for name in names],
        "accountLogin": [{**login, "request_id": name, "user_email": name} for name in names],
        "notebookCommands": [
            {"date": DAY, **notebook, "command_id": n, "user_identity": {"email": n}, **PRICED, "total_cost": 1.0}
            for n in names
        ],
        "notebook": [{**notebook, "action": "attachNotebook", "date": DAY, "user_email": name} for name in names],
        "jobRun": [run(n, 7, n, n + 1, "Succeeded", run_as_user_name=name) for n, name in enumerate(names)],
        "jobRunCostDaily": [run_day(n, 7, n, DAY, 3.0) for n, _ in enumerate(names)],
        "sparkStage": [stage(n, START + n) for n in (1, 2)],
        "sparkJob": [
            spark_job(n, START, [n], user_email=name, **notebook) for n, name in zip((1, 2), names, strict=True)
        ],
        "sparkTask": [task(n, n, HOUR) for n in (1, 2)],
    }
    assert [r[2:5] for r in answer(spark, "heavy_users", tables)] == [("ann@x", 2.0, 6.0)]
    assert answer(spark, "core_hours_by_user", tables) == [("w", "1", "ann@x", 2, 2.0)]
    assert [r[2:5] for r in answer(spark, "failed_queries_by_user", tables)] == [("ann@x", 2, 2)]
    assert [(r[2], r[5]) for r in answer(spark, "logins_by_kind_and_address", tables)] == [("ann@x", 2)]
    assert [r[3:6] for r in answer(spark, "spark_jobs_by_notebook", tables)] == [("ann@x", 1, 2)]
    counted = {"most_popular": 4, "hot_notebooks": 6, "compute_hours": 4, "results_to_driver": 4, "queries_by_date": 4}
    counted |= {"warehouses_by_users": 4, "core_hours_by_date_of_failure": 4}
    for name, n in counted.items():
        assert [r[n] for r in answer(spark, name, tables)] == [1], name


def test_tokens_that_came_and_went(spark: SparkSession) -> None:
    def seen(token: str, date: dt.date, created: int, expiry: int) -> Row:
        return {"token_id": token, "snapshot_date": date, "creation_time": created, "expiry_time": expiry}

    old, new = START - 48 * HOUR, START + HOUR
    tables = {
        "tokens_snapshot_bronze": [
            seen("a", DAY, old, -1),
            seen("a", NEXT, old, -1),
            seen("b", DAY, old, START + 20 * HOUR),
            seen("c", NEXT, new, -1),
        ]
    }
    found = [(r[2], r[6], *r[8:]) for r in answer(spark, "tokens", tables, **{"from": DAY})]
    expires = dt.datetime(2024, 5, 1, 20, tzinfo=dt.UTC)
    assert found == [
        ("a", None, DAY, NEXT, False, False),
        ("b", expires, DAY, DAY, False, True),
        ("c", None, NEXT, NEXT, True, False),
    ]


def test_permissions_are_changed_by_who_gives_or_takes_them_not_by_who_reads(spark: SparkSession) -> None:
    def request(hour: int, service: str, action: str) -> Row:
        at = {"timestamp": START + hour * HOUR, "date": DAY, "requestId": action}
        return {**at, "serviceName": service, "actionName": action}

    reads = ("getPermissions", "getEffectivePermissions", "showPermissions", "requestPermissions")
    tables = {
        "accountMod": [
            {"mod_unixTimeMS": START + 9 * HOUR, "mod_date": DAY, "action": "removeAdmin", "user_name": "a"}
        ],
        "audit_log_bronze": [
            *(request(1, "unityCatalog", action) for action in reads),
            request(2, "secrets", "listAcls"),
            request(3, "secrets", "deleteAcl"),
            request(4, "unityCatalog", "updatePermissions"),
            request(5, "jobs", "changeJobAcl"),
        ],
    }
    found = answer(spark, "permission_changes", tables)
    changes = ["removeAdmin", "changeJobAcl", "updatePermissions", "deleteAcl"]
    assert ([r[4] for r in found], found[0][6]) == (changes, "a")


def test_queries_know_their_warehouse_as_it_was(spark: SparkSession) -> None:
    def query(query_id: str, hour: int, status: str) -> Row:
        at = {"warehouse_id": "h", "query_id": query_id, "query_start_time_ms": START + hour * HOUR, "date": DAY}
        return {**at, "status": status, "task_total_time_ms": HOUR, "query_end_time_ms": START + (hour + 2) * HOUR}

    def spec(hour: int, size: str) -> Row:
        return {"warehouse_id": "h", "unixTimeMS": START + hour * HOUR, "sequence": 0, "cluster_size": size}

    tables = {
        "sqlQueryHistory": [query("1", 1, "FINISHED"), query("2", 5, "FAILED"), query("3", 23, "FAILED")],
        "warehouse": [spec(3, "Small"), spec(4, "Medium")],
    }
    assert answer(spark, "core_hours_by_size", tables) == [
        ("w", "1", "Medium", 2, 1, 2.0),
        ("w", "1", "Small", 1, 1, 1.0),
    ]
    assert answer(spark, "core_hours_by_date_of_failure", tables) == [
        (DAY, "w", "1", 1, 0, 1.0),
        (NEXT, "w", "1", 1, 0, 1.0),
    ]
    for days, failed_on in (({"until": NEXT}, DAY), ({"from": NEXT}, NEXT)):
        assert answer(spark, "core_hours_by_date_of_failure", tables, **days) == [(failed_on, "w", "1", 1, 0, 1.0)]
