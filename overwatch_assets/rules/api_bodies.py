"""Objects of the workspace's API as rows: documented properties as columns, all of it without secrets as JSON."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, functions as F, types as T

from overwatch_assets.contract import Column
from overwatch_assets.contract.types import spark_type
from overwatch_assets.rules.json_secrets import cut_secrets
from overwatch_assets.rules.json_values import arrow_of, parsed, shaper, text_of
from overwatch_assets.rules.spark_time import date_of, timestamp_of


def struct(*fields: str) -> str:
    """A struct type of ``name:type`` fields."""
    return f"struct<{','.join(fields)}>"


def strings(names: str) -> Iterable[str]:
    """Text fields of a struct type."""
    return (f"{name}:string" for name in names.split())


STRING_MAP = "map<string,string>"
MAP_NOTE = "names with other characters than letters and digits as `_`"
TAGS_AND_ATTRIBUTES = (
    Column("custom_tags", STRING_MAP, f"Tags that its maker gave; {MAP_NOTE}."),
    Column("default_tags", STRING_MAP, f"Tags that Databricks gave; {MAP_NOTE}."),
    Column("aws_attributes", STRING_MAP, f"Settings of AWS; {MAP_NOTE}."),
    Column("azure_attributes", STRING_MAP, f"Settings of Azure; {MAP_NOTE}."),
    Column("gcp_attributes", STRING_MAP, f"Settings of Google Cloud; {MAP_NOTE}."),
)


CLUSTER_DEFINITION = struct(
    "autoscale:struct<max_workers:bigint,min_workers:bigint>",
    "autotermination_minutes:bigint",
    *strings("cluster_name driver_instance_pool_id driver_node_type_id"),
    "enable_elastic_disk:boolean",
    *strings("instance_pool_id node_type_id"),
    "num_workers:bigint",
    *strings("policy_id spark_version runtime_engine data_security_mode single_user_name"),
    *(
        f"{name}:{STRING_MAP}"
        for name in (
            "custom_tags",
            "spark_conf",
            "spark_env_vars",
            "aws_attributes",
            "azure_attributes",
            "gcp_attributes",
        )
    ),
)
"""What a cluster is to be like, where a job or an event says it."""


def snapshot_columns(key: Column, payload: Sequence[Column], answer: str) -> tuple[Column, ...]:
    """Columns of a snapshot table: its key and day, the payload, and what is known of the answer as a whole."""
    return (
        key,
        Column(
            "snapshot_date", "date", "UTC day of the snapshot; a later one of the same day replaces it.", nullable=False
        ),
        *payload,
        Column("fetched_ts", "timestamp", "The `now` of the load that asked for it.", bookkeeping=True),
        *body_columns(answer),
    )


def body_columns(answer: str) -> tuple[Column, ...]:
    """Columns of what is known of an object as a whole."""
    return (
        Column("droppedProperties", "int", "Properties that were dropped as secrets.", nullable=False),
        Column("value", "string", f"{answer} as JSON, secret properties cut out.", nullable=False),
    )


def snapshots(
    answers: DataFrame,
    key: Column,
    payload: Sequence[Column],
    *,
    secrets: Collection[str] = (),
    no_secrets: Collection[str] = (),
) -> DataFrame:
    """Rows of a snapshot table.

    Args:
        answers: the key, `body` (an answer's object as JSON text) and `fetched_ms` (epoch ms).
        key: the object's id.
        payload: the properties of the object that are columns.
        secrets: as of `shaped`.
        no_secrets: as of `shaped`.
    """
    keyed = answers.withColumn(key.name, F.col(key.name).cast(key.type))
    carried = {key.name: key.type, "fetched_ms": "bigint"}
    return shaped(keyed, carried, payload, secrets=secrets, no_secrets=no_secrets).select(
        key.name,
        date_of(F.col("fetched_ms")).alias("snapshot_date"),
        *(c.name for c in payload),
        timestamp_of(F.col("fetched_ms")).alias("fetched_ts"),
        "droppedProperties",
        "value",
    )


def shaped(
    answers: DataFrame,
    carried: Mapping[str, str],
    payload: Sequence[Column],
    *,
    secrets: Collection[str] = (),
    no_secrets: Collection[str] = (),
) -> DataFrame:
    """Objects taken apart: carried columns, payload, `droppedProperties` and `value`.

    Args:
        answers: `body`, an object as JSON text, and what is carried along.
        carried: columns of `answers` and their types.
        payload: the properties of the object that are columns; one of another type is null.
        secrets: properties of the object that are secret although their names do not look so.
        no_secrets: names of properties that are no secrets' although they look so.
    """
    names = {**carried, **{c.name: c.type for c in payload}, "droppedProperties": "int", "value": "string"}
    ddl = ", ".join(f"{name} {kind}" for name, kind in names.items())
    body = T.StructType([T.StructField(c.name, spark_type(c.type)) for c in payload])
    return answers.select(*carried, "body").mapInArrow(
        partial(_shaped, tuple(carried), body, frozenset(secrets), frozenset(no_secrets)), ddl
    )


def _shaped(
    carried: Sequence[str],
    body: T.StructType,
    secrets: Collection[str],
    no_secrets: Collection[str],
    batches: Iterable[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    shape = shaper(body)
    for batch in batches:
        cut = [_cut(parsed(text), secrets, no_secrets) for text in batch.column("body").to_pylist()]
        shapes = [shape(value) for value, _ in cut]
        yield pa.RecordBatch.from_pydict(
            {
                **{name: batch.column(name) for name in carried},
                **{f.name: arrow_of([found.get(f.name) for found in shapes], f.dataType) for f in body.fields},
                "droppedProperties": pa.array([dropped for _, dropped in cut], pa.int32()),
                "value": pa.array([text_of(value) for value, _ in cut], pa.string()),
            }
        )


def _cut(found: dict[str, Any], secrets: Collection[str], no_secrets: Collection[str]) -> tuple[dict[str, Any], int]:
    kept = {name: value for name, value in found.items() if name not in secrets or value is None}
    cut, dropped = cut_secrets(kept, no_secrets)
    return cut, dropped + len(found) - len(kept)
