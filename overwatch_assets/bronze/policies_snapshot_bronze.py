"""Module 1008: what the workspace's cluster policies look like, once a day."""

from pyspark.sql import DataFrame

from overwatch_assets.bronze.jobs_snapshot_bronze import LIBRARY
from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.api_bodies import snapshot_columns, snapshots

_ID = Column("policy_id", "string", "Id of the policy.", nullable=False)
_PAYLOAD = (
    Column("name", "string", "Name of the policy."),
    Column("definition", "string", "What it allows, JSON: per attribute a rule; secret attributes are cut out."),
    Column("description", "string", "What its maker says of it."),
    Column("creator_user_name", "string", "Who made it; null: Databricks did."),
    Column("created_at_timestamp", "bigint", "When it was made, epoch ms."),
    Column("is_default", "boolean", "Databricks made it with the workspace."),
    Column("policy_family_id", "string", "Family that it inherits its rules from."),
    Column("policy_family_definition_overrides", "string", "Where it departs from that family, JSON."),
    Column("max_clusters_per_user", "bigint", "Clusters that one user may have of it; null: no limit."),
    Column("libraries", f"array<{LIBRARY}>", "Libraries that its clusters get."),
)


@table(
    module_id=1008,
    module_name="Bronze_Policies_Snapshot",
    rebuild=Insert(replaces=True),
    keys=("policy_id", "snapshot_date"),
    partition="snapshot_date",
    inputs={"workspace_policies": Source()},
    columns=snapshot_columns(_ID, _PAYLOAD, "The policy of the answer of `policies/clusters/list`"),
)
def policies_snapshot_bronze(workspace_policies: DataFrame) -> DataFrame:
    """Snapshots of the workspace's cluster policies, one a day.

    One row: one policy as `policies/clusters/list` described it at the day's last snapshot.
    """
    return snapshots(workspace_policies, _ID, _PAYLOAD)
