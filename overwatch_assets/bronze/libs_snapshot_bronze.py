"""Module 1007: which libraries the workspace's clusters have, once a day."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.api_bodies import snapshot_columns, snapshots, strings, struct

_LIBRARY = struct(
    *strings("jar egg whl requirements"),
    "pypi:struct<package:string,repo:string>",
    "maven:struct<coordinates:string,repo:string,exclusions:array<string>>",
    "cran:struct<package:string,repo:string>",
)
_STATUS = struct(
    f"library:{_LIBRARY}", "status:string", "messages:array<string>", "is_library_for_all_clusters:boolean"
)

_ID = Column("cluster_id", "string", "Cluster.", nullable=False)
_PAYLOAD = (
    Column(
        "library_statuses",
        f"array<{_STATUS}>",
        "Its libraries, each with INSTALLED, PENDING, FAILED, ..., what went wrong, and whether all clusters get it.",
    ),
)


@table(
    module_id=1007,
    module_name="Bronze_Libraries_Snapshot",
    rebuild=Insert(replaces=True),
    keys=("cluster_id", "snapshot_date"),
    partition="snapshot_date",
    inputs={"workspace_libraries": Source()},
    columns=snapshot_columns(
        _ID, _PAYLOAD, "The cluster's libraries in the answer of `libraries/all-cluster-statuses`"
    ),
)
def libs_snapshot_bronze(workspace_libraries: DataFrame) -> DataFrame:
    """Snapshots of the libraries of clusters, one a day.

    One row: one cluster that has libraries, as `libraries/all-cluster-statuses` said at the day's last snapshot.
    """
    return snapshots(workspace_libraries, _ID, _PAYLOAD)
