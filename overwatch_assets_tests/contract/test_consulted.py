import pytest
from pyspark.sql import DataFrame

from overwatch_assets.contract import Column, Consulted, Fold, Insert, Linked, Source, table
from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import ConfigurationError


def test_a_consulted_table_is_an_upstream_but_no_parameter() -> None:
    snapshot, events = tables()["clusters_snapshot_bronze"], tables()["spark_events_bronze"]
    assert (snapshot.sources, snapshot.upstreams, snapshot.required) == (
        ("workspace_clusters",),
        ("audit_log_bronze",),
        ("audit_log_bronze",),
    )
    assert (events.upstreams, events.required) == (("clusters_snapshot_bronze", "audit_log_bronze"), ())
    names = list(tables())
    assert (
        names.index("audit_log_bronze") < names.index("clusters_snapshot_bronze") < names.index("spark_events_bronze")
    )


def test_the_transform_does_not_take_it() -> None:
    def wrong_bronze(source: DataFrame, audit: DataFrame) -> DataFrame:
        return source.join(audit)

    wrong_bronze.__module__ = "overwatch_assets.bronze.wrong_bronze"
    make = table(
        module_id=1,
        module_name="Wrong",
        columns=(Column("id", "string", "Id."),),
        keys=("id",),
        rebuild=Insert(),
        inputs={"source": Source(), "audit": Consulted()},
    )
    with pytest.raises(ConfigurationError, match=r"parameters \['source', 'audit'\] are not the inputs \['source'\]"):
        make(wrong_bronze)


def test_only_a_bronze_table_consults() -> None:
    def wrong_silver(rows: DataFrame) -> DataFrame:
        return rows

    wrong_silver.__module__ = "overwatch_assets.silver.wrong_silver"
    make = table(
        module_id=1,
        module_name="Wrong",
        columns=(Column("id", "string", "Id."),),
        keys=("id",),
        entity=("id",),
        rebuild=Fold(),
        inputs={"rows": Linked(("id",)), "audit": Consulted()},
    )
    with pytest.raises(ConfigurationError, match="only the reader of a source consults a table"):
        make(wrong_silver)
