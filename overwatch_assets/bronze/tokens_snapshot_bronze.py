"""Module 1010: which access tokens the workspace has, once a day. What is asked for are never the tokens themselves."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Column, Insert, Source, table
from overwatch_assets.rules.api_bodies import snapshot_columns, snapshots

_OF_ALL = "null where only the API user's own tokens are shown"
_ID = Column("token_id", "string", "Id of the token; not the token itself, which is never stored.", nullable=False)
_PAYLOAD = (
    Column("creation_time", "bigint", "When it was made, epoch ms."),
    Column("expiry_time", "bigint", "When it expires, epoch ms; -1: never."),
    Column("comment", "string", "What its maker says of it."),
    Column("owner_id", "bigint", f"User that it signs in as; {_OF_ALL}."),
    Column("created_by_id", "bigint", f"User that made it; {_OF_ALL}."),
    Column("created_by_username", "string", f"Name of the user that made it; {_OF_ALL}."),
    Column("last_used_day", "bigint", f"Day of its last use, epoch ms, where the answer says so; {_OF_ALL}."),
)


@table(
    module_id=1010,
    module_name="Bronze_Token_Snapshot",
    rebuild=Insert(replaces=True),
    keys=("token_id", "snapshot_date"),
    partition="snapshot_date",
    inputs={"workspace_tokens": Source()},
    columns=snapshot_columns(
        _ID, _PAYLOAD, "The token of the answer of `token-management/tokens`, of who may not ask that of `token/list`,"
    ),
)
def tokens_snapshot_bronze(workspace_tokens: DataFrame) -> DataFrame:
    """Snapshots of what is known of the workspace's access tokens, one a day.

    One row: one token at the day's last snapshot. All tokens if the API's user is an admin, else that user's own.
    """
    return snapshots(workspace_tokens, _ID, _PAYLOAD, no_secrets=(_ID.name,))
