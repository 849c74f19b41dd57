"""Whether what a deployment file says of an Azure Event Hub goes together."""

from collections.abc import Mapping
from typing import Any

from overwatch_assets.config.fields import require

_PRINCIPAL = ("eh_conn_string", "aad_tenant_id", "aad_client_id", "aad_client_secret_key or aad_client_secret")


def check_event_hub(name: str | None, row: Mapping[str, Any]) -> None:
    """Refuse a hub without a name, with no credentials, with half of them, or with two kinds of them.

    Args:
        name: the hub's name.
        row: the workspace's other fields, those that are wrong left out.
    """
    shared = [field for field in ("eh_scope_key", "eh_connection") if row.get(field)]
    principal = {names: [n for n in names.split(" or ") if row.get(n)] for names in _PRINCIPAL}
    given = [*shared, *(field for fields in principal.values() for field in fields)]
    if name is None:
        require(not given, f"is required with {', '.join(given)}: the name of an Event Hub")
        return
    wrong = any(field not in row for field in ("eh_scope_key", "eh_connection", *" or ".join(_PRINCIPAL).split(" or ")))
    if wrong or row.get("auditlogprefix_source_path", "wrong"):  # said at the field; not used
        return
    kinds = "eh_scope_key (or eh_connection), or else " + ", ".join(_PRINCIPAL)
    require(given, f"needs {kinds}")
    missing = [] if shared else [names for names, fields in principal.items() if not fields]
    require(not missing, f"needs {', '.join(missing)} with {', '.join(given)}")
    double = [fields for fields in (shared, *principal.values()) if len(fields) > 1]
    require(not double, f"must have one of {' and '.join(double[0] if double else [])}, not both")
    require(not shared or given == shared, f"must have {kinds}, but not both: it has {', '.join(given)}")
    keys = [field for field in ("eh_scope_key", "aad_client_secret_key") if row.get(field)]
    require(
        not keys or row.get("secret_scope", "unknown"), f"needs secret_scope, the scope that holds {', '.join(keys)}"
    )
