"""What the workspace's API and audit logs say of SQL warehouses, in one form."""

from typing import Any

from overwatch_assets.rules.json_values import object_of, text_of, unwrapped

DEFINES = ("createEndpoint", "createWarehouse", "editEndpoint", "editWarehouse")
DELETES = ("deleteEndpoint", "deleteWarehouse")
STOPS = ("stopEndpoint", "stopWarehouse")
"""Actions of the service `databrickssql`; a warehouse was called an endpoint before."""

CREATES = DEFINES[:2]
SERVERLESS = "SERVERLESS"


def tags_of(told: Any) -> dict[str, str] | None:
    """Tags as key to value, names as they were given; of one key the last counts. None: it says nothing of tags.

    The API says `{"custom_tags": [{"key": ..., "value": ...}]}`.
    """
    found = object_of(told)
    if found is None:
        return None
    pairs = unwrapped(found.get("custom_tags"))
    if pairs is None and "custom_tags" not in found:
        return {str(key): _text(value) for key, value in found.items() if value is not None}
    listed = [p for p in pairs if isinstance(p, dict)] if isinstance(pairs, list) else []
    return {str(p["key"]): _text(p.get("value")) for p in listed if p.get("key") not in (None, "")}


def channel_of(told: Any) -> str | None:
    """Name of a release channel, which is told as an object or by its name alone."""
    found = object_of(told)
    if found is not None:
        return str(found["name"]) if found.get("name") else None
    return told.strip() or None if isinstance(told, str) else None


def billed_type(warehouse_type: str | None, serverless: bool | None) -> str | None:  # noqa: FBT001 - a fact, no switch
    """CLASSIC, PRO or SERVERLESS, by which a warehouse is paid; None: not known.

    A serverless warehouse says that it is pro; a pro one of which it is not known whether it is serverless may be both.
    """
    if serverless:
        return SERVERLESS
    kind = (warehouse_type or "").strip().upper()
    if kind == "CLASSIC" or (kind == "PRO" and serverless is False):
        return kind
    return None


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else text_of(value)
