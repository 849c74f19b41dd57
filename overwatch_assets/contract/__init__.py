"""What a table is, said once: columns, keys, inputs, how it is rebuilt; everything else is derived from it."""

from overwatch_assets.contract.inputs import AsOf, Consulted, Events, Linked, Source
from overwatch_assets.contract.rebuild import Fold, Insert, Mirror
from overwatch_assets.contract.table import Column, Invariant, Table, View, table

__all__ = [
    "AsOf",
    "Column",
    "Consulted",
    "Events",
    "Fold",
    "Insert",
    "Invariant",
    "Linked",
    "Mirror",
    "Source",
    "Table",
    "View",
    "table",
]
