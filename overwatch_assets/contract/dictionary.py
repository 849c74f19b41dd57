"""The data dictionary: Markdown written from the contracts, so that it says what the tables are."""

from overwatch_assets.contract.inputs import AsOf, Consulted, Events, Linked, Role, Source
from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import Table

_LAYERS = {
    "bronze": "Bronze: every record of the sources, as it came",
    "silver": "Silver: states and entities",
    "gold": "Gold: what people query",
    "state": "State: what was loaded, what changed, what was refused",
}


def render() -> str:
    """Write the whole dictionary: each table's grain, keys and inputs, each column's type, meaning and source."""
    lines = [
        "# Data dictionary",
        "",
        "Written by `overwatch dictionary` from the tables' contracts; do not edit. Times are UTC. Columns that are",
        "marked *bookkeeping* are about the load and may differ between two loads of the same data.",
    ]
    for layer, title in _LAYERS.items():
        chosen = [t for t in tables().values() if t.layer == layer]
        if not chosen:
            continue
        lines += ["", f"## {title}"]
        for table in sorted(chosen, key=lambda t: (t.module_id or 9_999, t.name)):
            lines += ["", *_table(table)]
    return "\n".join(lines) + "\n"


def _table(table: Table) -> list[str]:
    facts = [("Keys", _names(("organization_id", *table.keys)))]
    if table.module_id is not None:
        facts.insert(0, ("Module", f"{table.module_id}, {table.module_name}"))
    if table.entity:
        facts.append(("Rebuilt together", _names(table.entity)))
    if table.partition:
        facts.append(("Partitioned by", f"`{table.partition}`"))
    if table.z_order:
        facts.append(("Z-ordered by", _names(table.z_order)))
    if table.inputs:
        facts.append(("Inputs", "; ".join(f"`{name}` ({_roles(roles)})" for name, roles in table.inputs.items())))
    if table.side_tables:
        facts.append(("Also writes", _names(table.side_tables)))
    if table.view:
        facts.append((f"Consumer view `{table.view.name}`", _names(table.view.columns)))
    return [
        f"### {table.name}",
        "",
        *table.doc.splitlines(),
        "",
        *(f"- {name}: {value}" for name, value in facts),
        "",
        "| Column | Type | Meaning | Source |",
        "|---|---|---|---|",
        *(
            f"| `{c.name}` | `{c.type}` | {_cell(c.doc)}{' *Bookkeeping.*' if c.bookkeeping else ''}"
            f"{'' if c.nullable else ' Never null.'} | {_names(c.source)} |"
            for c in table.columns
        ),
    ]


def _roles(roles: tuple[Role, ...]) -> str:
    return ", ".join(_role(role) for role in roles)


def _role(role: Role) -> str:
    match role:
        case Source():
            return "source"
        case Events():
            return f"its rows of each {_names(role.key)}" + (", optional" if role.optional else "")
        case Linked():
            return f"changed rows by {_names(role.key)}" + (", optional" if role.optional else "")
        case Consulted():
            return "consulted by its reader" + (", optional" if role.optional else "")
        case AsOf():
            by = f" by `{role.uses}`" if role.uses else ""
            return f"looked up{by} in `{role.key}`" + (", optional" if role.optional else "")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
