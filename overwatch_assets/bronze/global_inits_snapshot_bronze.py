"""Module 1011: which global init scripts the workspace has, once a day. Their content is never asked for."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.api_bodies import snapshot_columns, snapshots

_ID = Column("script_id", "string", "Id of the script.", nullable=False)
_PAYLOAD = (
    Column("name", "string", "Name of the script."),
    Column("position", "bigint", "Place in the order in which scripts run, from 0."),
    Column("enabled", "boolean", "Nodes run it when they start."),
    Column("created_at", "bigint", "When it was made, epoch ms."),
    Column("created_by", "string", "Who made it."),
    Column("updated_at", "bigint", "When it was last changed, epoch ms."),
    Column("updated_by", "string", "Who changed it last."),
)


@table(
    module_id=1011,
    module_name="Bronze_Global_Init_Scripts_Snapshot",
    rebuild=Insert(replaces=True),
    keys=("script_id", "snapshot_date"),
    partition="snapshot_date",
    inputs={"workspace_init_scripts": Source()},
    columns=snapshot_columns(_ID, _PAYLOAD, "The script of the answer of `global-init-scripts`"),
)
def global_inits_snapshot_bronze(workspace_init_scripts: DataFrame) -> DataFrame:
    """Snapshots of the workspace's global init scripts, one a day, without their content.

    One row: one script as `global-init-scripts` described it at the day's last snapshot.
    """
    return snapshots(workspace_init_scripts, _ID, _PAYLOAD, secrets=("script",))
