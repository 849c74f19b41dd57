"""The data dictionary: Markdown written from the contracts, so that it says what the tables are."""

from collections.abc import Iterable
from dataclasses import replace

from overwatch_assets.contract.inputs import AsOf, Consulted, Events, Linked, Role, Source
from overwatch_assets.contract.rebuild import Fold, Insert, Mirror
from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import Table
from overwatch_assets.contract.units import EPOCH_MS, unit
from overwatch_assets.contract.view import Column, View

_VIEWS = "Views: what people query"

_LAYERS = {
    "bronze": "Bronze: every record of the sources, as it came",
    "silver": "Silver: states and entities",
    "gold": "Gold: what the views show",
    "state": "State: what was loaded, what changed, what was refused",
}


def render() -> str:
    """Write the whole dictionary: each table's and view's grain, keys and columns, with types, units and sources."""
    lines = [
        "# Data dictionary",
        "",
        "Written by `overwatch dictionary` from the tables' contracts; do not edit. Times are UTC. Columns that are",
        "marked *bookkeeping* are about the load and may differ between two loads of the same data. Numbers without a",
        "unit are ids, counts, hashes or ratios.",
        "",
        f"## {_VIEWS}",
    ]
    shown = [(t.view, t) for t in tables().values() if t.view is not None]
    for view, table in sorted(shown, key=lambda v: (v[0].of_etl, v[0].name.lower())):
        lines += ["", *_view(view, table)]
    for layer, title in _LAYERS.items():
        lines += ["", f"## {title}"]
        for table in sorted(
            (t for t in tables().values() if t.layer == layer), key=lambda t: (t.module_id or 9_999, t.name)
        ):
            lines += ["", *_table(table)]
    return "\n".join(lines) + "\n"


def _view(view: View, table: Table) -> list[str]:
    computed = {
        name: replace(column, source=(f"{table.name}: {sql}",)) for name, (column, sql) in view.computed.items()
    }
    own = {name: replace(column, source=(f"{table.name}.{name}",)) for name, column in table.by_name.items()}
    return [
        f"### View {view.name}",
        "",
        *table.doc.splitlines(),
        "",
        f"- Database: {'ETL' if view.of_etl else 'consumer'}",
        f"- Table: `{table.name}`",
        f"- Keys: {_names(('organization_id', *table.keys))}",
        *_where(table),
        *([f"- Sorted by: {_names(view.newest)}, newest first"] if view.newest else []),
        "",
        *_columns([computed.get(name) or own[name] for name in view.columns]),
    ]


def _table(table: Table) -> list[str]:
    facts = [("Keys", _names(("organization_id", *table.keys)))]
    if table.module_id is not None:
        facts.insert(0, ("Module", f"{table.module_id}, {table.module_name}"))
    if table.entity:
        facts.append(("Rebuilt together", _names(table.entity)))
    facts.append(("Write mode", _write_mode(table)))
    lines = [f"- {name}: {value}" for name, value in facts] + _where(table)
    if table.inputs:
        inputs = "; ".join(f"`{name}` ({_roles(roles)})" for name, roles in table.inputs.items())
        lines.append(f"- Inputs: {inputs}")
    if table.side_tables:
        lines.append(f"- Also writes: {_names(table.side_tables)}")
    if table.view:
        lines.append(f"- Consumer view: `{table.view.name}`")
    return [f"### {table.name}", "", *table.doc.splitlines(), "", *lines, "", *_columns(table.columns)]


def incremental(table: Table) -> tuple[str, ...]:
    """The columns by which a period of a table is read: its day, and the time that its rows are ordered by."""
    day = (table.day,) if table.day and table.by_name[table.day].type == "date" else ()
    times = (key for key in table.keys if unit(table.by_name[key]) == EPOCH_MS)
    found = dict.fromkeys((*day, *((table.interval.start,) if table.interval else times)))
    return tuple(found) or ("Pipeline_SnapTS",)


def _where(table: Table) -> list[str]:
    partitions = ("organization_id", *((table.partition,) if table.partition else ()))
    return [
        f"- Incremental columns: {_names(incremental(table))}",
        f"- Partition columns: {_names(partitions)} (`organization_id` where workspaces share tables)",
        *([f"- Z-order columns: {_names(table.z_order)}"] if table.z_order else []),
    ]


def _write_mode(table: Table) -> str:
    match table.rebuild:
        case Insert(replaces=True):
            return "merge; a later row of a key takes the place of the earlier one, and none is deleted"
        case Insert():
            return "insert by key; no row is changed or deleted"
        case Mirror():
            return "merge; all rows are what the source says, and those that it no longer has are deleted"
        case Fold():
            return "merge; what is rebuilt together is replaced, and rows that are no longer true are deleted"
    writers = [t.name for t in tables().values() if table.name in t.side_tables]
    return f"with {_names(tuple(writers))}, by its load" if writers else "append, by every load"


def _columns(columns: Iterable[Column]) -> list[str]:
    return [
        "| Column | Type | Unit | Meaning | Source |",
        "|---|---|---|---|---|",
        *(
            f"| `{c.name}` | `{c.type}` | {unit(c)} | {_cell(c.doc)}{' *Bookkeeping.*' if c.bookkeeping else ''}"
            f"{'' if c.nullable else ' Never null.'} | {_names(c.source)} |"
            for c in columns
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
