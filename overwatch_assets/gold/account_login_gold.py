"""Module 3008: every login, of every kind, and whose it was, for queries."""

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import AsOf, Column, Fold, Linked, View, table
from overwatch_assets.rules.lookups import lookup_when
from overwatch_assets.rules.names import member
from overwatch_assets.rules.renamed import Renamed, renamed_columns, same, values_of
from overwatch_assets.silver.account_login_silver import account_login_silver as SILVER

_DOCUMENTED = (
    Renamed("login_unixTimeMS", "timestamp", nullable=None),
    *same("login_date", "login_type", "login_user", "user_email", "ssh_login_details"),
    Renamed("from_ip_address", "sourceIPAddress"),
    Renamed("user_agent", "userAgent"),
    Renamed("request_id", "requestId"),
    *same("response"),
)
_FURTHER = (
    Column(
        "user_id",
        "string",
        "The user's id in the workspace at that time, as changes of the account tell it; null: none does.",
        source=("account_mods_silver.user_id",),
    ),
    Column(
        "ssh_username",
        "string",
        "User in the container; null: not by ssh.",
        source=(f"{SILVER.name}.ssh_login_details",),
    ),
)


@table(
    module_id=3008,
    module_name="Gold_AccountLogin",
    rebuild=Fold(),
    entity=("login_date",),
    keys=("login_unixTimeMS", "login_type", "request_id", "from_ip_address", "sequence"),
    partition="login_date",
    inputs={
        "account_login_silver": Linked(("login_date",)),
        "account_mods_silver": AsOf(
            "principal", "users_used", uses="account_login_silver.user_key", since="login_date", earlier="user_id"
        ),
    },
    view=View(
        "accountLogin",
        ("organization_id", "workspace_name", *(c.name for c in _DOCUMENTED), *(c.name for c in _FURTHER)),
        of_etl=True,
    ),
    columns=(
        *renamed_columns(SILVER, _DOCUMENTED),
        *_FURTHER,
        *renamed_columns(SILVER, same("sequence")),
        Column("users_used", "array<string>", "User names that were looked up, found or not."),
    ),
)
def account_login_gold(spans: DataFrame, account_login_silver: DataFrame, account_mods_silver: DataFrame) -> DataFrame:
    """Every login: by browser, single sign-on, token, OAuth, code or password, and by ssh; failed ones too.

    One row: one login. The user's id is the last one that is known of the name at that time; before the first one that.
    """
    ids = account_mods_silver.where(F.col("user_name").isNotNull()).select(
        F.col("principal").alias("user_key"), F.col("timestamp").alias("mod_ms"), "user_id"
    )
    found = lookup_when(
        account_login_silver, ids, ("user_key",), "timestamp", "mod_ms", columns=("user_id",), look_ahead=True
    )
    return found.select(
        *values_of(_DOCUMENTED),
        "user_id",
        member(F.col("ssh_login_details"), "container_user_name").alias("ssh_username"),
        "sequence",
        F.when(F.col("user_key").isNotNull(), F.array("user_key")).alias("users_used"),
    )
