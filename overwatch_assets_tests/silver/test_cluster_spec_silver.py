"""silver.md 5."""

import datetime as dt
import itertools
import json
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.bronze.clusters_snapshot_bronze import clusters_snapshot_bronze
from overwatch_assets.bronze.pools_snapshot_bronze import pools_snapshot_bronze
from overwatch_assets.gold.cluster_gold import cluster_gold
from overwatch_assets.silver.cluster_spec_silver import cluster_spec_silver
from overwatch_assets.silver.pools_silver import pools_silver
from overwatch_assets_tests.definition_lines import DAY, HOUR, Record, audit, record, snapshots
from overwatch_assets_tests.event_lines import rows

pytestmark = pytest.mark.engine

Answers = tuple[tuple[int, Record], ...]
RUNTIME = "13.3.x-scala2.12"
SINGLE = {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"}


def create(at: int, cluster: str = "c", **said: Any) -> Record:
    return record("clusters", "create", at, result={"cluster_id": cluster}, **said)


def on(action: str, at: int | None, cluster: str = "c", **said: Any) -> Record:
    return record("clusters", action, at, cluster_id=cluster, **said)


def edit(at: int, cluster: str = "c", **said: Any) -> Record:
    return on("edit", at, cluster, **said)


def seen(at: int, cluster: str = "c", **body: Any) -> tuple[int, Record]:
    return at, {"cluster_id": cluster, **body}


def clusters(spark: SparkSession, *records: Record, seen: Answers = (), pools: Answers = ()) -> list[dict[str, Any]]:
    """The rows of some clusters; requests for pools are among the records too."""
    bronze = audit(spark, *records)
    of_pools = pools_silver(
        spans=bronze, audit_log_bronze=bronze, pools_snapshot_bronze=snapshots(spark, pools_snapshot_bronze, *pools)
    )
    found = cluster_spec_silver(
        spans=bronze,
        audit_log_bronze=bronze.where("serviceName = 'clusters'"),
        clusters_snapshot_bronze=snapshots(spark, clusters_snapshot_bronze, *seen),
        pools_silver=of_pools,
    )
    return sorted(rows(found), key=lambda r: (r["cluster_id"], r["timestamp"], r["sequence"]))


def cluster(spark: SparkSession, *records: Record, seen: Answers = (), pools: Answers = ()) -> dict[str, Any]:
    """The one row."""
    (found,) = clusters(spark, *records, seen=seen, pools=pools)
    return found


def test_what_a_request_defines(spark: SparkSession) -> None:
    found = cluster(
        spark,
        create(
            DAY + HOUR,
            cluster_name="etl",
            spark_version="13.x",
            effective_spark_version=RUNTIME,
            node_type_id="i3.xlarge",
            driver_node_type_id="i3.2xlarge",
            num_workers="3",
            autotermination_minutes="30",
            enable_elastic_disk="false",
            start_cluster="false",
            cluster_log_conf={"dbfs": {"destination": "dbfs:/logs"}},
            init_scripts=[{"dbfs": {"destination": "dbfs:/a"}}],
            custom_tags={"team": "fin"},
            cluster_source="UI",
            aws_attributes={"zone_id": "us-east-1a", "instance_profile_arn": "arn:x"},
            spark_env_vars={"A": "b"},
            spark_conf={"spark.a": "1"},
            acl_path_prefix="/x",
            idempotency_token="t-1",
            policy_id="p-1",
            data_security_mode="SINGLE_USER",
            single_user_name="bob@x",
        ),
    )
    assert (found["cluster_id"], found["serviceName"], found["actionName"]) == ("c", "clusters", "create")
    assert (found["timestamp"], found["date"], found["sequence"]) == (DAY + HOUR, dt.date(2024, 5, 1), 0)
    assert (found["cluster_name"], found["spark_version"], found["runtime_engine"]) == ("etl", RUNTIME, "STANDARD")
    assert (found["node_type_id"], found["driver_node_type_id"]) == ("i3.xlarge", "i3.2xlarge")
    assert (found["num_workers"], found["autoscale"], found["autotermination_minutes"]) == (3, None, 30)
    assert (found["enable_elastic_disk"], found["start_cluster"]) == (False, False)
    assert json.loads(found["cluster_log_conf"]) == {"dbfs": {"destination": "dbfs:/logs"}}
    assert json.loads(found["init_scripts"]) == [{"dbfs": {"destination": "dbfs:/a"}}]
    assert [json.loads(found[n]) for n in ("custom_tags", "spark_env_vars", "spark_conf")] == [
        {"team": "fin"},
        {"A": "b"},
        {"spark.a": "1"},
    ]
    assert (found["cluster_source"], found["acl_path_prefix"], found["idempotency_token"]) == ("UI", "/x", "t-1")
    assert found["aws_attributes"] == {"zone_id": "us-east-1a", "instance_profile_arn": "arn:x"}
    assert (found["azure_attributes"], found["gcp_attributes"]) == (None, None)
    assert (found["policy_id"], found["data_security_mode"], found["single_user_name"]) == (
        "p-1",
        "SINGLE_USER",
        "bob@x",
    )
    assert (found["createdBy"], found["lastEditedBy"], found["deleted_by"], found["deleted_ts"]) == (
        "ann@x",
        *[None] * 3,
    )
    assert (found["is_automated"], found["cluster_type"], found["is_single_node"], found["sku"]) == (
        False,
        "Standard",
        False,
        "interactive",
    )
    assert found["pool_ids_used"] == []


def test_an_elastic_disk_and_a_start_unless_something_says_no(spark: SparkSession) -> None:
    def flags(*records: Record, **how: Any) -> tuple[bool, bool]:
        found = cluster(spark, *records, **how)
        return found["enable_elastic_disk"], found["start_cluster"]

    assert flags(create(DAY)) == (True, True)
    assert flags(create(DAY), seen=(seen(DAY + 1, enable_elastic_disk=False),)) == (False, True)
    assert flags(create(DAY, enable_elastic_disk="true"), seen=(seen(DAY + 1, enable_elastic_disk=False),)) == (
        True,
        True,
    )


@pytest.mark.parametrize(
    ("said", "kind", "single"),
    [
        ({"spark_conf": SINGLE, "custom_tags": {"ResourceClass": "SingleNode"}}, "Single Node", True),
        ({"spark_conf": SINGLE}, "Single Node", True),
        ({"custom_tags": {"ResourceClass": "SingleNode"}}, "Standard", True),
        ({"spark_conf": {"spark.databricks.cluster.profile": "serverless"}}, "High-Concurrency", False),
        ({}, "Standard", False),
    ],
)
def test_types_of_clusters(spark: SparkSession, said: dict[str, Any], kind: str, single: bool) -> None:
    found = cluster(spark, create(DAY, **said))
    assert (found["cluster_type"], found["is_single_node"]) == (kind, single)


def test_a_single_node_has_no_workers(spark: SparkSession) -> None:
    found = cluster(
        spark,
        create(DAY, spark_conf=SINGLE, node_type_id="i3.xlarge"),
        seen=(seen(DAY + 1, node_type_id="i3.xlarge", num_workers=2),),
    )
    assert (found["node_type_id"], found["driver_node_type_id"], found["num_workers"]) == (None, "i3.xlarge", 0)


@pytest.mark.parametrize(
    ("said", "engine"),
    [
        ({"spark_version": "13.3.x-photon-scala2.12"}, "PHOTON"),
        ({"spark_version": RUNTIME}, "STANDARD"),
        ({"spark_version": "13.3.x-photon-scala2.12", "runtime_engine": "STANDARD"}, "STANDARD"),
        ({"spark_version": RUNTIME, "runtime_engine": "photon"}, "PHOTON"),
        ({"spark_version": RUNTIME, "runtime_engine": "RUNTIME_ENGINE_UNSPECIFIED"}, "STANDARD"),
        ({}, "UNKNOWN"),
    ],
)
def test_runtime_engines(spark: SparkSession, said: dict[str, str], engine: str) -> None:
    assert cluster(spark, create(DAY, **said))["runtime_engine"] == engine


def test_security(spark: SparkSession) -> None:
    conf = {
        "spark.databricks.acl.dfAclsEnabled": "true",
        "spark.databricks.pyspark.enableProcessIsolation": True,
        "spark.databricks.repl.allowedLanguages": "python, sql",
    }
    said = {"spark_conf": conf, "single_user_name": "bob@x", "aws_attributes": {"instance_profile_arn": "arn:x"}}
    assert cluster(spark, create(DAY, **said))["security_profile"] == {
        "table_acls_enabled": True,
        "credential_passthrough_enabled": False,
        "isolation_enabled": True,
        "repl_languages_permitted": ["python", "sql"],
        "single_user_profile": {"is_single_user": True, "single_user_name": "bob@x"},
        "instance_profile_arn": "arn:x",
    }
    assert cluster(spark, create(DAY))["security_profile"] == {
        "table_acls_enabled": False,
        "credential_passthrough_enabled": False,
        "isolation_enabled": False,
        "repl_languages_permitted": ["All"],
        "single_user_profile": {"is_single_user": False, "single_user_name": None},
        "instance_profile_arn": None,
    }


def test_who_created_and_edited_it(spark: SparkSession) -> None:
    found = clusters(
        spark,
        create(DAY, cluster_name="etl"),
        edit(DAY + 1, by="bob@x", cluster_name="etl"),
        on("resize", DAY + 2, by="eve@x", num_workers="9"),
    )
    assert [(r["createdBy"], r["lastEditedBy"]) for r in found] == [
        ("ann@x", None),
        ("ann@x", "bob@x"),
        ("ann@x", "bob@x"),
    ]
    job = cluster(spark, create(DAY, cluster_name="job-7-run-8", spark_version=RUNTIME))
    assert (job["createdBy"], job["is_automated"], job["sku"]) == ("JobsService", True, "automated")
    known = clusters(spark, edit(DAY, cluster_name="etl"), seen=(seen(DAY + 1, default_tags={"Creator": "zoe@x"}),))
    assert [(r["createdBy"], r["lastEditedBy"]) for r in known] == [("zoe@x", "ann@x")]


def test_a_resize_is_a_row_with_the_new_size(spark: SparkSession) -> None:
    scaled = {"min_workers": 1, "max_workers": 8}
    made, fixed, scaling = clusters(
        spark,
        create(DAY, cluster_name="etl", node_type_id="m", num_workers="2", custom_tags={"team": "a"}),
        on("resize", DAY + 1, num_workers="5"),
        on("resize", DAY + 2, autoscale=scaled),
    )
    assert [r["num_workers"] for r in (made, fixed, scaling)] == [2, 5, None]
    assert (fixed["actionName"], fixed["autoscale"], json.loads(scaling["autoscale"])) == ("resize", None, scaled)
    for row in (fixed, scaling):
        assert (row["cluster_name"], row["node_type_id"], row["custom_tags"]) == ("etl", "m", '{"team": "a"}')


@pytest.mark.parametrize("said", ["null", "{}", "[]", "{", '{"min_workers":2'])
def test_limits_that_are_none_leave_the_fixed_size(spark: SparkSession, said: str) -> None:
    found = cluster(spark, create(DAY, cluster_name="etl", num_workers="4", autoscale=said))
    assert (found["num_workers"], found["autoscale"]) == (4, None)


def test_a_deletion_is_a_row_and_all_rows_know_it_whenever_it_arrives(spark: SparkSession) -> None:
    gone = on("permanentDelete", DAY + 40 * 24 * HOUR, by="eve@x")
    made, deleted = clusters(spark, create(DAY, cluster_name="etl", node_type_id="m"), gone)
    assert (deleted["actionName"], deleted["cluster_name"], deleted["node_type_id"]) == ("permanentDelete", "etl", "m")
    assert deleted["date"] == dt.date(2024, 6, 10)
    for row in (made, deleted):
        assert (row["deleted_by"], row["deleted_ts"]) == ("eve@x", gone["timestamp"])


def test_of_a_cluster_that_is_only_seen_to_go_nothing_else_is_claimed(spark: SparkSession) -> None:
    found = cluster(spark, on("permanentDelete", DAY))
    unknown = ("cluster_name", "cluster_type", "is_automated", "is_single_node", "enable_elastic_disk", "num_workers")
    assert [found[n] for n in (*unknown, "security_profile", "node_type_id")] == [None] * 8
    assert (found["runtime_engine"], found["sku"]) == ("UNKNOWN", "unknown")
    ended = record("clusters", "deleteResult", DAY - 5, clusterId="c", clusterName="etl")
    named = cluster(spark, on("permanentDelete", DAY), ended)
    assert (named["cluster_name"], named["is_automated"], named["cluster_type"]) == ("etl", False, None)


def test_other_and_failed_requests_are_no_rows(spark: SparkSession) -> None:
    others = [on(a, DAY + n) for n, a in enumerate(("start", "delete", "changeClusterAcl", "restart"), 1)]
    result = record("clusters", "createResult", DAY + 9, clusterId="c", clusterName="etl")
    failed = edit(DAY + 10, status=400, num_workers="99")
    timeless = {**edit(DAY), "timestamp": None}
    assert [r["actionName"] for r in clusters(spark, create(DAY), *others, result, failed, timeless)] == ["create"]


def test_nothing_is_filled_across_clusters_without_a_name(spark: SparkSession) -> None:
    unnamed = record("clusters", "create", DAY + 1, node_type_id="x")  # its answer names no cluster
    one, other = clusters(spark, edit(DAY, "c", node_type_id="a"), unnamed, edit(DAY + 2, "d"))
    assert [(r["cluster_id"], r["cluster_name"], r["node_type_id"]) for r in (one, other)] == [
        ("c", None, "a"),
        ("d", None, None),
    ]


def test_names_versions_and_drivers_that_an_edit_leaves_out_stay(spark: SparkSession) -> None:
    _, edited = clusters(
        spark,
        create(DAY, cluster_name="etl", spark_version=RUNTIME, driver_node_type_id="big", node_type_id="m"),
        edit(DAY + 1, node_type_id="n"),
    )
    assert (edited["cluster_name"], edited["spark_version"]) == ("etl", RUNTIME)
    assert (edited["driver_node_type_id"], edited["node_type_id"]) == ("big", "n")
    assert cluster(spark, create(DAY, node_type_id="m"))["driver_node_type_id"] == "m"


SCALES = {"min_workers": 1, "max_workers": 4}


def test_history_is_not_rewritten_by_what_a_cluster_became(spark: SparkSession) -> None:
    now = seen(DAY + 99, cluster_name="new", custom_tags={"team": "b"}, autoscale=SCALES, num_workers=3, policy_id="q")
    made, edited = clusters(
        spark,
        create(DAY, cluster_name="old", custom_tags={"team": "a"}, num_workers="2", policy_id="p"),
        edit(DAY + 50, cluster_name="new", custom_tags={"team": "b"}, autoscale=SCALES),
        seen=(now,),
    )
    assert (made["cluster_name"], json.loads(made["custom_tags"]), made["policy_id"]) == ("old", {"team": "a"}, "p")
    assert (made["num_workers"], made["autoscale"]) == (2, None), "a fixed size has no limits"
    assert (edited["num_workers"], json.loads(edited["autoscale"])) == (None, SCALES)
    assert edited["policy_id"] == "q"


def test_what_a_request_leaves_out_comes_from_the_snapshot_of_that_time(spark: SparkSession) -> None:
    def answers(*at: int) -> Answers:
        return tuple(seen(t, data_security_mode=f"at {t - DAY}", instance_pool_id="p") for t in at)

    def modes(*at: int) -> list[str | None]:
        made = create(DAY + 10, node_type_id="m")
        edited = edit(DAY + 20, node_type_id="m")
        return [r["data_security_mode"] for r in clusters(spark, made, edited, seen=answers(*at))]

    assert modes(DAY + 15, DAY + 25) == ["at 15", "at 25"], "the one taken while it held"
    assert modes(DAY + 5, DAY + 15, DAY + 99) == ["at 15", "at 99"]
    assert modes(DAY + 5) == ["at 5", "at 5"], "else the latest before it"
    assert modes(DAY + 30) == ["at 30", "at 30"], "else the first after it"
    assert modes() == [None, None]
    stale = cluster(spark, create(DAY + 10, node_type_id="m"), seen=answers(DAY + 5))
    assert stale["instance_pool_id"] is None, "a request that names its nodes says that it has no pool"


def test_snapshots_count_the_workers_of_the_moment_of_a_cluster_that_scales(spark: SparkSession) -> None:
    scales = cluster(spark, seen=(seen(DAY, autoscale=SCALES, num_workers=3),))
    assert (scales["num_workers"], json.loads(scales["autoscale"])) == (None, SCALES)
    assert cluster(spark, seen=(seen(DAY, num_workers=3),))["num_workers"] == 3


def test_a_cluster_that_was_there_before_gets_one_imputed_row_at_its_first_snapshot(spark: SparkSession) -> None:
    found = cluster(
        spark,
        on("start", DAY),
        seen=(
            seen(DAY + 48 * HOUR, cluster_name="b"),
            seen(DAY + 24 * HOUR, cluster_name="a", creator_user_name="zoe@x", spark_conf={"spark.a.b": "1"}),
        ),
    )
    assert (found["actionName"], found["timestamp"], found["date"]) == (
        "snapImpute",
        DAY + 24 * HOUR,
        dt.date(2024, 5, 2),
    )
    assert (found["cluster_name"], found["createdBy"], found["spark_conf"]) == ("a", "zoe@x", '{"spark.a.b":"1"}')


@pytest.mark.parametrize("earlier", [create(DAY), edit(DAY), on("resize", DAY, num_workers="4")])
def test_the_imputed_row_vanishes_when_an_earlier_request_arrives(spark: SparkSession, earlier: Record) -> None:
    known = (seen(DAY + HOUR, cluster_name="a", num_workers=2),)
    later = edit(DAY + 2 * HOUR, cluster_name="b")
    assert [r["actionName"] for r in clusters(spark, later, seen=known)] == ["snapImpute", "edit"]
    found = clusters(spark, later, earlier, seen=known)
    assert [(r["actionName"], r["cluster_name"]) for r in found] == [(earlier["actionName"], "a"), ("edit", "b")]
    assert found[0]["num_workers"] == (4 if earlier["actionName"] == "resize" else 2)


def test_two_edits_of_a_millisecond_are_two_rows_and_a_publication_is_one(spark: SparkSession) -> None:
    found = clusters(
        spark,
        create(DAY, num_workers="1"),
        edit(DAY, request="a", num_workers="2"),
        edit(DAY, request="b", num_workers="3"),
        edit(DAY, request="b", num_workers="3"),
    )
    assert [(r["actionName"], r["sequence"]) for r in found] == [("create", 0), ("edit", 1), ("edit", 2)]
    assert {r["num_workers"] for r in found} == {1, 2, 3}


def test_any_order_gives_the_same_rows(spark: SparkSession) -> None:
    records = [
        create(DAY, cluster_name="a", driver_node_type_id="d"),
        edit(DAY + 1, request="a", cluster_name="b"),
        edit(DAY + 1, request="b", num_workers="3"),
        on("resize", DAY + 1, num_workers="7"),
        on("permanentDelete", DAY + 1),
    ]
    answers = (seen(DAY, policy_id="p"), seen(DAY + 1, policy_id="q"), seen(DAY + 2, policy_id="r"))
    expected = clusters(spark, *records, seen=answers)
    assert [r["actionName"] for r in expected] == ["create", "edit", "edit", "resize", "permanentDelete"]
    for order in list(itertools.permutations(records))[7::29]:
        assert clusters(spark, *order, seen=answers[::-1]) == expected


@pytest.mark.parametrize(
    "tagged",
    [
        ([create(DAY, custom_tags={"SqlEndpointId": "w"}), on("resize", DAY + 1, num_workers="2")], ()),
        ([edit(DAY)], (seen(DAY, default_tags={"SqlEndpointId": "w"}),)),
        ([], (seen(DAY, custom_tags={"SqlEndpointId": "w"}),)),
    ],
)
def test_sql_warehouses_are_no_clusters(spark: SparkSession, tagged: tuple[list[Record], Answers]) -> None:
    records, answers = tagged
    assert clusters(spark, *records, seen=answers) == []


def pool(action: str, at: int, pool_id: str, **said: Any) -> Record:
    if action == "create":
        return record("instancePools", action, at, result={"instance_pool_id": pool_id}, **said)
    return record("instancePools", action, at, instance_pool_id=pool_id, **said)


def test_node_types_and_names_are_those_of_the_pools_at_that_time(spark: SparkSession) -> None:
    said = {"instance_pool_id": "w", "node_type_id": "own", "driver_node_type_id": "own"}
    found = clusters(
        spark,
        pool("create", DAY + 10, "w", instance_pool_name="first", node_type_id="m1"),
        pool("edit", DAY + 30, "w", instance_pool_name="second", node_type_id="m2"),
        pool("edit", DAY + 30, "w", request="same ms", instance_pool_name="second", node_type_id="m2"),
        pool("create", DAY + 10, "d", instance_pool_name="drivers", node_type_id="big"),
        create(DAY + 5, **said),
        edit(DAY + 20, **said),
        edit(DAY + 30, driver_instance_pool_id="d", **said),
    )
    assert [(r["node_type_id"], r["driver_node_type_id"]) for r in found] == [
        ("m1", "m1"),
        ("m1", "m1"),
        ("m2", "big"),
    ]
    assert [(r["instance_pool_name"], r["driver_instance_pool_name"]) for r in found] == [
        ("first", None),
        ("first", None),
        ("second", "drivers"),
    ]
    assert [r["pool_ids_used"] for r in found] == [["w"], ["w"], ["d", "w"]]


def test_pools_that_only_a_snapshot_knows_and_that_nothing_knows(spark: SparkSession) -> None:
    first = {"instance_pool_id": "w", "instance_pool_name": "seen", "node_type_id": "m"}
    known, unknown = clusters(
        spark,
        create(DAY, "c", instance_pool_id="w"),
        create(DAY, "d", instance_pool_id="x", node_type_id="own"),
        pools=((DAY + 99, first),),
    )
    assert (known["node_type_id"], known["driver_node_type_id"], known["instance_pool_name"]) == ("m", "m", "seen")
    assert (unknown["node_type_id"], unknown["driver_node_type_id"]) == ("own", "own")
    assert (unknown["instance_pool_name"], unknown["pool_ids_used"]) == (None, ["x"])


def test_gold_is_the_same_rows_under_the_names_that_people_query(spark: SparkSession) -> None:
    bronze = audit(spark, create(DAY + 10, cluster_name="etl", node_type_id="m", autotermination_minutes="9"))
    silver = cluster_spec_silver(
        spans=bronze,
        audit_log_bronze=bronze,
        clusters_snapshot_bronze=snapshots(spark, clusters_snapshot_bronze),
        pools_silver=pools_silver(
            spans=bronze,
            audit_log_bronze=bronze.limit(0),
            pools_snapshot_bronze=snapshots(spark, pools_snapshot_bronze),
        ),
    )
    frame = cluster_gold(spans=silver, cluster_spec_silver=silver)
    own = {"organization_id", "workspace_name", "month", "Pipeline_SnapTS", "Overwatch_RunID"}
    assert {c.name for c in cluster_gold.columns} - set(frame.columns) == own, "the runner's own"
    (found,) = rows(frame)
    assert (found["action"], found["unixTimeMS"], str(found["timestamp"])) == (
        "create",
        DAY + 10,
        "2024-05-01 00:00:00.010000",
    )
    assert (found["driver_node_type"], found["node_type"], found["auto_termination_minutes"]) == ("m", "m", 9)
    assert (found["created_by"], found["last_edited_by"], found["sku"]) == ("ann@x", None, "interactive")
