"""Module 1009: which instance profiles the workspace's clusters may use, once a day. AWS only."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.api_bodies import snapshot_columns, snapshots

_ID = Column("instance_profile_arn", "string", "ARN of the instance profile: a name, no secret.", nullable=False)
_PAYLOAD = (
    Column("iam_role_arn", "string", "ARN of its role, where that has another name than the profile."),
    Column("is_meta_instance_profile", "boolean", "It only lets its users take roles of their own."),
)


@table(
    module_id=1009,
    module_name="Bronze_Instance_Profile_Snapshot",
    rebuild=Insert(replaces=True),
    keys=("instance_profile_arn", "snapshot_date"),
    partition="snapshot_date",
    inputs={"workspace_instance_profiles": Source()},
    columns=snapshot_columns(_ID, _PAYLOAD, "The instance profile of the answer of `instance-profiles/list`"),
)
def instance_profiles_snapshot_bronze(workspace_instance_profiles: DataFrame) -> DataFrame:
    """Snapshots of the workspace's instance profiles, one a day; workspaces on other clouds than AWS have none.

    One row: one instance profile as `instance-profiles/list` described it at the day's last snapshot.
    """
    return snapshots(workspace_instance_profiles, _ID, _PAYLOAD)
