"""Module 2017: every change of who is in the workspace, and in which groups."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from typing import Any

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import Column, Events, Fold, Interval, table
from overwatch_assets.rules.audit_records import ACCOUNT_CHANGES, PRINCIPAL, RESPONSE
from overwatch_assets.rules.per_entity import answered, gathered
from overwatch_assets.rules.spark_time import date_of

_SERVICE = "accounts"
_CARRIED = {
    "timestamp": "bigint",
    "actionName": "string",
    "requestId": "string",
    "endpoint": "string",
    "modified_by": "string",
    "user_name": "string",
    "user_id": "string",
    "group_name": "string",
    "group_id": "string",
    "sourceIPAddress": "string",
    "userAgent": "string",
    "response": RESPONSE,
}
_MADE = {**_CARRIED, "sequence": "int"}


def _of(name: str) -> tuple[str, ...]:
    return (f"audit_log_bronze.{name}",)


@table(
    module_id=2017,
    module_name="Silver_ModifiedAccounts",
    rebuild=Fold(),
    entity=("principal",),
    keys=("principal", "timestamp", "actionName", "requestId", "sequence"),
    partition="date",
    interval=Interval("timestamp"),
    inputs={
        "audit_log_bronze": Events(
            key=("event_principal",), only={"serviceName": (_SERVICE,), "actionName": ACCOUNT_CHANGES}
        )
    },
    columns=(
        Column(
            "principal",
            "string",
            f"Whom the change is about: {PRINCIPAL}.",
            source=_of("event_principal"),
            nullable=False,
        ),
        Column("date", "date", "UTC day of the change.", nullable=False),
        Column("timestamp", "bigint", "Time of the change, epoch ms.", source=_of("timestamp"), nullable=False),
        Column("serviceName", "string", f"{_SERVICE}.", nullable=False),
        Column("actionName", "string", f"{', '.join(ACCOUNT_CHANGES)}.", source=_of("actionName"), nullable=False),
        Column("endpoint", "string", "What was asked: scim, ui, ...", source=_of("requestParams")),
        Column("requestId", "string", "Id of the request; one request may change many users.", source=_of("requestId")),
        Column(
            "sequence",
            "int",
            "Place among the principal's changes of one time, action and request, from 0.",
            nullable=False,
        ),
        Column("modified_by", "string", "Who changed it.", source=_of("userIdentity")),
        Column("user_name", "string", "User whose account was changed.", source=_of("requestParams")),
        Column(
            "user_id",
            "string",
            "The user's id: of the request, else of the nearest later change of that user, else of the nearest earlier "
            "one; if changes of the same stay in the workspace (from one `add` to the next) say it, of those alone.",
            source=_of("requestParams"),
        ),
        Column("group_name", "string", "Group that the user came to or left.", source=_of("requestParams")),
        Column("group_id", "string", "Id of the group.", source=_of("requestParams")),
        Column("sourceIPAddress", "string", "Address that the request came from.", source=_of("sourceIPAddress")),
        Column("userAgent", "string", "Client that sent the request.", source=_of("userAgent")),
        Column("response", RESPONSE, "Answer: changes that failed are rows too.", source=_of("response")),
    ),
)
def account_mods_silver(spans: DataFrame, audit_log_bronze: DataFrame) -> DataFrame:
    """Every request that adds or deletes a user, changes one, also as an admin, or changes a group's members.

    One row: one change of one principal, failed ones included. Those without a time are only in bronze.
    """
    params = F.col("requestParams")
    changes = audit_log_bronze.where(F.col("timestamp").isNotNull()).select(
        F.col("event_principal").alias("principal"),
        "timestamp",
        "actionName",
        "requestId",
        "sourceIPAddress",
        "userAgent",
        "response",
        F.col("userIdentity")["email"].alias("modified_by"),
        params["endpoint"].alias("endpoint"),
        params["targetUserName"].alias("user_name"),
        params["targetUserId"].alias("user_id"),
        params["targetGroupName"].alias("group_name"),
        params["targetGroupId"].alias("group_id"),
        "hashKey",
        "lineHash",
    )
    known = gathered(spans.select("principal"), ("principal",), {"changes": changes})
    ddl = ", ".join(f"{name}:{kind}" for name, kind in {"principal": "string", **_MADE}.items())
    return answered(known, _rows, ddl).select(
        "principal",
        date_of(F.col("timestamp")).alias("date"),
        F.lit(_SERVICE).alias("serviceName"),
        *_MADE,
    )


_Change = dict[str, Any]


def _rows(entity: dict[str, Any]) -> Iterator[_Change]:
    changes = _once(entity["changes"] or ())
    ids = _ids(changes)
    told = [{**change, "user_id": user_id} for change, user_id in zip(changes, ids, strict=True)]
    for _, same in groupby(told, _moment):
        for place, change in enumerate(same):
            row = {name: change[name] for name in _CARRIED}
            yield {"principal": entity["principal"], **row, "sequence": place}


def _moment(change: _Change) -> tuple[Any, ...]:
    return change["timestamp"], change["actionName"] != "add", change["actionName"], change["requestId"] or ""


def _succeeded(change: _Change) -> bool:
    return (change["response"] or {}).get("statusCode") == 200


def _once(changes: Sequence[_Change]) -> list[_Change]:
    """The changes in order; one that was published twice counts once, as succeeded if either says so.

    An `add` goes before other changes of its millisecond, as it does in the workspace.
    """
    first: dict[int, _Change] = {}
    for change in sorted(changes, key=lambda c: (not _succeeded(c), c["lineHash"])):
        first.setdefault(change["hashKey"], change)
    return sorted(first.values(), key=lambda c: (*_moment(c), c["hashKey"]))


def _ids(changes: Sequence[_Change]) -> list[str | None]:
    """The user's id at each change. A name may be given to another user, who has another id, once it is free."""
    begins = (change["actionName"] == "add" and _succeeded(change) for change in changes)
    stays = list(accumulate(begins, initial=0))[1:]
    ids: list[str | None] = [change["user_id"] or None for change in changes]
    of_stays = [
        found
        for _, stay in groupby(zip(stays, ids, strict=True), lambda pair: pair[0])
        for found in _nearest([known for _, known in stay])
    ]
    return [
        (of_stay or of_any) if change["user_name"] else change["user_id"]
        for change, of_stay, of_any in zip(changes, of_stays, _nearest(ids), strict=True)
    ]


def _nearest(ids: Sequence[str | None]) -> list[str | None]:
    """Each one itself where it is known, else the nearest later one, else the nearest earlier one."""
    later = [*accumulate(reversed(ids), _newer)][::-1]
    earlier = accumulate(ids, _newer)
    return [own or before for own, before in zip(later, earlier, strict=True)]


def _newer(known: str | None, own: str | None) -> str | None:
    return own or known
