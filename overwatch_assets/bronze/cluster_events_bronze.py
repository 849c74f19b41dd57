"""Module 1005: every event of the workspace's clusters."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Consulted, Insert, Source, table
from overwatch_assets.rules.api_bodies import (
    CLUSTER_DEFINITION,
    STRING_MAP,
    body_columns,
    shaped,
    strings,
    struct,
)
from overwatch_assets.rules.spark_time import date_of

_SIZE = "struct<autoscale:struct<max_workers:bigint,min_workers:bigint>,num_workers:bigint>"

DETAILS = struct(
    f"attributes:{CLUSTER_DEFINITION}",
    f"previous_attributes:{CLUSTER_DEFINITION}",
    f"cluster_size:{_SIZE}",
    f"previous_cluster_size:{_SIZE}",
    "current_num_workers:bigint",
    "target_num_workers:bigint",
    "current_num_vcpus:bigint",
    "target_num_vcpus:bigint",
    *strings("user cause job_run_name"),
    f"reason:struct<code:string,type:string,parameters:{STRING_MAP}>",
    *strings("did_not_expand_reason instance_id driver_state_message"),
    "disk_size:bigint",
    "previous_disk_size:bigint",
    "free_space:bigint",
)
"""What an event says: sizes of disks in bytes."""

_PAYLOAD = (
    Column("timestamp", "bigint", "When it happened, epoch ms.", nullable=False),
    Column("type", "string", "CREATING, STARTING, RUNNING, RESIZING, TERMINATING, ...", nullable=False),
    Column(
        "details",
        DETAILS,
        "What it says: the cluster's size and definition, who or what caused it and why; disks in bytes.",
    ),
)


@table(
    module_id=1005,
    module_name="Bronze_ClusterEventLogs",
    rebuild=Insert(),
    keys=("cluster_id", "type", "timestamp", "eventHash"),
    partition="date",
    entity=("cluster_id",),
    inputs={
        "workspace_cluster_events": Source(),
        "clusters_snapshot_bronze": Consulted(),
        "audit_log_bronze": Consulted(),
    },
    side_tables=("cluster_events_errors_bronze",),
    columns=(
        Column("cluster_id", "string", "Cluster that it happened to.", nullable=False),
        *_PAYLOAD,
        Column("date", "date", "UTC day of `timestamp`.", nullable=False),
        Column(
            "eventHash",
            "bigint",
            "xxhash64 of the event: two different events of one type and millisecond are two rows.",
            nullable=False,
        ),
        *body_columns("The event of the answer of `clusters/events`"),
    ),
)
def cluster_events_bronze(workspace_cluster_events: DataFrame) -> DataFrame:
    """Every event of the workspace's clusters, once, on the day that it happened.

    One row: one distinct event. One without a type or a time that can be is no row: the reader puts it into
    `quarantine_bronze`.
    """
    events = workspace_cluster_events.withColumn("eventHash", F.xxhash64("body"))
    return shaped(events, {"cluster_id": "string", "eventHash": "bigint"}, _PAYLOAD).select(
        "cluster_id",
        *(c.name for c in _PAYLOAD),
        date_of(F.col("timestamp")).alias("date"),
        "eventHash",
        "droppedProperties",
        "value",
    )
