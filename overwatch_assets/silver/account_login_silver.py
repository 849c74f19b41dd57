"""Module 2016: every login, of every kind."""

from pyspark.sql import Column as SparkColumn, DataFrame, functions as F

from overwatch_assets.contract import Column, Events, Fold, table
from overwatch_assets.rules.audit_records import RESPONSE
from overwatch_assets.rules.names import member
from overwatch_assets.rules.spark_time import date_of
from overwatch_assets.rules.windows import first_of, numbered

_ACCOUNTS, _SSH = "accounts", "ssh"
_OTHER_LOGINS = (
    "oidcTokenAuthorization",
    "inHouseOAuthClientAuthentication",
    "accountInHouseOAuthClientAuthentication",
    "passwordVerifyAuthentication",
)
"""Actions that sign somebody in although their names do not have "login" in them."""
_INTERNAL = "dbadmin"
"""Databricks' own user."""

_SSH_DETAILS = {
    "instance_id": "instanceId",
    "login_port": "port",
    "session_id": "",  # of the record
    "login_public_key": "publicKey",
    "container_id": "containerId",
    "container_user_name": "userName",
}
_ID = ("timestamp", "login_type", "requestId", "sourceIPAddress")


def _of(name: str) -> tuple[str, ...]:
    return (f"audit_log_bronze.{name}",)


@table(
    module_id=2016,
    module_name="Silver_AccountLogins",
    rebuild=Fold(),
    # A login depends on its own record alone, so what is rebuilt together is a day.
    entity=("login_date",),
    keys=(*_ID, "sequence"),
    partition="login_date",
    inputs={"audit_log_bronze": Events(key=("date",), only={"serviceName": (_ACCOUNTS, _SSH)})},
    columns=(
        Column("timestamp", "bigint", "Time of the login, epoch ms.", source=_of("timestamp"), nullable=False),
        Column(
            "login_type",
            "string",
            "How: the action, such as samlLogin, aadBrowserLogin or tokenLogin; `ssh` of logins to a driver.",
            source=_of("actionName"),
            nullable=False,
        ),
        Column("requestId", "string", "Id of the request.", source=_of("requestId")),
        Column("sequence", "int", "Place among logins that agree in time, kind, request and address.", nullable=False),
        Column("login_date", "date", "UTC day of the login.", source=_of("date"), nullable=False),
        Column("serviceName", "string", "accounts, or ssh.", source=_of("serviceName"), nullable=False),
        Column("login_user", "string", "User that the login names; null of ssh.", source=_of("requestParams")),
        Column("user_email", "string", "Address of who logged in; null: unknown.", source=_of("userIdentity")),
        Column("sourceIPAddress", "string", "Address that the login came from.", source=_of("sourceIPAddress")),
        Column("userAgent", "string", "Client: browser, SDK, Terraform, ...", source=_of("userAgent")),
        Column(
            "ssh_login_details",
            f"struct<{','.join(f'{name}:string' for name in _SSH_DETAILS)}>",
            "Of ssh: node, port, session, public key, container and user in it; else null.",
            source=_of("requestParams"),
        ),
        Column("response", RESPONSE, "Answer: logins that failed are rows too.", source=_of("response")),
        Column(
            "user_key",
            "string",
            "`login_user`, else `user_email`, in lower case: under it the user's id is looked up.",
        ),
    ),
)
def account_login_silver(spans: DataFrame, audit_log_bronze: DataFrame) -> DataFrame:
    """Every login: by browser, single sign-on, token, OAuth, code or password, and by ssh; failed ones too.

    One row: one login, also if it was published twice. Those of Databricks' own user are not among them; those without
    a time are only in bronze.
    """
    action, email = F.col("actionName"), F.col("userIdentity")["email"]
    is_ssh = (F.col("serviceName") == _SSH) & (action == "login")
    named_so = F.lower(action).contains("login") | action.isin(*_OTHER_LOGINS)
    is_login = is_ssh | ((F.col("serviceName") == _ACCOUNTS) & named_so)
    params, by_ssh = F.col("requestParams"), F.col("serviceName") == _SSH
    found = audit_log_bronze.where(
        is_login & F.col("timestamp").isNotNull() & ~F.coalesce(email == _INTERNAL, F.lit(False))
    ).select(
        "timestamp",
        F.when(by_ssh, F.lit(_SSH)).otherwise(action).alias("login_type"),
        "requestId",
        date_of(F.col("timestamp")).alias("login_date"),
        "serviceName",
        member(params, "user").alias("login_user"),
        member(F.col("userIdentity"), "email").alias("user_email"),
        "sourceIPAddress",
        "userAgent",
        F.when(by_ssh, _ssh_details(params)).alias("ssh_login_details"),
        "response",
        "hashKey",
        "lineHash",
    )
    once = first_of(found, (*_ID, "hashKey"), (~_succeeded(), "lineHash"))
    return numbered(once, "sequence", _ID, ("hashKey",)).select(
        *_ID,
        "sequence",
        "login_date",
        "serviceName",
        "login_user",
        "user_email",
        "userAgent",
        "ssh_login_details",
        "response",
        F.lower(F.trim(F.coalesce("login_user", "user_email"))).alias("user_key"),
    )


def _ssh_details(params: SparkColumn) -> SparkColumn:
    said = {name: member(params, of) if of else F.col("sessionId") for name, of in _SSH_DETAILS.items()}
    return F.struct(*(value.alias(name) for name, value in said.items()))


def _succeeded() -> SparkColumn:
    return F.coalesce(member(F.col("response"), "statusCode") == 200, F.lit(False))
