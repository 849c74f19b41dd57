"""`overwatch prices`: what applies in a workspace on a day, and where it is from. Needs no engine and no tables."""

import datetime as dt

from overwatch_assets.cli.output import print_json, print_table
from overwatch_assets.cli.where import deployment_of
from overwatch_assets.config.deployment import Workspace
from overwatch_assets.config.prices import price_book
from overwatch_assets.errors import ConfigurationError
from overwatch_assets.rules.prices import VALUES, Kind, Price, Value, normal

_TITLES = {
    Kind.DBU: "DBUs, USD each",
    Kind.PHOTON: "Photon: what DBUs are multiplied by",
    Kind.INSTANCE: "Node types, USD and DBUs per hour",
    Kind.WAREHOUSE: "Clusters of SQL warehouses by size, DBUs per hour",
}
_SHOWN = {
    **VALUES,
    Kind.INSTANCE: ("vCPUs", "Memory_GB", "Compute_Contract_Price", "On_Demand_Cost_Hourly", "Hourly_DBUs"),
}


def run(
    deployment: str | None,
    *,
    workspace: str | None,
    day: str | None,
    node_type: str | None,
    sku: str | None,
    as_json: bool,
) -> None:
    """Print what applies.

    Raises:
        ConfigurationError: the deployment or a price file is wrong, or nothing applies to what was asked for.
    """
    on = _day(day)
    known = deployment_of(deployment)
    chosen = known.active_workspaces if workspace is None else (known.workspace(workspace),)
    found = [(w, [p for p in price_book(w).rows if p.applies_on(on) and _asked(p, node_type, sku)]) for w in chosen]
    if not any(prices for _, prices in found):
        asked = " and ".join(name for name in (node_type, sku) if name) or "anything"
        raise ConfigurationError(f"On {on} no price of {asked} is known; `prices` of the deployment file can add one")
    if as_json:
        print_json([_document(w, p) for w, prices in found for p in prices])
        return
    for w, prices in found:
        for kind, title in _TITLES.items():
            rows = [p for p in prices if p.kind is kind]
            if rows:
                _print(f"Workspace {w.workspace_id} ({w.workspace_name}) on {on}. {title}", kind, rows)


def _print(title: str, kind: Kind, rows: list[Price]) -> None:
    names = _SHOWN[kind]
    values = [
        (p.key, *(_number(p.values.get(n)) for n in names), str(p.active_from), _text(p.active_until), p.source)
        for p in rows
    ]
    key = {Kind.INSTANCE: "node type", Kind.WAREHOUSE: "size"}.get(kind, "sku")
    print_table(title, (key, *names, "from", "until", "source"), values)


def _number(value: Value) -> str:
    if isinstance(value, str):
        return value
    return "unknown" if value is None else f"{value:.6f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))


def _text(day: dt.date | None) -> str | None:
    return None if day is None else str(day)


def _document(workspace: Workspace, price: Price) -> dict[str, object]:
    return {
        "organization_id": workspace.workspace_id,
        "workspace_name": workspace.workspace_name,
        "table": price.kind.value,
        "key": price.key,
        **{name: price.values.get(name) for name in VALUES[price.kind]},
        "activeFrom": str(price.active_from),
        "activeUntil": _text(price.active_until),
        "isActive": price.is_active,
        "price_source": price.source,
        "price_date": _text(price.source_date),
    }


def _asked(price: Price, node_type: str | None, sku: str | None) -> bool:
    if node_type is None and sku is None:
        return True
    wanted = {Kind.INSTANCE: node_type, Kind.WAREHOUSE: None}.get(price.kind, sku)
    return wanted is not None and normal(price.key) == normal(wanted)


def _day(text: str | None) -> dt.date:
    if text is None:
        return dt.datetime.now(dt.UTC).date()
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise ConfigurationError(f"--day must be a day as yyyy-MM-dd, not {text!r}") from None
