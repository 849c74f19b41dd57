"""Module 3007: every change of who is in the workspace, and in which groups, for queries."""

from pyspark.sql import DataFrame

from overwatch_assets.contract import Fold, Linked, View, table
from overwatch_assets.rules.renamed import Renamed, renamed_columns, same, values_of
from overwatch_assets.silver.account_mods_silver import account_mods_silver as SILVER

_SHOWN = (
    Renamed("mod_unixTimeMS", "timestamp", nullable=None),
    Renamed("mod_date", "date", nullable=None),
    Renamed("action", "actionName", nullable=None),
    *same("endpoint", "modified_by", "user_name", "user_id", "group_name", "group_id"),
    Renamed("from_ip_address", "sourceIPAddress"),
    Renamed("user_agent", "userAgent"),
    Renamed("request_id", "requestId"),
    *same("response"),
)
_COLUMNS = (*_SHOWN, *same("principal", "sequence"))


@table(
    module_id=3007,
    module_name="Gold_AccountMod",
    rebuild=Fold(),
    entity=("principal",),
    keys=("principal", "mod_unixTimeMS", "action", "request_id", "sequence"),
    partition="mod_date",
    inputs={"account_mods_silver": Linked(("principal",))},
    view=View("accountMod", ("organization_id", "workspace_name", *(c.name for c in _SHOWN)), of_etl=True),
    columns=renamed_columns(SILVER, _COLUMNS),
)
def account_mods_gold(spans: DataFrame, account_mods_silver: DataFrame) -> DataFrame:
    """Every request that adds or deletes a user, makes one an admin, changes one, or changes a group's members.

    One row: one change of one principal, failed ones included.
    """
    return account_mods_silver.select(*values_of(_COLUMNS))
